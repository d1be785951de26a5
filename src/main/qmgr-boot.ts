import type { DeliverySettings } from '#src/delivery/settings.ts'
import type { RetryTimes } from '#src/queue/schedule.ts'
import type { TraceLimits } from '#src/queue/trace-index.ts'
import type { LogBoot } from './ipc.ts'
import type { NoticesBoot } from './notice-targets.ts'
import type { RoutingBoot } from './qmgr-routing.ts'

/** What master tells the queue manager at its start, and again with each generation of settings. */
export interface QmgrBoot {
  /** myhostname. */
  readonly hostname: string
  /** Absolute paths. `spoolDir` lies on the file system of `queueDir`; both are made where they are missing. */
  readonly queueDir: string
  readonly spoolDir: string
  readonly runDir: string
  /** Folders of the sockets that smtpd and the health process may reach. */
  readonly smtpdRunDir: string
  readonly healthRunDir: string
  /** Free octets below which no mail is taken (queue_minfree; 1.5 times message_size_limit where that is 0). */
  readonly minFreeBytes: number
  /** qmgr_message_active_limit: recipients in memory. */
  readonly activeRecipientsMax: number
  /** trace_lifetime, trace_row_limit: how much of what became of messages is kept. */
  readonly trace: TraceLimits
  /** Takes hold with the next attempt. */
  readonly times: RetryTimes
  /** bounce_size_limit. */
  readonly bounceSizeLimitBytes: number
  readonly notices: NoticesBoot
  /** The embedded directory, whose accounts and domains may name a transport of their own. */
  readonly directoryFile: string
  /** canonical_maps: whose mail has its header addresses made canonical (mynetworks), and whether any. */
  readonly canonical: { readonly isOn: boolean; readonly myNetworks: readonly string[] }
  readonly routing: RoutingBoot
  readonly delivery: DeliverySettings
  /** Number of the settings generation, recorded in the store with the time it came into force. */
  readonly generation: number
  readonly log: LogBoot
  /** How often the log tells the size of the queue; 0: never. */
  readonly sizeLogMs: number
}
