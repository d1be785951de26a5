import { existsSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import test from 'ava'
import { render } from '#src/appliance/provision/render.ts'
import { installed, run } from '#test/support/run.ts'
import { tempFolder } from '#test/support/temp.ts'
import { settingsIn } from './support.ts'

const SCRIPT = join(import.meta.dirname, 'networkd.sh')
const withNetworkd =
  existsSync('/lib/systemd/systemd-networkd') && installed('unshare') && installed('ip') ? test : test.skip

const FILE = `
[network.eth0]
addresses = ["192.0.2.5/24", "2001:db8::5/64"]
gateway = ["192.0.2.1", "fe80::1"]
[network."52:54:00:AB:CD:EF"]
dhcp = true
ipv6 = "off"
[network."*"]
dhcp = true
`

async function started(folder: string, change: (text: string) => string = (text) => text) {
  for (const { path, text } of render(await settingsIn(FILE), true))
    if (path.endsWith('.network')) writeFileSync(join(folder, basename(path)), change(text))
  return await run('unshare', ['--user', '--map-root-user', '--net', '--mount', 'sh', SCRIPT, folder])
}

/** What it says about a file that it does not understand. */
const COMPLAINT = /\.network:\d+: .*/g

withNetworkd(
  'systemd-networkd takes what is made of interfaces, and gives them their addresses and routers',
  async (t) => {
    using folder = tempFolder('networkd')
    const ran = await started(folder.path)
    if (ran.code !== 0 && /unshare|mount/.test(ran.stderr)) {
      t.log('no namespaces here: not tried')
      t.pass()
      return
    }
    t.is(ran.code, 0, ran.stderr)
    t.deepEqual(ran.stdout.match(COMPLAINT) ?? [], [])
    t.regex(ran.stdout, /eth0\s+inet 192\.0\.2\.5\/24/)
    t.regex(ran.stdout, /eth0\s+inet6 2001:db8::5\/64/)
    t.regex(ran.stdout, /default via 192\.0\.2\.1 dev eth0/)
    t.regex(ran.stdout, /default via fe80::1 dev eth0/)
    t.regex(ran.stdout, /eth1: Configuring with \S+50-postern-525400abcdef\.network/)
    t.notRegex(ran.stdout, /eth1\s+inet6/)
    // The interface of no hardware is not meant by "*".
    t.notRegex(ran.stdout, /far0: Configuring/)
  },
)

withNetworkd('a file that systemd-networkd does not understand would be seen', async (t) => {
  using folder = tempFolder('networkd')
  const ran = await started(folder.path, (text) => text.replace('Gateway=192', 'Gatewya=192'))
  if (ran.code !== 0 && /unshare|mount/.test(ran.stderr)) {
    t.log('no namespaces here: not tried')
    t.pass()
    return
  }
  t.regex((ran.stdout.match(COMPLAINT) ?? []).join('\n'), /Unknown key 'Gatewya'/)
})
