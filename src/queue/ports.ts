import type { NewMessage, NewRecipient, Origin, RecipientState } from './types.ts'

/** A recipient as the queue holds it. */
export interface QueuedRecipient extends NewRecipient {
  /** Position in the envelope; with the message's `seq` its key in the store. */
  readonly n: number
  readonly state: RecipientState
  /** Wall clock of the next attempt. */
  readonly dueMs: number
  readonly attempts: number
  /** Why it waits, in a sentence: of a remote reply, whose it is and to what; '' before the first attempt. */
  readonly lastReply: string
}

/** A message as the queue holds it, without its body. */
export interface QueuedMessage {
  /** Row number in the store. */
  readonly seq: number
  readonly id: string
  readonly arrivedMs: number
  readonly sender: string
  readonly eightBit: boolean
  readonly smtpUtf8: boolean
  readonly ret: '' | 'FULL' | 'HDRS'
  readonly envid: string
  readonly origin: Origin
  readonly prefix: string
  /** prefix and body together, as mailq shows it. */
  readonly sizeBytes: number
  readonly messageId: string
  /** REQUIRETLS was said (RFC 8689). */
  readonly requireTls?: boolean
  /** RFC 6710: -9 to 9, absent for 0. */
  readonly priority?: number
  /** See NewMessage. */
  readonly notice?: boolean
}

/** The body, read when it is sent: whole where it lay in the row, in blocks where it lies in spool/. */
export interface BodySource {
  readonly length: number
  /** Blocks in order, each valid until the next is asked for; throws a Fault BODY_DAMAGED when length or checksum do not hold. */
  blocks(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}

/** One host or domain to go to, and why. */
export interface DestinationHop {
  /** As it was written: `[mail.example.com]:587`. */
  readonly text: string
  /** Host, domain or address, without brackets and port. */
  readonly host: string
  readonly port: number
  /** It stood in brackets: no MX look-up. */
  readonly bracketed: boolean
  /**
   * 'domain': the recipient's own. 'relayhost', 'table', 'fallback': somebody here has written it down, and so
   * its failure is our mistake before it is the sender's.
   */
  readonly role: 'domain' | 'relayhost' | 'table' | 'fallback'
  /** For the trace of the message. */
  readonly reason: string
}

/**
 * A next hop: what waits for the same one waits in one line, shares its limits, its connections and its rests.
 * `protocol`, `host` and `port` tell it from all others.
 */
export interface Destination {
  readonly protocol: 'lmtp' | 'smtp'
  /** An address or name; where there are `hops`, all of them as they were written. */
  readonly host: string
  readonly port: number
  /** In the order in which they are tried, never empty. Absent where `host` is the one host to connect to. */
  readonly hops?: readonly DestinationHop[]
}

/** Where a recipient goes, decided anew at each attempt. */
export type Route =
  | { readonly kind: 'destination'; readonly destination: Destination }
  /** 'discarded': it counts as sent, and nobody gets it. */
  | { readonly kind: 'deferred' | 'bounced' | 'discarded'; readonly dsn: string; readonly reason: string }

/** One message for some recipients, all at one destination. */
export interface DeliveryRequest {
  readonly message: QueuedMessage
  readonly recipients: readonly QueuedRecipient[]
  readonly body: BodySource
  readonly destination: Destination
}

/** What became of one recipient in one attempt. Every recipient of a request has exactly one. */
export interface RecipientOutcome {
  readonly n: number
  /** 'sent' and 'bounced' are final; 'deferred' is tried again until the message is too old. */
  readonly kind: 'sent' | 'deferred' | 'bounced'
  /** The peer's reply verbatim in one line, or our own sentence ("connect to …: Connection refused"). */
  readonly reply: string
  /** Who gave the reply, and to what, as Postfix's mailq shows it ("host … said: … (in reply to RCPT TO command)"). */
  readonly sentence?: string
  /** RFC 3463 status. */
  readonly dsn: string
  /** `host[address]:port`, or 'none' where no peer was reached. */
  readonly relay: string
  /** Who gave the reply: 'remote' text goes into a bounce as `Diagnostic-Code: smtp;`. */
  readonly source: 'remote' | 'local'
  /** Of 'sent'; 'delivered' if not given. */
  readonly arrival?: Arrival
}

/**
 * Who owes the sender a success report (RFC 3461 section 5.2). 'delivered': we, for it is in its mailbox.
 * 'relayed': we, for the next hop knows of no such reports. 'passed': not we, for the next hop took the parameters.
 * 'expanded': we, for the address has become others.
 */
export type Arrival = 'delivered' | 'relayed' | 'passed' | 'expanded'

/** Carries messages to their next hop: delivery/ implements it. Resolves always; never rejects. */
export interface Deliverer {
  deliver(request: DeliveryRequest, signal: AbortSignal): Promise<readonly RecipientOutcome[]>
  /** Whether one more delivery to that destination would start at once (its concurrency has room). */
  hasRoom(destination: Destination): boolean
  /** Called when a delivery ends and there is room again. */
  onRoom(listener: () => void): void
  /** Forgets which destinations rest: a flush tries them all (qmgr(8), the same for its dead sites). */
  revive(): void
  close(): Promise<void>
}

/** What there is to say about some recipients of one message. */
export interface ReportOrder {
  /** 'failed': for good. 'delayed': it is still tried. 'arrived': see `Arrival`. */
  readonly kind: 'failed' | 'delayed' | 'arrived'
  readonly message: QueuedMessage
  readonly about: readonly ReportSubject[]
  readonly body: BodySource
  /** Whether the outcomes are those of an attempt just made, not of an earlier one. */
  readonly attempted: boolean
  /** Until when it is tried, wall clock. */
  readonly retryUntilMs: number
}

export interface ReportSubject {
  readonly recipient: QueuedRecipient
  readonly outcome: RecipientOutcome
}

/** A notification that is about to be queued. */
export interface Report {
  readonly kind: ReportOrder['kind']
  readonly audience: 'sender' | 'postmaster'
  /** The recipients that it speaks of, by their `n`. */
  readonly about: readonly number[]
  readonly message: NewMessage
}

/**
 * Writes the notifications that are due, if any: none to the null sender, none that NOTIFY forbids, copies to
 * postmaster as notify_classes says.
 */
export type ReportComposer = (order: ReportOrder) => Promise<readonly Report[]>

/** `sender`: '' is the null sender; relay hosts may depend on it. */
export type Router = (address: string, sender: string) => Route | Promise<Route>
