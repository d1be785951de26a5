import type { Reply } from '#src/base/reply.ts'
import type { ScanReport } from '#src/match/types.ts'

/** What smtp knows of the client when it asks for a decision. */
export interface ClientInfo {
  readonly address: string
  readonly port: number
  /** Verified host name; 'unknown' until and unless it is known. */
  readonly name: string
  readonly helo: string
  readonly tls: boolean
  /** Authenticated user, '' if none. */
  readonly user: string
  /** Which listener: 'smtp' (25), 'submission' (587), 'submissions' (465). */
  readonly service: 'smtp' | 'submission' | 'submissions'
}

export type RecipientVerdict =
  | { readonly kind: 'accept'; readonly deliverTo: readonly string[] }
  | { readonly kind: 'refuse'; readonly reply: Reply }

/** A decision that is usually there at once and sometimes waits for a directory. */
export type Eventually<T> = T | Promise<T>

/** The few calls that smtp wants of policy; main/ hands them in. */
export interface Policy {
  /** At connect, before the greeting. undefined lets the client in. */
  connect(client: ClientInfo): Eventually<Reply | undefined>
  /** The client is gone. */
  disconnect(client: ClientInfo): void
  mail(client: ClientInfo, sender: string): Eventually<Reply | undefined>
  /** `address`: local part as given (unquoted where quotes are not needed), domain in lower-case A-labels. */
  recipient(client: ClientInfo, sender: string, address: string): Eventually<RecipientVerdict>
}

/** What scan/ makes of the native report. */
export type Verdict =
  | { readonly kind: 'accept'; readonly facts: Readonly<Record<string, unknown>> }
  | { readonly kind: 'refuse'; readonly reply: Reply; readonly facts: Readonly<Record<string, unknown>> }

export interface ContentJudge {
  judge(report: ScanReport): Verdict
}
