import type { AlarmChange } from '#src/base/alarms.ts'
import type { Facts } from '#src/base/fault.ts'
import type { MetricsSnapshot } from '#src/base/metrics.ts'

/**
 * What master and its children say to each other, over the IPC channel, or over a Unix socket where each is a service of
 * its own (`gate.ts`). A child is started without arguments and
 * waits for `boot`; `Boot` is the child's own settings message (`smtpd-boot.ts`, `qmgr-boot.ts`,
 * `mailbox-boot.ts`, `directory-boot.ts`).
 *
 *     master ▶ boot          once, first                          child ▶ ready, or failed and exit
 *     master ▶ settings      a new generation; same shape as boot; what cannot change in a running process is
 *                            left as it was
 *     master ▶ stop          finish what you have, then exit 0
 *     master ▶ ping          is your loop turning?                       smtpd, qmgr ▶ pong
 *     master ▶ drain         to smtpd: the machine is about to start anew, take no more mail for the next `ms`; 0: it is not
 *     master ▶ flush         to qmgr: the embedded mailbox store has (again) become ready, so try everything now
 *     smtpd  ▶ anvil         may this client have one more connection?     master ▶ anvil {n, admitted}
 *     directory ▶ directory  the directory server has brought changes, so a generation may be due
 *     smtpd  ▶ gone          one connection of this client has ended (only for those that were admitted)
 *     child  ▶ alarm         something is wrong from now on, or over
 *     master ▶ alarms        to qmgr: tell postmaster this
 *     master ▶ ask           what have you counted?                child ▶ answer {n, value}
 *
 * A child whose channel closes (`disconnect`) behaves as if told to stop.
 */
export type ToChild<Boot> =
  | { readonly kind: 'boot'; readonly boot: Boot }
  | { readonly kind: 'settings'; readonly boot: Boot }
  | { readonly kind: 'stop' }
  | { readonly kind: 'flush' }
  | { readonly kind: 'drain'; readonly ms: number }
  | { readonly kind: 'ping' }
  | { readonly kind: 'alarms'; readonly subject: string; readonly lines: readonly string[] }
  | { readonly kind: 'anvil'; readonly n: number; readonly admitted: boolean }
  /** To be answered at once: master waits for a second and then goes without. */
  | { readonly kind: 'ask'; readonly n: number; readonly what: 'metrics' }

export type FromChild =
  /** `facts` are shown by `postern status`: what it listens on, how many signatures it has, … */
  | { readonly kind: 'ready'; readonly facts?: Facts }
  /** The facts are others now. Those called `attention`, a list, stand at the end of `postern status`. */
  | { readonly kind: 'facts'; readonly facts: Facts }
  /**
   * It cannot start, and a restart would not help (the port is taken, a folder is not writable). `reason` is a
   * whole sentence for the operator that names the thing and the mend. The child exits after it.
   */
  | { readonly kind: 'failed'; readonly reason: string }
  /** `address` is the client's, as the socket gives it; `n` is chosen by the child and comes back. */
  | { readonly kind: 'anvil'; readonly n: number; readonly address: string }
  | { readonly kind: 'gone'; readonly address: string }
  | { readonly kind: 'pong' }
  | { readonly kind: 'alarm'; readonly change: AlarmChange }
  | { readonly kind: 'answer'; readonly n: number; readonly value: MetricsSnapshot }
  /** So many entries of the mirror have changed (0: something else that its status shows). */
  | { readonly kind: 'directory'; readonly changed: number }

/** The first word of a process that master has not started itself (`gate.ts`): who it is. */
export interface Hello {
  readonly kind: 'hello'
  readonly version: string
  /** Counted from 1 within its kind. */
  readonly n: number
  readonly pid: number
}

/** What master answers to it. */
export type Welcome =
  | { readonly kind: 'welcome'; readonly env: Readonly<Record<string, string>> }
  /** As things are set there is nothing for it to do. */
  | { readonly kind: 'unneeded' }
  | { readonly kind: 'refused'; readonly reason: string }

/** Settings of the log, the same for every process; files are opened for appending by each. */
export interface LogBoot {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** Absolute path of the structured log, one JSON object a line; '' for none. */
  readonly jsonFile: string
  /** Absolute path of the readable log; '' for none. */
  readonly textFile: string
  /** Whether the readable log goes to standard output too. */
  readonly stdout: boolean
}
