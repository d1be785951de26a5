import type { Level } from '#src/base/log.ts'
import type { MetricsSnapshot } from '#src/base/metrics.ts'
import type { TraceLimits } from './trace-index.ts'
import type { Action, ActionResult, ActionWhy } from './changes.ts'

/**
 * What qmgr's main thread and its writer thread say to each other. Many small objects travel as one JSON text,
 * which costs a third of a structured clone; bodies beside it, moved and not copied.
 */

export interface WriterStart {
  /** Folder of queue.db. */
  readonly queueDir: string
  readonly spoolDir: string
  /** The Unix socket for smtpd. */
  readonly socketPath: string
  readonly minFreeBytes: number
  readonly activeRecipientsMax: number
  readonly trace: TraceLimits
  readonly log: {
    readonly level: Level
    readonly jsonFd: number | undefined
    readonly textFd: number | undefined
  }
  /** Test aid, see StoreOptions. */
  readonly pagesMax?: number
}

export type ToWriter =
  | { readonly t: 'changes'; readonly json: string; readonly bodies: readonly Uint8Array[] }
  | {
      readonly t: 'act'
      readonly n: number
      readonly action: Action
      readonly ids: readonly string[] | null
      readonly why: ActionWhy
    }
  | { readonly t: 'generation'; readonly number: number; readonly atMs: number; readonly hash: string }
  | { readonly t: 'metrics'; readonly n: number }
  /** Take nothing more from smtpd. */
  | { readonly t: 'stop' }
  /** Write what waits and close; answered by the thread's end. */
  | { readonly t: 'close' }

export type FromWriter =
  | { readonly t: 'ready' }
  | { readonly t: 'metrics'; readonly n: number; readonly snapshot: MetricsSnapshot }
  /**
   * `json`: [[seq, dueMs, octets of the body, chunk, offset in it, {m: message}], …]; chunk -1: the body is to be
   * read from the disk.
   */
  | { readonly t: 'accepted'; readonly json: string; readonly chunks: readonly ArrayBuffer[] }
  /** Committed messages were left on the disk, because enough are in memory. */
  | { readonly t: 'left' }
  /** Changes that are written: row numbers, and of those the ones whose message is gone. */
  | { readonly t: 'settled'; readonly seqs: readonly number[]; readonly removed: readonly number[] }
  | { readonly t: 'acted'; readonly action: Action; readonly seqs: readonly number[] }
  | { readonly t: 'action-result'; readonly n: number; readonly result: ActionResult }
  | { readonly t: 'action-error'; readonly n: number; readonly reason: string }
  /** The process must end; `damaged` asks for the rescue of what can be read at the next start. */
  | { readonly t: 'fatal'; readonly reason: string; readonly damaged: boolean }
