/** A fact beside a fault or a log event. */
export type Fact = string | number | boolean | null | undefined | readonly string[]
export type Facts = Readonly<Record<string, Fact>>

/**
 * Every fault that an operator can meet, with the sentence that says what to do. `docs/faults.md` explains
 * each at length; a test holds the two lists together.
 */
export const FAULTS = {
  STORE_SQLITE_OLD:
    'The SQLite library is too old to be safe with a write-ahead log. Install the packages of the lock file (make install).',
  STORE_TOO_NEW:
    'The file was written by a newer release. Start that release, or restore a backup made by this one.',
  STORE_LOCKED: 'Another process uses it. Stop that process first, or ask it through the control socket.',
  BODY_DAMAGED:
    'The stored body is not what was accepted. The message is set aside as corrupt; look at it, then delete or requeue it.',
  FRAME_MALFORMED:
    'The other process sent what is no frame. The connection is closed; if this repeats, the two are of different releases.',
  QUEUE_WRITER_DIED:
    'The queue could not be written any more. The process ends and a new one opens the store afresh; check the disk.',
  DIRECTORY_UNUSABLE:
    'The file of the embedded directory cannot be opened. Look at its rights and its disk, or restore it from an export.',
  TLS_FILES:
    'The certificate or its key cannot be used. Mend or remove both files; where both are missing, new ones are made.',
} as const

export type FaultCode = keyof typeof FAULTS

/**
 * A fault of ours or of the installation, never a peer's: it ends the operation, and where state may be
 * wrong, the process. `facts` say which thing, `cause` keeps what was thrown below.
 */
export class Fault extends Error {
  readonly code: FaultCode
  readonly facts: Facts

  constructor(code: FaultCode, facts: Facts = {}, cause?: unknown) {
    const said = Object.entries(facts)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `${key}=${String(value)}`)
      .join(' ')
    super(
      `${code}${said === '' ? '' : ` ${said}`}: ${FAULTS[code]}`,
      cause === undefined ? undefined : { cause },
    )
    this.name = 'Fault'
    this.code = code
    this.facts = facts
  }
}

/** The message of anything that was thrown. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // OpenSSL's message has a thread's address and a source file of Node's in it, which help nobody.
  if ('library' in error && 'reason' in error && typeof error.reason === 'string')
    return `${String(error.library)}: ${error.reason}`
  return error.message
}

/** The `code` of a system error ('ENOSPC'), or '' where it has none. */
export function errorCode(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string') {
    return error.code
  }
  return ''
}
