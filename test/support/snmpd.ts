import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createSocket } from 'node:dgram'
import { join } from 'node:path'
import { SNMPD_MODULES_OFF, snmpdConf } from '#src/admin/snmpd-conf.ts'
import type { SnmpdOptions, SnmpUser } from '#src/admin/snmpd-conf.ts'
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

/** Modules of the standard objects: Debian has none of them (they are not free), the npm package has the base. */
const MIB_FOLDERS = ['mibs', 'test/support/mibs', 'node_modules/net-snmp/lib/mibs']

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
export function snmpEnvironment(folder: string): NodeJS.ProcessEnv {
  return {
    PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
    HOME: folder,
    SNMPCONFPATH: join(folder, 'nothing'),
    SNMP_PERSISTENT_DIR: join(folder, 'state'),
    MIBDIRS: MIB_FOLDERS.map((name) => join(process.cwd(), name)).join(':'),
    MIBS: '',
  }
}

export interface SnmpdSetting extends Partial<Omit<SnmpdOptions, 'listen' | 'agentx'>> {
  readonly port: number
  readonly agentx: string
}

/** Debian's snmpd with settings that Postern wrote, on a loopback port. */
export class Snmpd implements AsyncDisposable {
  readonly #folder: string
  readonly #port: number
  #child: ChildProcess | undefined
  said = ''

  private constructor(folder: string, port: number) {
    this.#folder = folder
    this.#port = port
  }

  /** `folder` is the test's own; state that snmpd keeps (engine, boots) goes on over a restart. */
  static async start(folder: string, setting: SnmpdSetting): Promise<Snmpd> {
    const snmpd = new Snmpd(folder, setting.port)
    mkdirSync(join(folder, 'state'), { recursive: true })
    await snmpd.restart(setting)
    return snmpd
  }

  async restart(setting: SnmpdSetting): Promise<void> {
    await this.stop()
    const { port, ...rest } = setting
    const made = snmpdConf({ users: [MONITOR], ...rest, listen: [{ address: '127.0.0.1', port }] })
    if (made.kind === 'wrong') throw new Error(made.problems.join('\n'))
    const file = join(this.#folder, 'snmpd.conf')
    writeFileSync(file, made.text, { mode: 0o600 })
    const args = ['-C', '-c', file, '-f', '-Lo', '-I', SNMPD_MODULES_OFF]
    const child = spawn('snmpd', args, {
      env: snmpEnvironment(this.#folder),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.said = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.said += text
      })
    this.#child = child
    // It opens its sockets before it says so.
    await until('snmpd listens', () => child.exitCode !== null || this.said.includes('NET-SNMP version'))
    if (child.exitCode !== null) throw new Error(`snmpd ended with ${child.exitCode}: ${this.said}`)
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

  /** With these words for who asks. A time-out is long, and the only thing that a slow machine meets. */
  async askAs(tool: string, who: readonly string[], args: readonly string[]): Promise<Ran> {
    const options = args.filter((word) => word.startsWith('-'))
    const objects = args.filter((word) => !word.startsWith('-'))
    const words = ['-t', '20', '-r', '0', ...who, ...options, `127.0.0.1:${this.#port}`, ...objects]
    return await run(tool, words, { env: snmpEnvironment(this.#folder) })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

/** Who asks, in the words of snmpcmd(1). */
export function credentials({ name, auth, priv }: SnmpUser): readonly string[] {
  const words = ['-v', '3', '-l', 'authPriv', '-u', name, '-a', auth.protocol, '-A', auth.password]
  return [...words, '-x', priv.protocol, '-X', priv.password]
}
