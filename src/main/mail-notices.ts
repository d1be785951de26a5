import { systemClock } from '#src/base/clock.ts'
import type { Clock } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'
import type { Recipients } from '#src/policy/policy.ts'
import { BoundedNotices } from '#src/queue/notice-mail.ts'
import type { MailTrouble, TroubleClass } from '#src/queue/trouble.ts'
import type { QueueSubmitter } from '#src/queue/types.ts'
import { noticeTargets } from './notice-targets.ts'
import type { NoticesBoot } from './notice-targets.ts'

export interface MailNoticesOptions {
  /** In force at this moment. */
  readonly boot: () => {
    readonly hostname: string
    readonly generation: number
    readonly notices: NoticesBoot
  }
  readonly directory: Recipients
  readonly newQueueId: (nowMs: number) => string
  readonly log: Log
  readonly queue: QueueSubmitter
  /** The system's if not given. */
  readonly clock?: Clock
}

const LINE_CHARS_MAX = 900

/**
 * Tells postmaster of mail that something of ours keeps back: classes `resource`, `software` and `data` of
 * notify_classes ("mail not delivered due to resource problems", postconf(5)).
 */
export class MailNotices implements Disposable {
  readonly #o: MailNoticesOptions
  readonly #notices: BoundedNotices<TroubleClass>

  constructor(options: MailNoticesOptions) {
    this.#o = options
    const { queue, log, newQueueId, clock = systemClock } = options
    const way = { queue, log, newQueueId, clock, event: 'qmgr.notice' } as const
    this.#notices = new BoundedNotices({ ...way, counted: 'deliveries' })
  }

  tell({ which, id, sender, recipient, reason }: MailTrouble): void {
    const { boot, directory } = this.#o
    const { hostname, generation, notices } = boot()
    if (!notices.classes.includes(which)) return
    this.#notices.tell(which, (untold) => ({
      hostname,
      author: 'Mail Delivery System',
      addresses: noticeTargets(which, notices, directory),
      subject: `Postern queue manager: mail not delivered (${which})`,
      lines: [
        `Mail is kept back by an error of class ${which} (notify_classes) on this side.`,
        ...untold,
        '',
        ...[
          `Message:   ${id}`,
          `From:      <${sender}>`,
          ...(recipient === '' ? [] : [`To:        <${recipient}>`]),
          `Reason:    ${reason}`,
        ].map(oneLine),
        '',
        `"postern queue show ${id}" shows it as it is now, "postern trace ${id}" what has become of it.`,
      ],
      verdict: { notice: 'mail', class: which },
      generation,
    }))
  }

  [Symbol.dispose](): void {
    this.#notices[Symbol.dispose]()
  }
}

/** None of it may begin a line of its own. */
function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]+/g, ' ').slice(0, LINE_CHARS_MAX)
}
