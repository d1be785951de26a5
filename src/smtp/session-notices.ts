import { crc32 } from 'node:zlib'
import type { Clock } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'
import { mailDate } from '#src/mail/date.ts'
import type { NewMessage, QueueSubmitter } from '#src/queue/types.ts'
import type { SessionErrorClass, Transcript } from './transcript.ts'

export interface NoticeRules {
  readonly hostname: string
  /** The mailboxes that a notice of that class goes to; empty where notify_classes does not ask for it. */
  readonly targets: (which: SessionErrorClass) => readonly string[]
  readonly generation: number
}

export interface NoticeTools {
  readonly queue: QueueSubmitter
  readonly clock: Clock
  readonly log: Log
  readonly newQueueId: (nowMs: number) => string
  /** Which of ours it was that spoke: Postfix's `SMTP server`, `SMTP client`. */
  readonly agent: string
  readonly event: 'smtpd.notice' | 'qmgr.notice'
}

/** What is told of a session. */
export type SessionRecord = Pick<Transcript, 'classes' | 'lines'>

/** With whom the session was. */
export interface NoticeClient {
  readonly name: string
  readonly address: string
}

/** Of several classes of one session the gravest is told. */
const ORDER: readonly SessionErrorClass[] = ['software', 'resource', 'data', 'policy', 'protocol', 'bounce']

/**
 * One notice of a class in so long, whatever happens: a full disk or a run of spammers is one mail and a number in
 * the next one, not thousands. Each smtpd counts for itself.
 */
const PAUSE_MS = 600_000
/** What could not be queued (the disk is full: that is what it is about) is tried again so often, and for so long. */
const RETRY_MS = 30_000
const RETRIES_MAX = 240

/** Tells postmaster of sessions in which something went wrong (notify_classes), at a bounded rate. */
export class SessionNotices implements Disposable {
  readonly #tools: NoticeTools
  readonly #stop = new AbortController()
  readonly #told = new Map<SessionErrorClass, { readonly atMs: number; silent: number }>()

  constructor(tools: NoticeTools) {
    this.#tools = tools
  }

  /** A session with errors has ended. */
  tell(transcript: SessionRecord, client: NoticeClient, rules: NoticeRules): void {
    const which = ORDER.find((each) => transcript.classes.has(each) && rules.targets(each).length > 0)
    if (which === undefined) return
    const { clock } = this.#tools
    const before = this.#told.get(which)
    if (before !== undefined && clock.monotonicMs() - before.atMs < PAUSE_MS) {
      before.silent += 1
      return
    }
    this.#told.set(which, { atMs: clock.monotonicMs(), silent: 0 })
    void this.#submit(this.#compose(which, { transcript, client, silent: before?.silent ?? 0 }, rules))
  }

  [Symbol.dispose](): void {
    this.#stop.abort()
  }

  async #submit(notice: NewMessage): Promise<void> {
    const { queue, clock, log, event } = this.#tools
    for (let tries = 0; tries < RETRIES_MAX; tries++) {
      // The same message twice is one for the queue: it knows its id.
      if (queue.admission() === 'open' && (await queue.submit(notice)) === 'queued') {
        const to = notice.recipients.map(({ address }) => address).join(',')
        log.write('info', event, { id: notice.id, to, class: String(notice.verdict['class']) })
        return
      }
      try {
        await clock.sleep(RETRY_MS, this.#stop.signal)
      } catch {
        // We go down; the errors themselves are in the log.
        return
      }
    }
  }

  #compose(
    which: SessionErrorClass,
    about: About,
    { hostname, targets, generation }: NoticeRules,
  ): NewMessage {
    const { clock, newQueueId, agent } = this.#tools
    const nowMs = clock.nowMs()
    const id = newQueueId(nowMs)
    const date = mailDate(nowMs)
    const addresses = targets(which)
    const messageId = `<${id}@${hostname}>`
    const text = [
      `From: MAILER-DAEMON@${hostname} (Mail Delivery System)`,
      `To: ${addresses.join(',\r\n\t')}`,
      `Subject: Postern ${agent}: errors from ${about.client.name}[${about.client.address}]`,
      // RFC 3834 section 5.1: it answers nobody's mail.
      'Auto-Submitted: auto-generated',
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=us-ascii',
      `Message-Id: ${messageId}`,
      `Date: ${date}`,
      '',
      ...bodyOf(which, about),
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
      verdict: { notice: 'session', class: which },
      generation,
      notice: true,
    }
  }
}

interface About {
  readonly transcript: SessionRecord
  readonly client: NoticeClient
  /** Sessions with errors of the class that nobody was told of. */
  readonly silent: number
}

// oxlint-disable-next-line no-control-regex -- NUL to DEL are ASCII
const BEYOND_ASCII = /[^\u0000-\u007f]/g

function bodyOf(which: SessionErrorClass, { transcript, silent }: About): string[] {
  const since =
    silent === 0
      ? []
      : ['', `Since the last such notice there were ${silent} more sessions with errors of this class.`]
  return [
    `An SMTP session had errors of class ${which} (notify_classes).`,
    `Further ones within ${PAUSE_MS / 60_000} minutes are counted and not told one by one.`,
    ...since,
    '',
    'Transcript of the session follows.',
    '',
    ...transcript.lines,
  ]
}
