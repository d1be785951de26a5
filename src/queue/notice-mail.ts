import { crc32 } from 'node:zlib'
import type { Clock } from '#src/base/clock.ts'
import { elapsed } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'
import { mailDate } from '#src/mail/date.ts'
import type { NewMessage, QueueSubmitter } from './types.ts'

/** What a notice of ours to postmaster says. */
export interface Notice {
  readonly hostname: string
  /** Who writes, behind MAILER-DAEMON@hostname. */
  readonly author: string
  readonly addresses: readonly string[]
  /** One line. */
  readonly subject: string
  /** Of the text; what is not ASCII becomes `?`. */
  readonly lines: readonly string[]
  /** Goes into the trace with it. */
  readonly verdict: NewMessage['verdict']
  readonly generation: number
}

/** The way of a notice into the queue. */
export interface NoticeWay {
  readonly queue: QueueSubmitter
  readonly clock: Clock
  readonly log: Log
  readonly event: 'smtpd.notice' | 'qmgr.notice'
}

/** How often is tried again what could not be queued (the disk is full: that may be what it is about). */
const RETRY_MS = 30_000

// oxlint-disable-next-line no-control-regex -- NUL to DEL are ASCII
const BEYOND_ASCII = /[^\u0000-\u007f]/g

/** The mail that a notice is: from the null sender, answered by nobody, and reported about to nobody. */
export function composeNotice(notice: Notice, id: string, nowMs: number): NewMessage {
  const { hostname, addresses, generation, verdict } = notice
  const date = mailDate(nowMs)
  const messageId = `<${id}@${hostname}>`
  const text = [
    `From: MAILER-DAEMON@${hostname} (${notice.author})`,
    `To: ${addresses.join(',\r\n\t')}`,
    `Subject: ${notice.subject}`,
    // RFC 3834 section 5.1: it answers nobody's mail.
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=us-ascii',
    `Message-Id: ${messageId}`,
    `Date: ${date}`,
    '',
    ...notice.lines,
    '',
  ].join('\r\n')
  const bytes = Buffer.from(text.replaceAll(BEYOND_ASCII, '?'))
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
    verdict,
    generation,
    notice: true,
  }
}

/** Queues a notice of this class, trying so often, as long as the signal lets it. What is lost is in the log by itself. */
export async function queueNotice(
  mail: NewMessage,
  way: NoticeWay & { readonly triesMax: number; readonly class: string },
  signal: AbortSignal,
): Promise<void> {
  const { queue, clock, log, event } = way
  for (let tries = 0; tries < way.triesMax; tries++) {
    // The same message twice is one for the queue: it knows its id.
    if (queue.admission() === 'open' && (await queue.submit(mail)) === 'queued') {
      const to = mail.recipients.map(({ address }) => address).join(',')
      log.write('info', event, { id: mail.id, to, class: way.class })
      return
    }
    if (!(await elapsed(clock, RETRY_MS, signal))) return
  }
}

export interface BoundedNoticesOptions extends NoticeWay {
  readonly newQueueId: (nowMs: number) => string
  /** What is counted where it is not told, in the plural: `sessions`. */
  readonly counted: string
}

/**
 * One notice of a class in so long, whatever happens: a full disk or a run of spammers is one mail and a number in
 * the next one, not thousands.
 */
const PAUSE_MS = 600_000
/** What could not be queued is tried again for two hours. */
const TRIES_MAX = 240

/** Notices by class, at a bounded rate. Each process counts for itself. */
export class BoundedNotices<Class extends string> implements Disposable {
  readonly #o: BoundedNoticesOptions
  readonly #stop = new AbortController()
  readonly #told = new Map<Class, { readonly atMs: number; silent: number }>()

  constructor(options: BoundedNoticesOptions) {
    this.#o = options
  }

  /** `make` gets the lines about what went untold, which belong behind the first sentence. */
  tell(which: Class, make: (untold: readonly string[]) => Notice): void {
    const { clock, newQueueId } = this.#o
    const before = this.#told.get(which)
    if (before !== undefined && clock.monotonicMs() - before.atMs < PAUSE_MS) {
      before.silent += 1
      return
    }
    this.#told.set(which, { atMs: clock.monotonicMs(), silent: 0 })
    const nowMs = clock.nowMs()
    const mail = composeNotice(make(this.#untold(before?.silent ?? 0)), newQueueId(nowMs), nowMs)
    void queueNotice(mail, { ...this.#o, triesMax: TRIES_MAX, class: which }, this.#stop.signal)
  }

  [Symbol.dispose](): void {
    this.#stop.abort()
  }

  #untold(silent: number): readonly string[] {
    const { counted } = this.#o
    const rule = `Further ones within ${PAUSE_MS / 60_000} minutes are counted and not told one by one.`
    if (silent === 0) return [rule]
    return [
      rule,
      '',
      `Since the last such notice there were ${silent} more ${counted} with errors of this class.`,
    ]
  }
}
