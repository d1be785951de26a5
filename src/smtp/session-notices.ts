import { BoundedNotices } from '#src/queue/notice-mail.ts'
import type { NoticeWay } from '#src/queue/notice-mail.ts'
import type { SessionErrorClass, Transcript } from './transcript.ts'

export interface NoticeRules {
  readonly hostname: string
  /** The mailboxes that a notice of that class goes to; empty where notify_classes does not ask for it. */
  readonly targets: (which: SessionErrorClass) => readonly string[]
  readonly generation: number
}

export interface NoticeTools extends NoticeWay {
  readonly newQueueId: (nowMs: number) => string
  /** Which of ours it was that spoke: Postfix's `SMTP server`, `SMTP client`. */
  readonly agent: string
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

/** Tells postmaster of sessions in which something went wrong (notify_classes), at a bounded rate. */
export class SessionNotices implements Disposable {
  readonly #agent: string
  readonly #notices: BoundedNotices<SessionErrorClass>

  constructor({ agent, ...way }: NoticeTools) {
    this.#agent = agent
    this.#notices = new BoundedNotices({ ...way, counted: 'sessions' })
  }

  /** A session with errors has ended. */
  tell(transcript: SessionRecord, client: NoticeClient, rules: NoticeRules): void {
    const { hostname, targets, generation } = rules
    const which = ORDER.find((each) => transcript.classes.has(each) && targets(each).length > 0)
    if (which === undefined) return
    this.#notices.tell(which, (untold) => ({
      hostname,
      author: 'Mail Delivery System',
      addresses: targets(which),
      subject: `Postern ${this.#agent}: errors from ${client.name}[${client.address}]`,
      lines: [
        `An SMTP session had errors of class ${which} (notify_classes).`,
        ...untold,
        '',
        'Transcript of the session follows.',
        '',
        ...transcript.lines,
      ],
      verdict: { notice: 'session', class: which },
      generation,
    }))
  }

  [Symbol.dispose](): void {
    this.#notices[Symbol.dispose]()
  }
}
