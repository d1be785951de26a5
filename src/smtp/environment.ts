import type { Clock } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'
import type { QueueSubmitter } from '#src/queue/types.ts'
import type { Authenticator, ContentJudge, HeaderChecks, PeerNames, Policy, ScannerPool } from './ports.ts'
import type { NoticeClient } from './session-notices.ts'
import type { SmtpSettings } from './settings.ts'
import type { Transcript } from './transcript.ts'

/**
 * Everything that a session works with. A new generation of settings is a new environment: it holds for sessions
 * that begin after it, and those that run end in the one they began in.
 */
export interface SmtpEnvironment {
  readonly settings: SmtpSettings
  readonly policy: Policy
  readonly authenticator: Authenticator
  readonly judge: ContentJudge
  /** header_checks(5); absent where there are none. */
  readonly headerChecks?: HeaderChecks
  /** The mailboxes that an address of an operator's rule stands for, or itself. */
  readonly mailboxesOf?: (address: string) => readonly string[]
  readonly queue: QueueSubmitter
  readonly scanners: ScannerPool
  readonly names: PeerNames
  readonly log: Log
  readonly clock: Clock
  /** A queue id that no other process gives (queue/queue-id.ts). */
  readonly newQueueId: (nowMs: number) => string
  /** What a sender becomes in the envelope (canonical(5)), itself for no change; absent where none becomes another. */
  readonly canonicalSender?: (sender: string) => string
  /** Told when a session with errors ends; absent where notify_classes asks for no such notice. */
  readonly sessionErrors?: (transcript: Transcript, client: NoticeClient) => void
}
