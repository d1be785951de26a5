import { ALARMS, alarmLine } from '#src/base/alarms.ts'
import type { Alarm, AlarmChange, AlarmCode } from '#src/base/alarms.ts'
import type { Clock } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'

export interface AlarmDeskOptions {
  readonly clock: Clock
  readonly log: Log
  /** Mails this to postmaster. */
  readonly mail: (subject: string, lines: readonly string[]) => void
}

/** An alarm that somebody thinks is raised. */
export interface Found {
  readonly code: AlarmCode
  readonly key: string
  readonly reason: string
}

interface Raised {
  readonly alarm: Alarm
  /** Who has raised it: a process, or a rule of master's. */
  source: string
  /** When it was last said, of a clock that never jumps. */
  saidMs: number
  /** When the process that raised it has ended; undefined while it runs. */
  orphanedMs: number | undefined
}

/** Alarms that are kept at once: a directory full of mistakes brings one for each. */
const ALARMS_MAX = 1000
/** What a process raised that has ended is over if its successor does not raise it again by then. */
const ORPHAN_MS = 60_000
/** What is raised and cleared within this is not worth a mail. */
const MAIL_WAIT_MS = 15_000
/** And then no other for so long; what happens meanwhile is in the next. */
const MAIL_PAUSE_MS = 600_000
/** Alarms that one mail names. */
const MAIL_ALARMS_MAX = 50
/** The one alarm that no mail can tell: there is no queue for it. */
const UNMAILABLE: ReadonlySet<AlarmCode> = new Set(['DISK_FULL'])

/** Keeps the alarms of the whole box: each is told once when it begins and once when it is over. */
export class AlarmDesk {
  readonly #o: AlarmDeskOptions
  readonly #raised = new Map<string, Raised>()
  /** What postmaster was told of, and has not heard the end of. */
  readonly #mailed = new Set<string>()
  #mailedMs = -Infinity
  #changedMs = 0

  constructor(options: AlarmDeskOptions) {
    this.#o = options
  }

  get list(): readonly Alarm[] {
    return [...this.#raised.values()].map(({ alarm }) => alarm)
  }

  /** A process says that something has begun or is over. */
  heard(source: string, change: AlarmChange): void {
    if (change.kind === 'raised') this.#raise(source, change)
    else if (this.#raised.get(keyOf(change))?.source === source) this.#clear(keyOf(change))
  }

  /** What master has found itself; what is no longer among it is over. */
  found(all: readonly Found[]): void {
    const keys = new Set(all.map(keyOf))
    for (const one of all) this.#raise(MASTER, one)
    for (const [key, { source, alarm }] of this.#raised)
      if (source === MASTER && !keys.has(key) && !('lastsMs' in ALARMS[alarm.code])) this.#clear(key)
  }

  /** A process has ended: its successor may raise the same again. */
  ended(source: string): void {
    const nowMs = this.#o.clock.monotonicMs()
    for (const raised of this.#raised.values()) if (raised.source === source) raised.orphanedMs ??= nowMs
  }

  /** To be called every few seconds: ends what nobody says any more, and mails what there is to tell. */
  tick(isMailing: boolean): void {
    const nowMs = this.#o.clock.monotonicMs()
    for (const [key, { alarm, saidMs, orphanedMs }] of this.#raised) {
      const spec = ALARMS[alarm.code]
      const isOld = 'lastsMs' in spec && nowMs - saidMs > spec.lastsMs
      if (isOld || (orphanedMs !== undefined && nowMs - orphanedMs > ORPHAN_MS)) this.#clear(key)
    }
    if (isMailing) this.#perhapsMail(nowMs)
  }

  #raise(source: string, { code, key, reason }: Found): void {
    const { clock, log } = this.#o
    const id = keyOf({ code, key })
    const known = this.#raised.get(id)
    const nowMs = clock.monotonicMs()
    if (known === undefined && this.#raised.size >= ALARMS_MAX) return
    const { severity } = ALARMS[code]
    const sinceMs = known?.alarm.sinceMs ?? clock.nowMs()
    const alarm = { code, severity, key, reason, sinceMs }
    this.#raised.set(id, { alarm, source, saidMs: nowMs, orphanedMs: undefined })
    if (known !== undefined) return
    this.#changedMs = nowMs
    log.write(severity === 'warning' ? 'warn' : 'error', 'alarm.raised', { code, ...keyFact(key), reason })
  }

  #clear(id: string): void {
    const raised = this.#raised.get(id)
    if (raised === undefined) return
    this.#raised.delete(id)
    this.#changedMs = this.#o.clock.monotonicMs()
    const { code, key } = raised.alarm
    this.#o.log.write('info', 'alarm.cleared', { code, ...keyFact(key) })
  }

  #perhapsMail(nowMs: number): void {
    if (nowMs - this.#changedMs < MAIL_WAIT_MS || nowMs - this.#mailedMs < MAIL_PAUSE_MS) return
    const tellable = this.list.filter(({ code }) => !UNMAILABLE.has(code))
    const fresh = tellable.filter((alarm) => !this.#mailed.has(keyOf(alarm)))
    const over = [...this.#mailed].filter((key) => !this.#raised.has(key))
    if (fresh.length + over.length === 0) return
    this.#mailedMs = nowMs
    for (const alarm of fresh) this.#mailed.add(keyOf(alarm))
    for (const key of over) this.#mailed.delete(key)
    this.#o.mail(subjectOf(fresh, over), bodyOf(tellable, fresh, over))
  }
}

const MASTER = 'master'

function keyOf({ code, key }: { readonly code: AlarmCode; readonly key: string }): string {
  return key === '' ? code : `${code} ${key}`
}

function keyFact(key: string): { readonly key?: string } {
  return key === '' ? {} : { key }
}

function subjectOf(fresh: readonly Alarm[], over: readonly string[]): string {
  const [first] = fresh
  if (first === undefined) return `Postern: over: ${over.join(', ')}`
  const more = fresh.length > 1 ? ` and ${fresh.length - 1} more` : ''
  return `Postern: ${first.severity}: ${keyOf(first)}${more}`
}

function bodyOf(all: readonly Alarm[], fresh: readonly Alarm[], over: readonly string[]): readonly string[] {
  const isFresh = new Set(fresh)
  const others = all.filter((alarm) => !isFresh.has(alarm)).slice(0, MAIL_ALARMS_MAX)
  return [
    ...fresh
      .slice(0, MAIL_ALARMS_MAX)
      .flatMap((alarm) => [alarmLine(alarm), `  ${ALARMS[alarm.code].text}`, '']),
    ...(over.length === 0 ? [] : ['Over:', ...over.slice(0, MAIL_ALARMS_MAX).map((key) => `  ${key}`), '']),
    ...(others.length === 0 ? [] : ['Still raised:', ...others.map((alarm) => `  ${alarmLine(alarm)}`), '']),
    `"postern alarms" shows what is raised now. The next such mail comes in ${MAIL_PAUSE_MS / 60_000} minutes at the earliest.`,
  ]
}
