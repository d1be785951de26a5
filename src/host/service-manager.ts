import { errorText } from '#src/base/fault.ts'
import { host } from './addon.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** The variables by which a service manager is reached; nothing that we start may speak in our name. */
export const MANAGER_VARIABLES: readonly string[] = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']

/** A status longer than this is cut: `systemctl status` shows one line. */
const STATUS_CHARS_MAX = 300
/** Shorter than this between two signs of life no watchdog is meant to be. */
const WATCHDOG_MS_MIN = 100

/**
 * What a service tells whoever started it, by sd_notify(3): a datagram of NAME=value lines to $NOTIFY_SOCKET. Without
 * that variable everything here does nothing. A service manager that cannot be reached stops no mail: `onTrouble` is
 * told once, and again only after it was reached in between.
 */
export class ServiceManager {
  readonly #socket: string
  readonly #onTrouble: (reason: string) => void
  /** Milliseconds within which a sign of life is awaited; undefined where nobody waits. */
  readonly watchdogMs: number | undefined
  #isTroubled = false
  #status = ''

  constructor(env: Environment, pid: number, onTrouble: (reason: string) => void) {
    this.#socket = env['NOTIFY_SOCKET'] ?? ''
    this.#onTrouble = onTrouble
    this.watchdogMs = this.#socket === '' ? undefined : watchdogMs(env, pid)
  }

  ready(status: string): void {
    this.#status = oneLine(status)
    this.#send(['READY=1', `STATUS=${this.#status}`])
  }

  /** Said only where it differs from what was said last. */
  status(status: string): void {
    const line = oneLine(status)
    if (line === this.#status) return
    this.#status = line
    this.#send([`STATUS=${line}`])
  }

  /** The time is for Type=notify-reload, which takes a READY=1 for the answer only if it is later. */
  reloading(): void {
    this.#send(['RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`])
  }

  stopping(): void {
    this.#send(['STOPPING=1', 'STATUS=Stopping: sessions and deliveries under way are finished'])
  }

  alive(): void {
    this.#send(['WATCHDOG=1'])
  }

  #send(lines: readonly string[]): void {
    if (this.#socket === '') return
    try {
      host.sendDatagram(this.#socket, `${lines.join('\n')}\n`)
      this.#isTroubled = false
    } catch (error) {
      if (!this.#isTroubled) this.#onTrouble(`${this.#socket}: ${errorText(error)}`)
      this.#isTroubled = true
    }
  }
}

/** sd_watchdog_enabled(3): only for the process that is named, or for anybody where none is. */
function watchdogMs(env: Environment, pid: number): number | undefined {
  const { WATCHDOG_USEC: usec, WATCHDOG_PID: whose } = env
  if (usec === undefined || !/^[1-9]\d{0,15}$/.test(usec)) return undefined
  if (whose !== undefined && whose !== String(pid)) return undefined
  return Math.max(WATCHDOG_MS_MIN, Math.floor(Number(usec) / 1000))
}

/** A line break would begin a variable of its own. */
function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ').slice(0, STATUS_CHARS_MAX)
}
