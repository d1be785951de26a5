import { RECIPIENTS_MAX } from '#src/queue/limits.ts'
import type { Reply } from '#src/base/reply.ts'
import type { NewRecipient, Notify } from '#src/queue/types.ts'
import type { Address } from '#src/mail/address.ts'
import type { MailParameters } from './parameters.ts'

/**
 * Who the client says it is. A HELO client may not pipeline, and its mail is `with SMTP`.
 */
export interface Greeting {
  readonly helo: string
  readonly esmtp: boolean
}

/**
 * What one transaction has gathered. `recipients` only ever grows, and belongs to this transaction alone: a copy
 * for each RCPT would make a thousand recipients cost half a million moves.
 */
export interface Envelope {
  readonly sender: Address
  readonly parameters: MailParameters
  readonly recipients: NewRecipient[]
  /** The addresses of `recipients`. */
  readonly known: Set<string>
  /** RCPT commands that were accepted; aliases can make more recipients of one, or fewer. */
  accepted: number
  /** Set where one recipient keeps the message from all of them: then its content is refused. */
  refusal: Reply | undefined
}

/**
 * How far a client has come. A state has only the fields that it can have, so that nothing of one transaction,
 * or of the time before STARTTLS, is left over in the next.
 */
export type Session =
  | { readonly at: 'start' }
  | { readonly at: 'greeted'; readonly greeting: Greeting }
  | { readonly at: 'mail'; readonly greeting: Greeting; readonly envelope: Envelope }
  /** Between two BDAT chunks; `octets` were taken so far. */
  | {
      readonly at: 'bdat'
      readonly greeting: Greeting
      readonly envelope: Envelope
      readonly octets: number
    }
  /**
   * A BDAT was refused: chunks that the client had sent on before it knew are read and thrown away until LAST
   * or RSET (RFC 3030 section 2). There is no transaction any more.
   */
  | { readonly at: 'discard'; readonly greeting: Greeting | undefined; readonly octets: number }

export const START: Session = { at: 'start' }

export function greetingOf(session: Session): Greeting | undefined {
  return session.at === 'start' ? undefined : session.greeting
}

/** The state after a transaction has ended, whichever way. */
export function withoutTransaction(session: Session): Session {
  const greeting = greetingOf(session)
  return greeting === undefined ? START : { at: 'greeted', greeting }
}

/** Whether a graceful stop lets the session go on for a while. */
export function inTransaction(session: Session): boolean {
  return session.at === 'mail' || session.at === 'bdat'
}

/** The transaction that MAIL has opened. */
export function newEnvelope(sender: Address, parameters: MailParameters): Envelope {
  return { sender, parameters, recipients: [], known: new Set(), accepted: 0, refusal: undefined }
}

/**
 * Adds one accepted RCPT with the addresses that it stands for. An address that is there already is not added
 * again (Postfix `duplicate_filter_limit`): a list and a member of it in one envelope are one delivery.
 */
export function addRecipient(
  envelope: Envelope,
  deliverTo: readonly string[],
  rest: Omit<NewRecipient, 'address'>,
): void {
  envelope.accepted += 1
  const before = envelope.recipients.length
  const several = deliverTo.length > 1 && rest.notify.includes('SUCCESS')
  const notify = several ? withoutSuccess(rest.notify) : rest.notify
  for (const address of deliverTo) {
    if (envelope.known.has(address)) continue
    envelope.known.add(address)
    envelope.recipients.push({ address, ...rest, notify })
  }
  // RFC 3461 section 5.2.7.3: the sender hears that its mail went to several, and not of each, nor who they are.
  // In an envelope that is full to the last place it does not.
  const { length } = envelope.recipients
  if (several && length > before && length < RECIPIENTS_MAX)
    envelope.recipients.push({ address: rest.original, ...rest, notify: ['EXPANDED'] })
}

function withoutSuccess(notify: readonly Notify[]): readonly Notify[] {
  const others = notify.filter((word) => word !== 'SUCCESS')
  return others.length === 0 ? ['NEVER'] : others
}
