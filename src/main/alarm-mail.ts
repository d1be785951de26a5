import { systemClock } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'
import type { Recipients } from '#src/policy/policy.ts'
import { composeNotice, queueNotice } from '#src/queue/notice-mail.ts'
import type { Notice } from '#src/queue/notice-mail.ts'
import type { QueueSubmitter } from '#src/queue/types.ts'
import { noticeTargets } from './notice-targets.ts'
import type { QmgrBoot } from './qmgr-boot.ts'

export interface AlarmMailOptions {
  /** In force at this moment. */
  readonly boot: () => QmgrBoot
  readonly directory: Recipients
  readonly newQueueId: (nowMs: number) => string
  readonly log: Log
  readonly queue: QueueSubmitter
}

/** What cannot be queued now is tried again for ten minutes; what is wrong then is in the log as well. */
const TRIES_MAX = 20

const LINE_CHARS_MAX = 900

/**
 * Mails alarms to whoever gets notices of errors (error_notice_recipient), through the queue, as any other mail. How
 * often is master's business.
 */
export class AlarmMail implements Disposable {
  readonly #o: AlarmMailOptions
  readonly #stop = new AbortController()

  constructor(options: AlarmMailOptions) {
    this.#o = options
  }

  tell(subject: string, lines: readonly string[]): void {
    const { queue, log, newQueueId } = this.#o
    const notice = this.#notice(subject, lines)
    if (notice.addresses.length === 0) return
    const nowMs = systemClock.nowMs()
    const mail = composeNotice(notice, newQueueId(nowMs), nowMs)
    const way = { queue, clock: systemClock, log, event: 'qmgr.notice', class: 'alarm' } as const
    void queueNotice(mail, { ...way, triesMax: TRIES_MAX }, this.#stop.signal)
  }

  [Symbol.dispose](): void {
    this.#stop.abort()
  }

  #notice(subject: string, lines: readonly string[]): Notice {
    const { hostname, generation, notices } = this.#o.boot()
    return {
      hostname,
      author: 'Postern',
      // notify_classes is about mail and sessions; whoever wants no mail of alarms says so under [health].
      addresses: noticeTargets('resource', { ...notices, classes: ['resource'] }, this.#o.directory),
      subject: oneLine(subject),
      lines: lines.map(oneLine),
      verdict: { notice: 'alarm' },
      generation,
    }
  }
}

/** Reasons hold words of peers: none of them may begin a line of its own. */
function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]+/g, ' ').slice(0, LINE_CHARS_MAX)
}
