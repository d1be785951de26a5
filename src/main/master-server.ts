import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '#src/base/clock.ts'
import { elapsed } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import type { Facts } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import { VERSION } from '#src/base/version.ts'
import type { UnixServer } from '#src/net/unix-server.ts'
import { AnvilCounts } from './anvil.ts'
import { mailboxBoot, qmgrBoot, smtpdBoot } from './boots.ts'
import type { BootContext } from './boots.ts'
import { Child, FIRST_DESCRIPTOR } from './child.ts'
import { directoryBoot } from './directory-boot.ts'
import { Drain } from './drain.ts'
import { healthBoot } from './health-boot.ts'
import { DirectoryDesk } from './directory-desk.ts'
import { AlarmWatch } from './alarm-watch.ts'
import { ImageWatch } from './image-watch.ts'
import { MetricsDesk } from './metrics-desk.ts'
import type { ChildDeps, ChildKind, Launch } from './child.ts'
import type { Gate } from './gate.ts'
import type { Asker, ControlAnswer, ControlHandler } from '#src/net/control-server.ts'
import { NOBODY, openControl } from '#src/net/control-server.ts'
import type { Generation, Generations } from './generation.ts'
import { alarmText, generationsAnswer, notesLine, settingsAnswer } from './settings-answer.ts'
import type { FromChild } from './ipc.ts'
import { rememberProcesses } from './leftovers.ts'
import type { OpenListener } from './listening.ts'
import { Pulse } from './pulse.ts'
import type { Paths } from '#src/config/paths.ts'
import { StartRefused } from './refusal.ts'
import type { ServiceReporter } from './service.ts'
import { updateFailedFile } from './update-alarm.ts'

export interface MasterOptions {
  readonly paths: Paths
  readonly generations: Generations
  readonly clock: Clock
  readonly log: Log
  /** smtpd processes. */
  readonly workers: number
  /** How processes come to run. */
  readonly launch: Launch
  /** Where those come that somebody else starts; undefined where master starts them. */
  readonly gate: Gate | undefined
  /** Whether the readable log goes to standard output. */
  readonly echo: boolean
  /** What smtpd listens on; `fd` is a socket that master has. */
  readonly listeners: readonly OpenListener[]
  /** Told of what a service manager wants to know. */
  readonly reporter: Pick<ServiceReporter, 'changed' | 'reloading' | 'reloaded'>
  /** Told when `postern stop` has asked for the end. */
  readonly onStop: () => void
}

/**
 * How often the file that lookups read is looked at for changed settings, which costs a question to SQLite. How often
 * that file is compared with LDAP is another matter (`zmconfigd_interval`).
 */
const DIRECTORY_POLL_MS = 2000
/** How long each kind of process may take to finish: sessions under way, deliveries under way, one Maildir write. */
const GRACE_MS: Readonly<Record<ChildKind, number>> = {
  smtpd: 15_000,
  qmgr: 20_000,
  mailbox: 10_000,
  directory: 5000,
  health: 3000,
}
/** In this order: nothing new comes in, then what there is goes out, then its destination closes. */
const STOP_ORDER: readonly ChildKind[] = ['smtpd', 'qmgr', 'mailbox', 'directory', 'health']
/** All of them together; each has a bound of its own. */
const START_MS = 60_000

/** The processes of one appliance, run by its master: see ARCHITECTURE.md. */
export class Master {
  readonly #options: MasterOptions
  readonly #anvil = new AnvilCounts()
  readonly #pulse = new Pulse()
  readonly #drain: Drain
  readonly #children: readonly Child[]
  readonly #startedMs: number
  /** The pair of processes that was told last. */
  #flushed = ''
  readonly #desk: DirectoryDesk
  readonly #metrics: MetricsDesk
  readonly #alarms: AlarmWatch
  readonly #image: ImageWatch
  readonly #controls: UnixServer[] = []
  #poll: NodeJS.Timeout | undefined
  #stopping: Promise<void> | undefined

