import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createSocket } from 'node:dgram'
import { join } from 'node:path'
import { SNMPD_MODULES_OFF, snmpdConf } from '#src/admin/snmpd-conf.ts'
import type { SnmpdOptions, SnmpUser } from '#src/admin/snmpd-conf.ts'
import { REPOSITORY } from '#test/support/appliance.ts'
import type { Ran } from '#test/support/run.ts'
import { installed, run } from '#test/support/run.ts'
import { until } from '#test/support/wait.ts'

/** Why Debian's SNMP programs cannot be had here; undefined where they can. */
export function snmpLacks(): string | undefined {
  const absent = ['snmpd', 'snmptrapd', 'snmpwalk', 'smilint'].filter((name) => !installed(name))
  return absent.length === 0 ? undefined : `not installed: ${absent.join(', ')}`
}

export const MONITOR: SnmpUser = {
  name: 'monitor',
  auth: { protocol: 'SHA-256', password: 'a long "auth" pass\\word' },
  priv: { protocol: 'AES', password: 'a long priv password' },
}

/**
 * Modules: ours, the names of the standard ones, the base that the npm package has (Debian has neither, since they are not
 * free), and Net-SNMP's own.
 */
const MIB_FOLDERS = ['mibs', 'test/support/mibs', 'node_modules/net-snmp/lib/mibs'].map((name) =>
  join(REPOSITORY, name),
)
/** What the tools know by name. */
export const MODULES = 'POSTERN-MIB:MTA-MIB:NETWORK-SERVICES-MIB:SNMPv2-MIB'
export const MIB_PATH = [...MIB_FOLDERS, '/usr/share/snmp/mibs'].join(':')

/** UDP ports on loopback that are free now. */
export async function freeUdpPorts(count: number): Promise<number[]> {
  const sockets = Array.from({ length: count }, () => createSocket('udp4'))
  const ports: number[] = []
  for (const socket of sockets) {
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    ports.push(socket.address().port)
  }
  for (const socket of sockets) {
    socket.close()
    await once(socket, 'close')
  }
  return ports
}

/** Only what the test says: no settings and no state of the machine's own. */
export function snmpEnvironment(folder: string, modules = ''): NodeJS.ProcessEnv {
  return {
    PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
    HOME: folder,
    SNMPCONFPATH: join(folder, 'nothing'),
    SNMP_PERSISTENT_DIR: join(folder, 'state'),
    MIBDIRS: MIB_PATH,
    // snmpd knows its own objects by number; who asks names the modules.
    MIBS: modules,
  }
}

export interface SnmpdSetting extends Partial<Omit<SnmpdOptions, 'listen' | 'agentx'>> {
  readonly port: number
  readonly agentx: string
}

/** A time-out is long, and only a machine that is slow meets it. */
const PATIENCE = ['-t', '20', '-r', '0']

/** Debian's snmpd with settings that Postern wrote, on a loopback port. */
export class Snmpd implements AsyncDisposable {
  readonly #folder: string
  readonly port: number
  #child: ChildProcess | undefined

  private constructor(folder: string, port: number) {
    this.#folder = folder
    this.port = port
  }

  /** `more`: lines of somebody else's. `folder` is the test's own; state that snmpd keeps (engine, boots) goes on over a restart. */
  static async start(folder: string, setting: SnmpdSetting, more: readonly string[] = []): Promise<Snmpd> {
    const snmpd = new Snmpd(folder, setting.port)
    mkdirSync(join(folder, 'state'), { recursive: true })
    await snmpd.restart(setting, more)
    return snmpd
  }

  async restart(setting: SnmpdSetting, more: readonly string[] = []): Promise<void> {
    await this.stop()
    const { port, ...rest } = setting
    const made = snmpdConf({ users: [MONITOR], ...rest, listen: [{ address: '127.0.0.1', port }] })
    if (made.kind === 'wrong') throw new Error(made.problems.join('\n'))
    const file = join(this.#folder, 'snmpd.conf')
    writeFileSync(file, `${made.text}${more.join('\n')}\n`, { mode: 0o600 })
    // Not with -C, which keeps it from reading its own state.
    const args = ['-f', '-Lo', '-I', SNMPD_MODULES_OFF]
    const state = join(this.#folder, 'state')
    forgetUsers(join(state, 'snmpd.conf'))
    const env = { ...snmpEnvironment(this.#folder), SNMPCONFPATH: `${this.#folder}:${state}` }
    this.#child = await startListening('snmpd', args, env)
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
  }

  /** Runs one of Net-SNMP's tools as the user; options such as `-OQ` first, objects last. */
  async ask(tool: string, args: readonly string[], user: SnmpUser = MONITOR): Promise<Ran> {
    return await this.askAs(tool, credentials(user), args)
  }

  /** With these words for who asks. */
  async askAs(tool: string, who: readonly string[], args: readonly string[]): Promise<Ran> {
    const options = args.filter((word) => word.startsWith('-'))
    const objects = args.filter((word) => !word.startsWith('-'))
    return await this.askWith(tool, [...who, ...options], objects)
  }

  /** With options whose values are words of their own; as MONITOR where they do not say who asks. */
  // oxlint-disable-next-line max-params -- a port of somebody in between is the exception
  async askWith(
    tool: string,
    options: readonly string[],
    objects: readonly string[],
    port = this.port,
  ): Promise<Ran> {
    const who = options.includes('-v') ? [] : credentials(MONITOR)
    const words = [...PATIENCE, ...who, ...options, `127.0.0.1:${port}`, ...objects]
    return await run(tool, words, { env: snmpEnvironment(this.#folder, MODULES) })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

/**
 * Starts one of Net-SNMP's daemons and waits until it listens. A port that was free is at times taken for a moment by
 * somebody's question to the DNS: then it is started again.
 */
export async function startListening(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  hear: (text: string) => void = () => {},
): Promise<ChildProcess> {
  return await until(`${program} listens`, async () => {
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text
        hear(text)
      })
    // It opens its sockets before it says so.
    await until(`${program} says so`, () => child.exitCode !== null || said.includes('NET-SNMP version'))
    if (child.exitCode === null) return child
    if (/Error opening specified endpoint|couldn't open|Address already in use/.test(said)) return undefined
    throw new Error(`${program} ended with ${child.exitCode}: ${said}`)
  })
}

/**
 * As the unit of the image does before each start: snmpd keeps users with their keys beside its count of starts, and those
 * it has kept would stand before those of its settings.
 */
function forgetUsers(file: string): void {
  if (!existsSync(file)) return
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll(/^usmUser.*\n/gm, ''), { mode: 0o600 })
}

/** Who asks, in the words of snmpcmd(1). */
export function credentials({ name, auth, priv }: SnmpUser): readonly string[] {
  const words = ['-v', '3', '-l', 'authPriv', '-u', name, '-a', auth.protocol, '-A', auth.password]
  return [...words, '-x', priv.protocol, '-X', priv.password]
}
