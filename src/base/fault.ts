/** A fact beside a fault or a log event. */
export type Fact = string | number | boolean | null | undefined | readonly string[]
export type Facts = Readonly<Record<string, Fact>>

/**
 * Every fault that an operator can meet, with the sentence that says what to do. `docs/faults.md` explains
 * each at length; a test holds the two lists together.
 */
export const FAULTS = {
  CONFIG_UNREADABLE: 'The file cannot be read. Check that it exists and that this user may read it.',
  CONFIG_SYNTAX: 'The file is not valid TOML. Mend the line that is named.',
  CONFIG_INVALID: 'A value in the file is not allowed. Mend the line that is named.',
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
    super(`${code}${said === '' ? '' : ` ${said}`}: ${FAULTS[code]}`, cause === undefined ? undefined : { cause })
    this.name = 'Fault'
    this.code = code
    this.facts = facts
  }
}

/** The message of anything that was thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The `code` of a system error ('ENOSPC'), or '' where it has none. */
export function errorCode(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string') {
    return error.code
  }
  return ''
}
