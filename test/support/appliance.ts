import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { alive, descendants } from '#test/support/faults.ts'
import type { FaultSpan } from '#test/support/ledger.ts'
import { run, type Ran } from '#test/support/run.ts'
import { ConnectionLost, SmtpClient } from '#test/support/smtp-client.ts'
import { freePorts } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

/** The root of the checkout: this file lies in test/support/. */
export const REPOSITORY = join(import.meta.dirname, '..', '..')
const POSTERN = join(REPOSITORY, 'bin', 'postern')
/** One cache of compiled modules for all tests: each would else compile everything for a folder that is soon gone. */
const ENV = { NODE_COMPILE_CACHE: join(REPOSITORY, 'build', 'compile-cache'), ...process.env }

export interface ApplianceOptions {
  /** A folder of the test's own: postern.toml is written there. */
  readonly folder: string
  /** The data folder; `folder`/var if not given. */
  readonly data?: string
  /** Port of an LMTP server on loopback; without one the embedded mailbox store serves. */
  readonly lmtpPort?: number
  /** Port of a DNS server on loopback; without one those of the machine are asked. */
  readonly dnsPort?: number
  /** Lines of [directory]. */
  readonly directory?: readonly string[]
  /** smtpd processes. */
  readonly workers?: number
  /** A second listener, beside the one on 127.0.0.1. */
  readonly listener?: { readonly address: string; readonly port: number }
  /** Listeners for submission too, on ports of their own. */
  readonly submission?: boolean
  /** Whole tables of postern.toml: `[tls]`, `legacy = true`. */
  readonly tables?: readonly string[]
  /** Lines of [limits], Postfix's names: `message_size_limit = 1000`. */
  readonly limits?: readonly string[]
  /** Lines of [settings], Zimbra's names. */
  readonly settings?: readonly string[]
  /** Where the health process listens on loopback; without one there is none. */
  readonly healthPort?: number
  /** Other lines of [health]. */
  readonly health?: readonly string[]
  /** A program and its arguments that shall run the appliance, such as strace; they may depend on its port. */
  readonly under?: readonly string[] | ((smtpPort: number) => readonly string[])
}

interface Ports {
  readonly smtp: number
  readonly mailbox: number
  readonly submission: number
  readonly submissions: number
}

export type ProcessKind = 'master' | 'smtpd' | 'qmgr' | 'mailbox' | 'directory' | 'health'

/** The whole appliance as an operator starts it: `bin/postern start` in the foreground, in a folder of its own. */
export class Appliance {
  readonly smtpPort: number
  /** STARTTLS; 0 unless `submission` was asked for. */
  readonly submissionPort: number
  /** TLS from the first octet; 0 likewise. */
  readonly submissionsPort: number
  readonly data: string
  readonly folder: string
  readonly #under: readonly string[]
  #master: ChildProcess
  #output = ''

  private constructor(options: ApplianceOptions, ports: Ports) {
    this.folder = options.folder
    this.data = options.data ?? join(options.folder, 'var')
    this.smtpPort = ports.smtp
    this.submissionPort = options.submission === true ? ports.submission : 0
    this.submissionsPort = options.submission === true ? ports.submissions : 0
    this.#under = typeof options.under === 'function' ? options.under(ports.smtp) : (options.under ?? [])
    this.#master = this.#spawn()
  }

  /** Starts it and waits until it greets. */
  static async start(options: ApplianceOptions): Promise<Appliance> {
    const [smtp = 0, mailbox = 0, submission = 0, submissions = 0] = await freePorts(4)
    const ports = { smtp, mailbox, submission, submissions }
    mkdirSync(options.folder, { recursive: true })
    writeFileSync(join(options.folder, 'postern.toml'), configuration(options, ports))
    const appliance = new Appliance(options, ports)
    try {
      await appliance.serving()
    } catch (error) {
      await appliance.kill()
      throw error
    }
    return appliance
  }

