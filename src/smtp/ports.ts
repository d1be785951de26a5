import type { Reply } from '#src/base/reply.ts'
import type { HeaderDecision, HeaderKind } from '#src/mail/header-action.ts'
import type { ScanReport } from '#src/match/types.ts'

/** What smtp knows of the client when it asks for a decision. */
export interface ClientInfo {
  readonly address: string
  readonly port: number
  /** Verified host name; 'unknown' until and unless it is known. */
  readonly name: string
  readonly helo: string
  readonly tls: boolean
  /** The account that the client has authenticated as, by its address; '' if it has not. */
  readonly user: string
  /** Addresses that this account may send as, as the directory compares them; `@domain` is all of a domain, `*` anybody. */
  readonly sendsAs: readonly string[]
  /** SHA-256 of the certificate that the client has shown, and of its public key; [] for none. */
  readonly fingerprints: readonly string[]
  /** Which listener: 'smtp' (25), 'submission' (587), 'submissions' (465). */
  readonly service: 'smtp' | 'submission' | 'submissions'
}

export type RecipientVerdict =
  | { readonly kind: 'accept'; readonly deliverTo: readonly string[] }
  | { readonly kind: 'refuse'; readonly reply: Reply }
  /** The message cannot be taken for its other recipients either: in part it would come to them twice. */
  | { readonly kind: 'refuse-message'; readonly reply: Reply }

/** A decision that is usually there at once and sometimes waits for a directory. */
export type Eventually<T> = T | Promise<T>

/** The few calls that smtp wants of policy; main/ hands them in. */
export interface Policy {
  /** At connect, before the greeting. undefined lets the client in. */
  connect(client: ClientInfo): Eventually<Reply | undefined>
  /** The client is gone. Called once for each client that connect() let in. */
  disconnect(client: ClientInfo): void
  mail(client: ClientInfo, sender: string): Eventually<Reply | undefined>
  /** Whether the client is one of ours, whose mail may go before that of others. */
  trusts(client: ClientInfo): boolean
  /** `address`: local part as given (unquoted where quotes are not needed), domain in lower-case A-labels. */
  recipient(client: ClientInfo, sender: string, address: string): Eventually<RecipientVerdict>
}

/** What came of somebody's wish to be let in. */
export type AuthVerdict =
  | { readonly kind: 'ok'; readonly user: string; readonly sendsAs: readonly string[] }
  /** Wrong password, no such account, an account that is closed: nobody is told which. `why` is for the log. */
  | { readonly kind: 'refused'; readonly why: string }
  /** Nobody can tell now. */
  | { readonly kind: 'unavailable'; readonly why: string }
  /** `smtpd_client_auth_rate_limit`. */
  | { readonly kind: 'too-fast' }
  /** Too many failures from this address. */
  | { readonly kind: 'blocked' }

export interface AuthAttempt {
  readonly user: string
  /** Wiped by whoever made it, once the answer is there. */
  readonly password: Uint8Array
  readonly mechanism: string
  readonly clientAddress: string
  readonly service: ClientInfo['service']
}

/** Checks passwords: main/ hands it in. */
export interface Authenticator {
  authenticate(attempt: AuthAttempt): Promise<AuthVerdict>
}

/** What scan/ makes of the native report. */
export type Verdict =
  | { readonly kind: 'accept'; readonly facts: Readonly<Record<string, unknown>> }
  | { readonly kind: 'refuse'; readonly reply: Reply; readonly facts: Readonly<Record<string, unknown>> }

export interface ContentJudge {
  judge(report: ScanReport): Verdict
}

/** header_checks(5). */
export interface HeaderChecks {
  readonly wantsParts: boolean
  /** `field`: with its folds, LF alone between the lines, no line end behind. */
  check(kind: HeaderKind, field: Uint8Array): HeaderDecision
}

/**
 * One message's way through the native scanner (`match/scanner.ts` has this shape). After `write` the three
 * counters say what became of the input.
 */
export interface ContentScanner {
  /** 'data': un-stuffs dots and looks for the end of data. 'bdat': every octet is content (RFC 3030). */
  begin(mode: 'data' | 'bdat'): void
  /**
   * Takes `input` from `start` to `end` and writes the octets to store into `out` from `outStart`, which must
   * have room for twice as many and 8 more.
   */
  write(input: Uint8Array, start: number, end: number, out: Uint8Array, outStart: number): void
  /** Octets of the input that belong to the message; behind them, once `ended`, stand commands. */
  readonly consumed: number
  /** Octets written to `out`. */
  readonly produced: number
  /** Whether CRLF.CRLF was seen ('data' only). */
  readonly ended: boolean
  /** The message is whole: what was found in it. `limits` with 'error' means that it could not be looked at. */
  finish(): ScanReport
  /** The second look, from the stored octets: only after a report with `needsRecheck`. */
  beginRecheck(): void
  recheck(stored: Uint8Array): void
  finishRecheck(): ScanReport
}

/** Scanners are costly to make and cheap to use again: a process has a few. */
export interface ScannerPool {
  take(): ContentScanner
  /** Also for a scanner in the middle of a message: the next `begin` starts it afresh. */
  give(scanner: ContentScanner): void
}

/** The host name of a client, looked up in the background. */
export interface PeerName {
  /** 'unknown' until and unless the name is known and its address leads back to the client. */
  readonly name: string
}

export interface PeerNames {
  /** Starts the look-up, or joins one under way. Never waits, never throws. */
  lookup(address: string): PeerName
}
