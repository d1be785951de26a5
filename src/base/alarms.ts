/** 'critical': mail is refused or may be lost. 'error': mail waits, or is less protected. 'warning': soon. */
export type Severity = 'critical' | 'error' | 'warning'

interface AlarmSpec {
  readonly severity: Severity
  /** What an operator does about it: a sentence. */
  readonly text: string
  /** For what is only met now and then: it is over when it was not said again for so long. */
  readonly lastsMs?: number
}

/**
 * Everything that an operator has to look at for as long as it is so. `docs/alarms.md` explains each at length; a test
 * holds the two lists together.
 */
export const ALARMS = {
  DISK_FULL: {
    severity: 'critical',
    text: 'The disk of the queue has too little room: mail is answered 452. Free some, or give it a larger disk.',
  },
  DISK_LOW: {
    severity: 'warning',
    text: 'The disk of the queue is nearly full. Free some room before mail is refused.',
  },
  QUEUE_STALLED: {
    severity: 'error',
    text: 'Mail has been due for long and is not tried. Look at "postern queue domains" and at qmgr.progress in the log.',
  },
  LDAP_DOWN: {
    severity: 'error',
    text: 'No directory server can be used; what was known last counts. Look at the servers and the network to them.',
  },
  LDAP_SERVER: {
    severity: 'warning',
    text: 'A directory server cannot be used, and another serves. Look at that server.',
  },
  LDAP_SLOW: {
    severity: 'warning',
    text: 'A directory server takes seconds to answer. Look at its load and at its log.',
  },
  LDAP_BEHIND: {
    severity: 'warning',
    text: 'A directory server knows less than we do already. Look at its replication.',
  },
  LDAP_NONSENSE: {
    severity: 'error',
    text: 'What the directory server shows cannot be so and was not taken over. Look at it; "postern directory accept" takes it.',
  },
  SETTING_REFUSED: {
    severity: 'error',
    text: 'A setting has a value that is not allowed, or cannot be read; the one before stays in force. Mend it where it is set.',
  },
  DELIVERY_MISCONFIGURED: {
    severity: 'error',
    text: 'Mail waits or comes back because of what is set here: a loop, a relay host that is not there, no DNS. Mend the setting that is named.',
    // It is said again every ten minutes at most (delivery/alarms.ts).
    lastsMs: 1_800_000,
  },
  DNS_FAILING: {
    severity: 'error',
    text: 'The resolver gives no answers: mail to other domains waits. Look at the resolver ([dns] servers).',
  },
  SIGNATURES_OLD: {
    severity: 'warning',
    text: 'The signatures of the scanner were not renewed for long. Look at what brings them.',
  },
  CERTIFICATE: {
    severity: 'warning',
    text: 'A certificate ends soon, has ended, or cannot be used. Renew it; it is taken over within a minute.',
  },
  PROCESS_CRASHING: {
    severity: 'error',
    text: 'A process ends again and again. The log says why (master.child.exit).',
  },
  PROCESS_SILENT: {
    severity: 'error',
    text: 'A process does not answer: it hangs, or the machine is overloaded. Look at its load, and restart if it stays so.',
  },
  CLOCK_WRONG: {
    severity: 'warning',
    text: 'The clock of the machine has jumped or is not kept right. Look at the time service.',
  },
  TEMPERATURE: {
    severity: 'error',
    text: 'The hardware says that it is too hot. Look at fans and air.',
  },
  UPDATE_FAILED: {
    severity: 'error',
    text: 'A new release did not pass its boot check, and the one before runs again. Look at the reason, and update to another release.',
  },
  DISK_WORN: {
    severity: 'warning',
    text: 'A disk says that it is worn or failing. Replace it before it fails.',
  },
} as const satisfies Readonly<Record<string, AlarmSpec>>

export type AlarmCode = keyof typeof ALARMS

/** An alarm that is raised. */
export interface Alarm {
  readonly code: AlarmCode
  readonly severity: Severity
  /** Which of several that have this code: a server, a process, an attribute; '' where there is but one. */
  readonly key: string
  /** What is wrong here and now, a clause of a sentence. */
  readonly reason: string
  /** Milliseconds since 1970. */
  readonly sinceMs: number
}

/** A change that somebody tells: raised, raised for another reason, or over. */
export type AlarmChange =
  | { readonly kind: 'raised'; readonly code: AlarmCode; readonly key: string; readonly reason: string }
  | { readonly kind: 'cleared'; readonly code: AlarmCode; readonly key: string }

/** `CODE key: reason`, as `postern status` and the log show it. */
export function alarmLine({ code, key, reason }: Pick<Alarm, 'code' | 'key' | 'reason'>): string {
  return `${code}${key === '' ? '' : ` ${key}`}: ${reason}`
}

/** Tells whoever keeps the alarms; what is said before anybody listens is kept for them. */
let tell: ((change: AlarmChange) => void) | undefined
const early: AlarmChange[] = []
/** More than this before the first listener is a fault that one line tells as well. */
const EARLY_MAX = 100

/** Where the alarms of this process go from now on. */
export function tellAlarmsTo(listener: (change: AlarmChange) => void): void {
  tell = listener
  for (const change of early.splice(0)) listener(change)
}

/** Something is wrong from now on, or still, for this reason; may be said again and again. */
export function raiseAlarm(code: AlarmCode, key: string, reason: string): void {
  say({ kind: 'raised', code, key, reason })
}

/** It is over; may be said of what was never raised. */
export function clearAlarm(code: AlarmCode, key = ''): void {
  say({ kind: 'cleared', code, key })
}

function say(change: AlarmChange): void {
  if (tell !== undefined) tell(change)
  else if (early.length < EARLY_MAX) early.push(change)
}

/** An alarm that came as JSON; none where it is none. */
export function readAlarm(value: Readonly<Record<string, unknown>>): readonly Alarm[] {
  const { code, key, reason, sinceMs } = value
  if (typeof code !== 'string' || !isAlarmCode(code)) return []
  if (typeof key !== 'string' || typeof reason !== 'string' || typeof sinceMs !== 'number') return []
  return [{ code, severity: ALARMS[code].severity, key, reason, sinceMs }]
}

/** What a key and a reason may have of characters: a server's name, a clause of a sentence. */
const KEY_CHARS_MAX = 500
const REASON_CHARS_MAX = 2000

/** A change that another process tells; undefined where it is none. */
export function readAlarmChange(value: unknown): AlarmChange | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { kind, code, key, reason }: Readonly<Record<string, unknown>> = { ...value }
  if (typeof code !== 'string' || !isAlarmCode(code)) return undefined
  if (typeof key !== 'string' || key.length > KEY_CHARS_MAX) return undefined
  if (kind === 'cleared') return { kind, code, key }
  if (kind !== 'raised' || typeof reason !== 'string') return undefined
  return { kind, code, key, reason: reason.slice(0, REASON_CHARS_MAX) }
}

function isAlarmCode(code: string): code is AlarmCode {
  return Object.hasOwn(ALARMS, code)
}