  #spawn(): ChildProcess {
    this.#output = ''
    // A process group of its own, so that Ctrl-C can be sent to all of it as a terminal does.
    const [program, ...args] = [...this.#under, process.execPath, POSTERN, 'start']
    const child = spawn(program, args, {
      cwd: this.folder,
      env: ENV,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
      })
    }
    return child
  }

  get pid(): number {
    return this.#master.pid ?? 0
  }

  /** What it has printed since it was started last. */
  get output(): string {
    return this.#output
  }

  get running(): boolean {
    return this.#master.exitCode === null && this.#master.signalCode === null
  }

  /**
   * Resolves once master has said that everything runs, a connection is greeted with 220, and MAIL is taken; rejects
   * when master ends instead.
   */
  async serving(): Promise<void> {
    await until('the appliance serves', async () => {
      if (!this.running) throw new Error(`the appliance ended: ${this.#output}`)
      return this.#output.includes(' runs.\n') && (await this.#takesMail())
    })
  }

  async #takesMail(): Promise<boolean> {
    try {
      using client = await SmtpClient.greeted(this.smtpPort)
      const reply = await client.command('MAIL FROM:<>')
      await client.quit()
      return reply.code === 250
    } catch (error) {
      // Refused or cut off: not yet. `until` has the bound.
      if (error instanceof ConnectionLost || (error instanceof Error && 'code' in error)) return false
      throw error
    }
  }

  /** Starts master again in the same folder, after it ended or was killed. */
  async startAgain(): Promise<void> {
    this.#master = this.#spawn()
    await this.serving()
  }

  /**
   * Kills one process with -9 and waits until another of its kind stands in its place and mail is taken. Only then
   * is the fault over: `serving` alone may be true before anybody has seen the death, and what the dead process had
   * sent is then still being read by its peer. Nothing is done where none of this kind runs.
   */
  async killOne(
    kind: ProcessKind,
    pick: (pids: readonly number[]) => number,
  ): Promise<FaultSpan | undefined> {
    const before = this.pids(kind)
    if (before.length === 0) return undefined
    const pid = pick(before)
    const fromMs = performance.now()
    killIfThere(pid)
    if (kind === 'master') this.#master = this.#spawn()
    else {
      await until(`another ${kind} runs`, () => {
        const now = this.pids(kind)
        return now.length >= before.length && !now.includes(pid)
      })
    }
    await this.serving()
    return { fromMs, toMs: performance.now() }
  }

  /** Runs `bin/postern` with these words, as an operator beside it would. */
  tool(...words: readonly string[]): Promise<Ran> {
    return run(process.execPath, [POSTERN, ...words], { cwd: this.folder, env: ENV })
  }

  /** The same with something on its standard input. */
  toolWithInput(words: readonly string[], input: string): Promise<Ran> {
    return run(process.execPath, [POSTERN, ...words], { cwd: this.folder, env: ENV, input })
  }

  /** Imports records into the embedded directory. */
  async importLdif(text: string): Promise<Ran> {
    const file = join(this.folder, 'import.ldif')
    writeFileSync(file, text)
    return await this.tool('directory', 'import', file)
  }

  /** Sets zimbraMtaRelayHost and reloads: for a relay host that is known only once it runs. */
  async relayTo(relayHost: string): Promise<void> {
    const file = join(this.folder, 'postern.toml')
    const text = readFileSync(file, 'utf8').replace(
      /^zimbraMtaRelayHost = .*$/m,
      `zimbraMtaRelayHost = "${relayHost}"`,
    )
    writeFileSync(file, text)
    const ran = await this.tool('reload')
    if (ran.code !== 0) throw new Error(`reload: exit ${ran.code}: ${ran.stderr}`)
  }

  /** The process ids of one kind of process. */
  pids(kind: ProcessKind): number[] {
    if (kind === 'master') return this.running ? [this.pid] : []
    return descendants(this.pid)
      .filter(({ pid, command }) => pid !== this.pid && command.includes(kind))
      .map(({ pid }) => pid)
  }

  /** Every process of it that is alive. */
  family(): readonly { readonly pid: number; readonly command: string; readonly executable: string }[] {
    return descendants(this.pid)
  }

  /** Sends a signal to its whole process group (Ctrl-C: 'SIGINT') or to master alone; gives master's exit code. */
  async stop(
    signal: NodeJS.Signals = 'SIGTERM',
    whom: 'master' | 'group' = 'master',
  ): Promise<number | null> {
    if (!this.running) return this.#master.exitCode
    const gone = once(this.#master, 'exit')
    process.kill(whom === 'group' ? -this.pid : this.pid, signal)
    await gone
    return this.#master.exitCode
  }

  /** kill -9 of everything at once, and waits until all of it is gone. Safe to call twice. */
  async kill(): Promise<void> {
    const pids = this.family().map(({ pid }) => pid)
    const gone = this.running ? once(this.#master, 'exit') : undefined
    for (const pid of pids) killIfThere(pid)
    await gone
    await until('every process is gone', () => !pids.some((pid) => alive(pid)))
  }

  /** Files that the embedded mailbox store holds, by their whole text. */
  mailboxFiles(): string[] {
    const root = join(this.data, 'mailboxes')
    if (!existsSync(root)) return []
    return readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.parentPath.endsWith('/new'))
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
  }

  /** The ids in the queue, with the state and so on, as `queue list --json` tells them. */
  async queue(): Promise<Record<string, unknown>[]> {
    const ran = await this.tool('queue', 'list', '--json')
    if (ran.code !== 0) throw new Error(`queue list: exit ${ran.code}: ${ran.stderr}`)
    return ran.stdout
      .split('\n')
      .filter((line) => line !== '')
      .map(jsonObject)
  }

  /** Has everything tried at once, until nothing is left. */
  async runEmpty(): Promise<void> {
    await until('the queue has run empty', async () => {
      await this.tool('queue', 'flush', 'ALL')
      return (await this.queue()).length === 0
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.running) await this.stop()
    await this.kill()
  }
}

function jsonObject(line: string): Record<string, unknown> {
  const value: unknown = JSON.parse(line)
  if (typeof value !== 'object' || value === null) throw new Error(`no JSON object: ${line}`)
  return { ...value }
}

export function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

function listenerLines({ listener }: ApplianceOptions): string[] {
  if (listener === undefined) return []
  return ['[[listener]]', `address = "${listener.address}"`, `port = ${listener.port}`]
}

function healthLines({ health = [], healthPort }: ApplianceOptions): string[] {
  return [
    // A test that counts mail breaks things, and would get mail about it.
    ...(health.some((line) => line.startsWith('mail')) ? [] : ['mail = false']),
    `listen = ${healthPort === undefined ? 'false' : `"127.0.0.1:${healthPort}"`}`,
    ...health,
  ]
}

function configuration(options: ApplianceOptions, ports: Ports): string {
  return [
    ...(options.data === undefined ? [] : [`data = ${JSON.stringify(options.data)}`]),
    `workers = ${options.workers ?? 1}`,
    '[[listener]]',
    `port = ${ports.smtp}`,
    ...listenerLines(options),
    ...(options.submission === true
      ? (['submission', 'submissions'] as const).flatMap((service) => [
          '[[listener]]',
          `port = ${ports[service]}`,
          `service = "${service}"`,
        ])
      : []),
    '[health]',
    ...healthLines(options),
    '[mailbox]',
    `port = ${ports.mailbox}`,
    ...(options.lmtpPort === undefined ? [] : ['[lmtp]', `server = "127.0.0.1:${options.lmtpPort}"`]),
    ...(options.dnsPort === undefined ? [] : ['[dns]', `servers = ["127.0.0.1:${options.dnsPort}"]`]),
    ...(options.directory === undefined ? [] : ['[directory]', ...options.directory]),
    '[limits]',
    ...(options.limits ?? []),
    // A test that breaks things counts deliveries: notices to postmaster about what it broke would be strangers there.
    ...(options.limits?.some((line) => line.startsWith('notify_classes')) === true
      ? []
      : ['notify_classes = ""']),
    '[settings]',
    ...(options.settings ?? []),
    ...(options.tables ?? []),
    '',
  ].join('\n')
}
