import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { render } from '#src/appliance/provision/render.ts'
import { readConfig } from '#src/config/config.ts'
import { problemText } from '#src/config/reader.ts'
import { REPOSITORY } from '#test/support/appliance.ts'
import { rulesTaken } from '#test/support/nft.ts'
import { installed, run } from '#test/support/run.ts'
import { tempFolder } from '#test/support/temp.ts'
import { CA, settingsIn } from './support.ts'

const withUnbound = installed('unbound-checkconf') ? test : test.skip
const withChrony = installed('chronyd') ? test : test.skip
const withNft = installed('nft') && installed('unshare') ? test : test.skip

/** Everything that can be said, with what has to be quoted. */
const FULL = `
[system]
hostname = "mx1.example.com"
timezone = "Europe/Vienna"
[network.eth0]
addresses = ["192.0.2.5/24", "2001:db8::5/64"]
gateway = ["192.0.2.1", "fe80::1"]
[network."52:54:00:AB:CD:EF"]
dhcp = true
ipv6 = "off"
[network."*"]
ipv6 = "accept-ra"
[dns]
servers = ["192.0.2.53", "[2001:db8::53]:5353"]
insecure = ["corp.example"]
[time]
servers = ["ntp.example.com", "192.0.2.123"]
nts = ["nts.example.com"]
[ldap]
urls = ["ldap://ldap1.example.com:389", "ldaps://ldap2.example.com"]
bind_dn = 'uid=zimbra,cn="ad\\mins",cn=zimbra'
password = 'p"a\\ss$word\u00e4'
ca = "ca.pem"
base = "dc=example,dc=com"
server = "mx1.example.com"
[console]
idle_logout = "15m"
[mail]
lmtp = "[2001:db8::25]:7025"
domain = "example.com"
[health]
listen = "[::]:8025"
token = "a token of thirty-two characters"
allow = ["192.0.2.0/24", "2001:db8::/32"]
[snmp]
community = "v2c-wanted"
allow = ["192.0.2.0/24", "2001:db8::/32"]
listen = ["192.0.2.5", "[2001:db8::5]:1161"]
informs = ["nms.example.com"]
traps = ["192.0.2.9:1162"]
contact = "postmaster@example.com"
location = "Rack 5"
[[snmp.user]]
name = "monitor"
auth = 'quote " and \\ back'
priv = "privacy passphrase"
[update]
url = "https://updates.example.com/postern.ptu"
`

async function files(text: string, isOpen = true): Promise<ReadonlyMap<string, string>> {
  const settings = await settingsIn(text, { 'ca.pem': CA })
  return new Map(render(settings, isOpen).map((one) => [one.path, one.text]))
}

function ofImage(path: string): string {
  return readFileSync(join(REPOSITORY, 'image', 'overlay', path), 'utf8')
}

function of(all: ReadonlyMap<string, string>, name: string): string {
  return all.get(`/run/postern-image/${name}`) ?? ''
}

for (const [title, text] of [
  ['everything that can be said', FULL],
  ['nothing at all', ''],
] as const) {
  for (const isOpen of [true, false]) {
    const state = isOpen ? 'an open box' : 'a box without a password'
    test(`of ${title}, for ${state}, postern.toml is one that Postern takes`, async (t) => {
      using folder = tempFolder('provision')
      const all = await files(text, isOpen)
      for (const name of ['health-token', 'ldap-password', 'ldap-ca.pem'])
        if (of(all, `made/${name}`) !== '') writeFileSync(join(folder.path, name), of(all, `made/${name}`))
      const toml = of(all, 'postern.toml').replaceAll('/run/postern-image/made', folder.path)
      const read = readConfig(toml, 'postern.toml', folder.path)
      t.deepEqual(read.kind === 'invalid' ? read.problems.map(problemText) : [], [])
      if (read.kind === 'invalid') return
      const { listeners, directory, health } = read.config
      t.deepEqual(
        listeners.map(({ address, port }) => `${address} ${port}`),
        isOpen ? [':: 25', ':: 465', ':: 587'] : ['127.0.0.1 2025', '127.0.0.1 2465', '127.0.0.1 2587'],
      )
      t.is(health.listen?.address, isOpen && title !== 'nothing at all' ? '::' : '127.0.0.1')
      if (text === '') return
      t.is(directory.ldap?.bindDn, 'uid=zimbra,cn="ad\\mins",cn=zimbra')
      t.is(of(all, 'made/ldap-password'), 'p"a\\ss$word\u00e4\n')
      t.deepEqual(directory.ldap?.urls, ['ldap://ldap1.example.com:389', 'ldaps://ldap2.example.com:636'])
      t.is(read.config.lmtpServer?.host, '2001:db8::25')
    })
  }

  withUnbound(`of ${title}, unbound takes its settings`, async (t) => {
    using folder = tempFolder('provision')
    const key = join(folder.path, 'root.key')
    writeFileSync(key, '. IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n')
    const file = join(folder.path, 'unbound.conf')
    const added = join(folder.path, '50-provision.conf')
    const conf = of(await files(text), 'unbound.d/50-provision.conf')
    writeFileSync(added, conf)
    writeFileSync(
      file,
      ofImage('etc/unbound/unbound.conf')
        .replace('/usr/share/dns/root.key', key)
        .replace(/root-hints:.*/, '')
        .replace('/run/postern-image/unbound.d/', `${folder.path}/`)
        .replace('*.conf', '50-*.conf'),
    )
    const ran = await run('/usr/sbin/unbound-checkconf', [file])
    t.is(ran.code, 0, ran.stderr)
    t.is(conf.includes('  forward-addr: 2001:db8::53@5353\n'), text !== '')
    writeFileSync(added, `${conf}no such thing\n`)
    t.not((await run('/usr/sbin/unbound-checkconf', [file])).code, 0)
  })

  withChrony(`of ${title}, chronyd takes its sources`, async (t) => {
    using folder = tempFolder('provision')
    const file = join(folder.path, 'chrony.conf')
    // As a part of its settings they are judged by the rules of a file of sources.
    // Debian 12's chronyd does not know the list of leap seconds yet.
    const image = ofImage('etc/chrony/chrony.conf').replace(/^leapseclist.*$/m, '')
    const conf = `${image}${of(await files(text), 'chrony.d/50-provision.sources')}`
    writeFileSync(file, conf)
    const ran = await run('/usr/sbin/chronyd', ['-p', '-f', file])
    t.is(ran.code, 0, ran.stderr)
    t.is([...conf.matchAll(/^pool /gm)].length, text === '' ? 1 : 0)
    writeFileSync(file, `${conf}no such directive\n`)
    t.not((await run('/usr/sbin/chronyd', ['-p', '-f', file])).code, 0)
  })
}

