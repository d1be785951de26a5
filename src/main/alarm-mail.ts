import { crc32 } from 'node:zlib'
import { systemClock } from '#src/base/clock.ts'
import { elapsed } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'
import { mailDate } from '#src/mail/date.ts'
import type { Recipients } from '#src/policy/policy.ts'
import type { NewMessage, QueueSubmitter } from '#src/queue/types.ts'
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

/** What cannot be queued now is tried again so often and so long; what is wrong then is in the log as well. */
const RETRY_MS = 30_000
const RETRIES_MAX = 20

// oxlint-disable-next-line no-control-regex -- NUL to DEL are ASCII
const BEYOND_ASCII = /[^\u0000-\u007f]/g
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
    void this.#submit(this.#compose(subject, lines))
  }

  [Symbol.dispose](): void {
    this.#stop.abort()
  }

  async #submit(mail: NewMessage): Promise<void> {
    if (mail.recipients.length === 0) return
    const { queue } = this.#o
    for (let tries = 0; tries < RETRIES_MAX; tries++) {
      // The same message twice is one for the queue: it knows its id.
      if (queue.admission() === 'open' && (await queue.submit(mail)) === 'queued') {
        const to = mail.recipients.map(({ address }) => address).join(',')
        this.#o.log.write('info', 'qmgr.notice', { id: mail.id, to, class: 'alarm' })
        return
      }
      if (!(await elapsed(systemClock, RETRY_MS, this.#stop.signal))) return
    }
  }

  #compose(subject: string, lines: readonly string[]): NewMessage {
    const { newQueueId, directory } = this.#o
    const { hostname, generation, notices } = this.#o.boot()
    // notify_classes is about mail and sessions; whoever wants no mail of alarms says so under [health].
    const addresses = noticeTargets('resource', { ...notices, classes: ['resource'] }, directory)
    const nowMs = systemClock.nowMs()
    const id = newQueueId(nowMs)
    const date = mailDate(nowMs)
    const messageId = `<${id}@${hostname}>`
    const text = [
      `From: MAILER-DAEMON@${hostname} (Postern)`,
      `To: ${addresses.join(',\r\n\t')}`,
      `Subject: ${oneLine(subject)}`,
      // RFC 3834 section 5.1: it answers nobody's mail.
      'Auto-Submitted: auto-generated',
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=us-ascii',
      `Message-Id: ${messageId}`,
      `Date: ${date}`,
      '',
      ...lines.map(oneLine),
      '',
    ].join('\r\n')
    const bytes = Buffer.from(text)
    return {
      id,
      arrivedMs: nowMs,
      sender: '',
      recipients: addresses.map((address) => ({ address, original: address, orcpt: '', notify: ['NEVER'] })),
      eightBit: false,
      smtpUtf8: false,
      ret: '',
      envid: '',
      origin: { clientAddress: '', clientPort: 0, clientName: '', helo: '', protocol: 'local' },
      prefix: `Received: by ${hostname} (Postern)\r\n\tid ${id}; ${date}\r\n`,
      body: { kind: 'inline', bytes },
      bodyCrc32: crc32(bytes),
      messageId,
      verdict: { notice: 'alarm' },
      generation,
      notice: true,
    }
  }
}

/** Reasons hold words of peers: none of them may begin a line of its own. */
function oneLine(text: string): string {
  return text
    .replaceAll(/[\r\n]+/g, ' ')
    .replaceAll(BEYOND_ASCII, '?')
    .slice(0, LINE_CHARS_MAX)
}
