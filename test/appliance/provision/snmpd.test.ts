import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { render } from '#src/appliance/provision/render.ts'
import { REPOSITORY } from '#test/support/appliance.ts'
import { must, run } from '#test/support/run.ts'
import { freeUdpPorts, snmpEnvironment, snmpLacks } from '#test/support/snmpd.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'
import { settingsIn } from './support.ts'

const lacks = snmpLacks()
const withSnmpd = lacks === undefined ? test : test.skip

const DROP_IN = join(REPOSITORY, 'image/overlay/usr/lib/systemd/system/snmpd.service.d/60-provisioned.conf')

/** A word of what the image starts snmpd with. */
function started(key: string): readonly string[] {
  const lines = readFileSync(DROP_IN, 'utf8').match(new RegExp(`^${key}=-?(.+)$`, 'gm')) ?? []
  return (lines.at(-1) ?? '').slice(key.length + 1).split(' ')
}

const SYS_NAME = '1.3.6.1.2.1.1.5.0'
/** RFC 3411: which engine it is, and how often it was started. */
const ENGINE_ID = '1.3.6.1.6.3.10.2.1.1.0'
const ENGINE_BOOTS = '1.3.6.1.6.3.10.2.1.2.0'

/** snmpd with what a provisioning file makes, on a loopback port, as the image starts it but for its user. */
class RenderedSnmpd implements AsyncDisposable {
  readonly #stop: () => Promise<void>

  private constructor(stop: () => Promise<void>) {
    this.#stop = stop
  }

  static async start(folder: string, file: string): Promise<RenderedSnmpd> {
    const rendered = render(await settingsIn(file), true).find(({ path }) => path.endsWith('/snmpd.conf'))
    const conf = join(folder, 'snmpd.conf')
    const text = rendered?.text ?? ''
    writeFileSync(
      conf,
      text.replace('/run/agentx/master', join(folder, 'agentx')).replace(' Debian-snmp postern', ''),
    )
    const state = join(folder, 'state')
    mkdirSync(state, { recursive: true })
    // What is kept of an earlier start, without its users.
    const [sed = '', ...words] = started('ExecStartPre').map((word) => word.replace('/var/lib/snmp', state))
    await run(sed.replace(/^-/, ''), words)
    const [program = '', ...args] = started('ExecStart').join(' ').replace('-LOw', '-Lo').split(' ')
    const [setting = ''] = started('Environment')
    const env = { ...snmpEnvironment(folder), SNMPCONFPATH: inFolder(setting, folder, state) }
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        said += chunk
      })
    const gone = once(child, 'exit')
    await until('snmpd listens', () => child.exitCode !== null || said.includes('NET-SNMP version'))
    if (child.exitCode !== null) throw new Error(`snmpd ended: ${said}`)
    return new RenderedSnmpd(async () => {
      child.kill('SIGTERM')
      await gone
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop()
  }
}

/** `SNMPCONFPATH=…` of the unit, for the folder of a test. */
function inFolder(setting: string, folder: string, state: string): string {
  return setting.replace('SNMPCONFPATH=', '').replace('%d', folder).replace('/var/lib/snmp', state)
}

function fileFor(port: number, user: string): string {
  return `[system]
hostname = "mx1.example.com"
[snmp]
listen = ["127.0.0.1:${port}"]
location = "Rack 5"
[[snmp.user]]
name = "${user}"
auth = 'authentication "of" ${user}'
priv = "privacy of ${user}"
`
}

const V3 = ['-v3', '-l', 'authPriv', '-a', 'SHA-256', '-x', 'AES']

// oxlint-disable-next-line max-params -- what is asked for is nearly always the same
async function get(folder: string, port: number, who: readonly string[], object = SYS_NAME) {
  const words = ['-t', '20', '-r', '0', ...who, '-Oqv', `127.0.0.1:${port}`, object]
  return await run('snmpget', words, { env: snmpEnvironment(folder) })
}

function as(
  user: string,
  auth = `authentication "of" ${user}`,
  priv = `privacy of ${user}`,
): readonly string[] {
  return [...V3, '-u', user, '-A', auth, '-X', priv]
}

withSnmpd(
  'a user of the file reads over SNMPv3 with both secrets, and nobody gets anything with less',
  async (t) => {
    using folder = tempFolder('snmpd')
    const [port = 0] = await freeUdpPorts(1)
    await using snmpd = await RenderedSnmpd.start(folder.path, fileFor(port, 'monitor'))
    t.truthy(snmpd)
    const right = await get(folder.path, port, as('monitor'))
    t.deepEqual([right.code, right.stdout.trim()], [0, '"mx1.example.com"'], right.stderr)
    for (const [who, told] of [
      [as('stranger'), /Unknown user name/],
      [as('monitor', 'another secret'), /Authentication failure/],
      [
        ['-v3', '-l', 'authNoPriv', '-u', 'monitor', '-a', 'SHA-256', '-A', 'authentication "of" monitor'],
        /authorizationError|access/,
      ],
      [['-v3', '-l', 'noAuthNoPriv', '-u', 'monitor'], /authorizationError|access|unsupported/i],
    ] as const) {
      const wrong = await get(folder.path, port, who)
      t.not(wrong.code, 0)
      t.notRegex(wrong.stdout, /mx1/)
      t.regex(wrong.stderr + wrong.stdout, told)
    }
  },
)

withSnmpd(
  'a user that a later file takes away is unknown from then on, though snmpd keeps users itself',
  async (t) => {
    using folder = tempFolder('snmpd')
    const [port = 0] = await freeUdpPorts(1)
    {
      await using first = await RenderedSnmpd.start(folder.path, fileFor(port, 'former'))
      t.truthy(first)
      t.is((await get(folder.path, port, as('former'))).code, 0)
    }
    t.regex(await must('cat', [join(folder.path, 'state', 'snmpd.conf')]), /^usmUser /m)
    await using second = await RenderedSnmpd.start(folder.path, fileFor(port, 'monitor'))
    t.truthy(second)
    t.is((await get(folder.path, port, as('monitor'))).code, 0)
    t.regex((await get(folder.path, port, as('former'))).stderr, /Unknown user name/)
  },
)

withSnmpd(
  'snmpd is the same engine after each start, and counts its starts, so that no packet is taken twice',
  async (t) => {
    using folder = tempFolder('snmpd')
    const [port = 0] = await freeUdpPorts(1)
    const told: (readonly string[])[] = []
    for (let start = 1; start <= 2; start += 1) {
      await using snmpd = await RenderedSnmpd.start(folder.path, fileFor(port, 'monitor'))
      t.truthy(snmpd)
      const [id, boots] = [ENGINE_ID, ENGINE_BOOTS].map((object) =>
        get(folder.path, port, as('monitor'), object),
      )
      told.push([(await id)?.stdout.trim() ?? '', (await boots)?.stdout.trim() ?? ''])
    }
    const [[first = ''] = []] = told
    t.regex(first, /^"80 00 1F 88 /)
    t.deepEqual(told, [
      [first, '1'],
      [first, '2'],
    ])
  },
)