function network(all: ReadonlyMap<string, string>): readonly string[] {
  return [...all.keys()].filter((path) => path.startsWith('/run/systemd/network/'))
}

test('each interface has a file of its own, and those that are named come first', async (t) => {
  t.deepEqual(network(await files('')), [])
  t.deepEqual(network(await files(FULL)), [
    '/run/systemd/network/50-postern-eth0.network',
    '/run/systemd/network/50-postern-525400abcdef.network',
    '/run/systemd/network/60-postern-any.network',
  ])
})

test('secrets are in files of their own, which nobody else reads', async (t) => {
  const settings = await settingsIn(FULL, { 'ca.pem': CA })
  const rendered = render(settings, true)
  const secrets = ['p"a\\ss$word', 'a token of thirty-two', 'privacy passphrase', 'v2c-wanted']
  for (const secret of secrets) {
    const holders = rendered.filter(({ text }) => text.includes(secret))
    t.deepEqual(
      holders.filter(({ reader }) => reader === 'all').map(({ path }) => path),
      [],
    )
    t.is(holders.length, 1, secret)
  }
})

test('while the console has no password there is neither SNMP nor a way through the firewall', async (t) => {
  const closed = await files(FULL, false)
  t.false(closed.has('/run/postern-image/made/snmpd.conf'))
  t.false(closed.has('/run/postern-image/firewall-open.d/50-open.nft'))
})

withNft('the kernel takes the rules of the firewall: shut, open, and of a release on trial', async (t) => {
  using folder = tempFolder('provision')
  const seen: string[] = []
  for (const state of ['shut', 'open', 'trial'] as const) {
    const root = join(folder.path, state)
    const all = new Map(await files(FULL, state !== 'shut'))
    if (state === 'trial')
      all.set('/run/postern-image/firewall-trial.d/50-trial.nft', ofImage('usr/lib/postern-image/trial.nft'))
    for (const [path, text] of all) {
      if (!path.endsWith('.nft')) continue
      mkdirSync(join(root, path, '..'), { recursive: true })
      writeFileSync(join(root, path), text)
    }
    // What the image has in /etc: the rules of any installation, and a link to what is made.
    const made = join(root, 'run/postern-image')
    const stock = join(root, 'firewall.nft')
    writeFileSync(
      stock,
      readFileSync(join(REPOSITORY, 'systemd/firewall.nft'), 'utf8').replaceAll(
        '/etc/postern/firewall.d',
        `${made}/firewall.d`,
      ),
    )
    const rules = join(root, 'image.nft')
    writeFileSync(
      rules,
      ofImage('usr/lib/postern-image/firewall.nft')
        .replaceAll('/etc/postern/firewall.nft', stock)
        .replaceAll('/run/postern-image', made),
    )
    const taken = await rulesTaken(t, rules)
    if (taken === undefined) return
    seen.push(taken)
  }
  const [shut = '', open = '', trial = ''] = seen
  t.regex(shut, /chain gate \{\s+iif "lo" return/)
  t.regex(shut, /chain input \{[^}]*policy drop;\s+ct state new jump gate/)
  t.regex(open, /chain gate \{\s+\}/)
  t.regex(open, /ip saddr 192\.0\.2\.0\/24 tcp dport 8025 accept/)
  t.regex(open, /ip6 saddr 2001:db8::\/32 udp dport 1161 accept/)
  // The self-test's mail comes over loopback.
  const refused =
    /iifname != "lo" tcp dport \{ 25, 465, 587 \} ct state new counter packets 0 bytes 0 reject with tcp reset/
  t.regex(trial, refused)
  t.notRegex(open, refused)
})