  constructor(options: MasterOptions) {
    this.#options = options
    this.#startedMs = options.clock.monotonicMs()
    const isLdap = options.generations.current.config.directory.ldap !== undefined
    this.#desk = new DirectoryDesk(options.paths.directorySocket, isLdap, options.clock)
    this.#drain = new Drain(options.clock)
    this.#children = this.#specs()
    this.#metrics = new MetricsDesk(options.clock, () => ({
      children: this.#children,
      generation: this.#generation.number,
      clients: this.#anvil.clients,
      alarms: this.#alarms.list,
    }))
    this.#alarms = this.#alarmWatch()
    this.#image = new ImageWatch(this.#generation.config.console.helperSocket, options.clock)
  }

  #alarmWatch(): AlarmWatch {
    const { clock, log, generations } = this.#options
    return new AlarmWatch({
      clock,
      log,
      metrics: this.#metrics,
      sight: () => ({
        children: this.#children,
        settings: generations.alarms,
        signaturesMaxMs: this.#generation.config.health.signaturesMaxMs,
      }),
      updateFile: updateFailedFile(this.#generation.config.console.helperSocket),
      isMailing: () => this.#generation.config.health.mail && this.#qmgr?.state.at === 'ready',
      mail: (subject, lines) => this.#qmgr?.send({ kind: 'alarms', subject, lines }),
    })
  }

  get #qmgr(): Child | undefined {
    return this.#children.find((child) => child.spec.kind === 'qmgr')
  }

  #specs(): readonly Child[] {
    const { clock, log, launch, workers } = this.#options
    const deps: ChildDeps = {
      clock,
      log,
      launch,
      onMessage: (child, message) => {
        this.#heard(child, message)
      },
      onExit: (child, life) => {
        this.#anvil.forget(life)
        this.#metrics.ended(child)
        this.#alarms.ended(child.name)
      },
      onChange: () => {
        this.#remember()
        this.#flushToStore()
        this.#drain.tell(this.#children)
        this.#options.reporter.changed()
      },
    }
    const make = (kind: ChildKind, n: number, boot: (context: BootContext) => unknown) =>
      new Child(
        {
          kind,
          n,
          script: join(import.meta.dirname, `${kind}.ts`),
          boot: () => boot(this.#context()),
          descriptors: kind === 'smtpd' ? this.#sockets() : [],
        },
        deps,
      )
    const { health, snmp, lmtpServer } = this.#generation.config
    const isEmbedded = lmtpServer === undefined
    const isAsked = health.listen !== undefined || snmp.agentx !== undefined
    return [
      ...(isEmbedded ? [make('mailbox', 1, mailboxBoot)] : []),
      make('directory', 1, directoryBoot),
      make('qmgr', 1, qmgrBoot),
      ...Array.from({ length: workers }, (_, i) =>
        make('smtpd', i + 1, (context) => smtpdBoot(context, i + 1)),
      ),
      ...(isAsked ? [make('health', 1, healthBoot)] : []),
    ]
  }

  /** The embedded store and qmgr start side by side, and either may be started anew: then what waits is tried. */
  #flushToStore(): void {
    const ready = (kind: ChildKind): Child | undefined =>
      this.#children.find((child) => child.spec.kind === kind && child.state.at === 'ready')
    const qmgr = ready('qmgr')
    const store = ready('mailbox')
    if (qmgr === undefined || store === undefined) return
    const pair = `${qmgr.pid} ${store.pid}`
    if (pair === this.#flushed) return
    this.#flushed = pair
    qmgr.send({ kind: 'flush' })
  }

  get #generation(): Generation {
    return this.#options.generations.current
  }

  /** The sockets that master was started with. It keeps them open, so that nobody is refused while an smtpd is new. */
  #sockets(): readonly number[] {
    return this.#options.listeners.flatMap(({ fd }) => fd ?? [])
  }

  #context(): BootContext {
    const sockets = this.#sockets()
    return {
      listeners: this.#options.listeners.map((listener) =>
        listener.fd === undefined
          ? listener
          : { ...listener, fd: FIRST_DESCRIPTOR + sockets.indexOf(listener.fd) },
      ),
      generation: this.#generation,
      paths: this.#options.paths,
      echo: this.#options.echo,
      workers: this.#options.workers,
    }
  }

  /** Starts everything; throws StartRefused with what a process says it lacks, and then nothing is left running. */
  async start(): Promise<void> {
    const { paths, clock, log, workers } = this.#options
    const answer: ControlHandler = (command, words, asker) => this.#command(command, words, asker)
    this.#controls.push(await openControl(paths.controlSocket, answer))
    this.#controls.push(await openControl(paths.lookSocket, lookingOnly(answer), 0o660))
    await this.#options.gate?.open(this.#children.map(({ spec }) => spec))
    const patience = new AbortController()
    const tooLate = elapsed(clock, START_MS, patience.signal).then((isLate) =>
      isLate
        ? {
            kind: 'failed' as const,
            reason: `not everything was ready after ${START_MS / 1000} s (${this.summary}); the log says why`,
          }
        : undefined,
    )
    const outcomes = this.#children.filter((child) => isForMail(child)).map((child) => child.start())
    this.#desk.start()
    // The first failure decides; with none, all of them are awaited.
    const failure = await Promise.race([
      Promise.all(outcomes).then((all) => all.find((one) => one.kind === 'failed')),
      ...outcomes.map(async (outcome) => failedOnly(await outcome)),
      tooLate,
    ])
    patience.abort()
    if (failure !== undefined && failure.kind === 'failed') {
      await this.stop()
      throw new StartRefused(failure.reason)
    }
    this.#metrics.start()
    this.#alarms.start()
    this.#image.start()
    // Who looks at mail comes behind it, and is not waited for.
    for (const child of this.#children) if (!isForMail(child)) void child.start()
    this.#poll = setInterval(() => {
      this.#lookAtDirectory()
    }, DIRECTORY_POLL_MS)
    log.write('info', 'master.start', {
      version: VERSION,
      dataFolder: paths.data,
      workers,
      generation: this.#generation.number,
    })
  }

  /** Ends everything in order; can be called twice. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll()
    return this.#stopping
  }

  async #stopAll(): Promise<void> {
    clearInterval(this.#poll)
    this.#options.gate?.stopListening()
    this.#metrics[Symbol.dispose]()
    this.#alarms[Symbol.dispose]()
    this.#image[Symbol.dispose]()
    this.#desk[Symbol.dispose]()
    for (const kind of STOP_ORDER) {
      await Promise.all(
        this.#children.filter((child) => child.spec.kind === kind).map((child) => child.stop(GRACE_MS[kind])),
      )
    }
    this.#options.log.write('info', 'master.stop', { dataFolder: this.#options.paths.data })
    rmSync(this.#options.paths.processes, { force: true })
    for (const control of this.#controls) control.stopListening()
  }

  #heard(child: Child, message: FromChild): void {
    const { life } = child
    if (life === undefined) return
    if (message.kind === 'answer') {
      this.#metrics.answered(message.n, message.value)
    } else if (message.kind === 'alarm') {
      this.#alarms.heard(child.name, message.change)
    } else if (message.kind === 'anvil') {
      const admitted = this.#anvil.admit(
        life,
        message.address,
        this.#generation.settings.clientConnectionCountLimit,
      )
      child.send({ kind: 'anvil', n: message.n, admitted })
    } else if (message.kind === 'gone') {
      this.#anvil.leave(life, message.address)
    } else if (message.kind === 'pong') {
      this.#pulse.answered(life)
    } else if (message.kind === 'directory' && message.changed > 0) {
      this.#lookAtDirectory()
    }
  }

  #remember(): void {
    // Whoever has started the others sees to them.
    if (this.#options.gate !== undefined) return
    const pids = this.#children.flatMap((child) => child.pid ?? [])
    try {
      rememberProcesses(this.#options.paths.processes, pids)
    } catch (error) {
      // A full disk: the next master then waits for its locks instead.
      this.#options.log.write('warn', 'master.settings', { reason: `processes.json: ${errorText(error)}` })
    }
  }

  /** Reads file, directory, certificate and signatures anew; a directory server is asked what is new first. */
  async reload(asker: Asker = NOBODY): Promise<ControlAnswer> {
    this.#options.reporter.reloading()
    try {
      return await this.#reload(asker)
    } finally {
      this.#options.reporter.reloaded()
    }
  }

  async #reload(asker: Asker): Promise<ControlAnswer> {
    const unread = await this.#desk.poll()
    const next = this.#options.generations.reload(asker)
    if (next.kind === 'refused') {
      this.#options.log.write('error', 'master.settings', {
        generation: this.#generation.number,
        refused: next.reason,
      })
      return { ok: false, error: `${next.reason}\nNothing was changed.` }
    }
    this.#publish()
    const notes = [...unread, ...next.notes, ...this.#options.generations.alarms.map(alarmText)]
    return { ok: true, generation: next.generation.number, notes }
  }

  #lookAtDirectory(): void {
    if (this.#options.generations.look() !== undefined) this.#publish()
  }

  /** Hands the generation in force to every process, which takes it over between two sessions or attempts. */
  #publish(): void {
    for (const child of this.#children) child.update()
    this.#options.reporter.changed()
    this.#options.log.write('info', 'master.settings', { generation: this.#generation.number })
  }

  async #command(command: string, words: readonly string[], asker: Asker): Promise<ControlAnswer> {
    switch (command) {
      case 'status':
        return { ...this.#status(), directory: (await this.#desk.status()) ?? null }
      case 'alarms':
        return { ok: true, alarms: this.#alarms.list }
      case 'generations':
        return generationsAnswer(this.#options.generations, words)
      case 'health':
        return await this.#health()
      case 'metrics':
        return { ok: true, ...(await this.#metrics.collect()) }
      case 'reload':
        return await this.reload(asker)
      case 'accept':
        return await this.#desk.accept()
      case 'lockouts':
        return await this.#desk.lockouts(words)
      case 'drain':
        this.#drain.told(words, this.#children)
        return { ok: true }
      case 'stop':
        this.#options.onStop()
        return { ok: true }
      case 'rollback':
      case 'release': {
        const answer = settingsAnswer(this.#options.generations, command, words, asker.by)
        if (answer.ok) this.#publish()
        return answer
      }
      default:
        return { ok: false, error: `the command ${JSON.stringify(command)} is not known` }
    }
  }

  /** Asks smtpd and qmgr for signs of life; the names of those that have not answered the last time. */
  beat(): readonly string[] {
    // Each service has a watchdog of its own.
    return this.#options.gate === undefined ? this.#pulse.beat(this.#children) : []
  }

  /** What runs, in one line: `3 of 3 processes are ready, generation 7 of the settings`. */
  get summary(): string {
    const ready = this.#children.filter(({ state }) => state.at === 'ready').length
    const missing = this.#children.filter(({ state }) => state.at !== 'ready').map(({ name }) => name)
    const without = missing.length === 0 ? '' : ` (not: ${missing.join(', ')})`
    return `${ready} of ${this.#children.length} processes are ready${without}, generation ${this.#generation.number} of the settings`
  }

  /** What the processes want an operator to look at; those of one kind mostly say the same. */
  #attention(): readonly string[] {
    const said = this.#children.flatMap(({ state }) =>
      'facts' in state && Array.isArray(state.facts['attention']) ? state.facts['attention'].map(String) : [],
    )
    return [...new Set(said)]
  }

  /** Status, alarms and metrics in one answer: what the health process asks every few seconds. */
  async #health(): Promise<ControlAnswer> {
    const [directory, { metrics }] = await Promise.all([this.#desk.status(), this.#metrics.collect()])
    return { ...this.#status(), directory: directory ?? null, image: this.#image.told ?? null, metrics }
  }

  #status(): ControlAnswer {
    const { clock, paths, workers } = this.#options
    const { generations } = this.#options
    const { config, number, settings, notes } = generations.current
    const nowMs = clock.monotonicMs()
    return {
      ok: true,
      version: VERSION,
      pid: process.pid,
      uptimeMs: Math.round(nowMs - this.#startedMs),
      hostname: settings.myHostname,
      dataFolder: paths.data,
      configFile: config.file,
      generation: number,
      problems: [...generations.alarms.map(alarmText), ...this.#attention(), ...notesLine(notes)],
      held: generations.held,
      alarms: this.#alarms.list,
      listeners: this.#options.listeners,
      lmtpServer: config.lmtpServer ?? null,
      mailbox: config.lmtpServer === undefined ? config.mailbox : null,
      workers,
      clients: this.#anvil.clients,
      processes: this.#children.map((child) => ({
        name: child.name,
        state: child.state.at,
        pid: child.pid ?? null,
        uptimeMs: 'sinceMs' in child.state ? Math.round(nowMs - child.state.sinceMs) : null,
        restarts: child.restarts,
        facts: 'facts' in child.state ? withoutAttention(child.state.facts) : {},
        reason: child.state.at === 'waiting' ? child.state.reason : '',
      })),
    }
  }
}

/** Commands that change nothing. */
const LOOKS: ReadonlySet<string> = new Set(['status', 'alarms', 'generations', 'health', 'metrics'])

function lookingOnly(handler: ControlHandler): ControlHandler {
  return async (command, words, asker) =>
    LOOKS.has(command) ? await handler(command, words, asker) : { ok: false, error: 'that is not done here' }
}

/** What is said once at the end is not said beside each process too. */
function withoutAttention(facts: Facts): Facts {
  return Object.fromEntries(Object.entries(facts).filter(([name]) => name !== 'attention'))
}

function isForMail(child: Child): boolean {
  return child.spec.kind !== 'health'
}

/** Never resolves for what is ready: in a race only a failure may win early. */
function failedOnly<T extends { readonly kind: string }>(outcome: T): Promise<T> | T {
  return outcome.kind === 'failed' ? outcome : Promise.withResolvers<T>().promise
}
