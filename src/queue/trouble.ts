import type { RecipientOutcome } from './ports.ts'

/** Classes of notify_classes (postconf(5)) for mail that is kept back by something of ours, not by a next hop. */
export type TroubleClass = 'resource' | 'software' | 'data'

/** Mail that something of ours keeps back. */
export interface MailTrouble {
  readonly which: TroubleClass
  readonly id: string
  /** '' where it is the null sender, or cannot be read. */
  readonly sender: string
  /** '' where it is about the message as a whole. */
  readonly recipient: string
  readonly reason: string
}

/** The first row that fits; our own findings are known by their status and words, as those of a session are. */
const CLASSES: readonly (readonly [RegExp, TroubleClass])[] = [
  // What connect(2) says when this machine has no more to give.
  [
    /^4\.4\.1 connect to .*: (?:Too many open files|Cannot allocate memory|No buffer space available)/,
    'resource',
  ],
  [
    /^4\.3\.0 (?:delivery failed|no route|no result of the|the attempt ended|mail transport unavailable)/,
    'software',
  ],
  // A mistake in what is set here, which only an administrator can mend.
  [/^4\.3\.5 TLS policy table: /, 'data'],
  [/^4\.3\.5 /, 'software'],
  // Tables and the directory that could not be read, and smtp(8)'s "local data error".
  [/^4\.3\.0 /, 'data'],
]

/** Of an outcome that is our own finding; undefined for what peers, DNS and rests of destinations bring with them. */
export function troubleOf({ kind, source, dsn, reply }: RecipientOutcome): TroubleClass | undefined {
  if (kind !== 'deferred' || source !== 'local') return undefined
  return CLASSES.find(([form]) => form.test(`${dsn} ${reply}`))?.[1]
}
