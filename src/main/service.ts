import type { Log } from '#src/base/log.ts'
import type { Config } from '#src/config/config.ts'
import { ACTIVATION_VARIABLES, inheritedSockets } from '#src/host/activation.ts'
import { MANAGER_VARIABLES } from '#src/host/service-manager.ts'
import type { ServiceManager } from '#src/host/service-manager.ts'
import type { OpenListener } from './listening.ts'
import { matchSockets } from './listening.ts'
import { StartRefused } from './refusal.ts'

/** What listens, by postern.toml and by what this process was started with. Throws StartRefused where they differ. */
export function openListeners(config: Config): readonly OpenListener[] {
  const inherited = inheritedSockets(process.env, process.pid)
  if (inherited.kind === 'wrong') throw new StartRefused(inherited.reason)
  const matched = matchSockets(config.listeners, inherited.sockets)
  if (matched.kind === 'wrong') throw new StartRefused(matched.reason)
  return matched.listeners
}

/** The environment of the processes: what a service manager told master is for master alone. */
export function childEnvironment(compileCache: string): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { NODE_COMPILE_CACHE: compileCache, ...process.env }
  for (const name of [...ACTIVATION_VARIABLES, ...MANAGER_VARIABLES]) delete env[name]
  return env
}

/** What is known of master's processes. */
export interface Watched {
  /** One line on what runs. */
  readonly summary: string
  /** Asks for signs of life; the names of those that have not given one since they were asked last. */
  beat(): readonly string[]
}

/** Signs of life that fit into the time of the watchdog: one may be late without harm. */
const BEATS = 4

/**
 * Keeps the service manager informed about master: its watchdog is fed only while master's own loop turns and
 * smtpd and qmgr answer, so that a hang of any of them ends in a restart (WatchdogSec= of the unit).
 */
export class ServiceReporter {
  readonly #manager: ServiceManager
  readonly #log: Log
  #watched: Watched | undefined
  #beats: NodeJS.Timeout | undefined
  #isStopping = false
  #silent = ''

  constructor(manager: ServiceManager, log: Log) {
    this.#manager = manager
    this.#log = log
  }

  /** Everything runs. */
  ready(watched: Watched): void {
    this.#watched = watched
    this.#manager.ready(watched.summary)
    const { watchdogMs } = this.#manager
    if (watchdogMs === undefined) return
    this.#manager.alive()
    this.#beats = setInterval(() => {
      this.#beat(watched)
    }, watchdogMs / BEATS)
  }

  /** A process has started, become ready or ended, or a generation is in force. */
  changed(): void {
    if (this.#watched !== undefined && !this.#isStopping) this.#manager.status(this.#watched.summary)
  }

  reloading(): void {
    if (this.#watched !== undefined) this.#manager.reloading()
  }

  reloaded(): void {
    if (this.#watched !== undefined) this.#manager.ready(this.#watched.summary)
  }

  /** From now on the graces of master's own bound what is awaited, so the watchdog is fed without asking. */
  stopping(): void {
    this.#isStopping = true
    this.#manager.stopping()
  }

  /** The process can end. */
  [Symbol.dispose](): void {
    clearInterval(this.#beats)
  }

  #beat(watched: Watched): void {
    const silent = this.#isStopping ? [] : watched.beat()
    const names = silent.join(', ')
    if (names !== this.#silent) {
      this.#silent = names
      if (names === '') this.#log.write('info', 'master.answering', {})
      else this.#log.write('error', 'master.silent', { processes: silent })
    }
    if (names === '') this.#manager.alive()
    else this.#manager.status(`${names} does not answer`)
  }
}
