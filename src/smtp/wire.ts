import type { Client } from './client.ts'
import type { SmtpEnvironment } from './environment.ts'
import type { ReceptionTools } from './reception.ts'
import type { ShownCertificate } from './server-tls.ts'

/** What a dialogue wants of the connection that carries it. */
export interface Wire {
  /** Sends replies, `delayMs` later if that is not 0 (reading waits meanwhile), and then hangs up if told to. */
  say(text: string, delayMs: number, hangUp: boolean): void
  hold(): void
  release(): void
  /** Whether what comes next is content. */
  expectContent(content: boolean): void
  /** Whether the client has sent more than the line in hand. */
  readonly hasMore: boolean
  /** Whether the connection is no more, or will end. */
  readonly closed: boolean
  readonly tlsOffered: boolean
  /** `TLSv1.3 with cipher …`, '' outside TLS. */
  readonly cipher: string
  /** The certificate that the client has shown, where it was asked for one. */
  readonly clientCertificate: ShownCertificate
  startTls(): void
}

export interface DialogueParts {
  readonly id: string
  readonly environment: SmtpEnvironment
  readonly tools: ReceptionTools
  readonly client: Client
  readonly wire: Wire
}
