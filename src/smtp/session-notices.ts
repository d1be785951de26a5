import { composeNotice, queueNotice } from '#src/queue/notice-mail.ts'
import type { Notice, NoticeWay } from '#src/queue/notice-mail.ts'
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

/**
 * One notice of a class in so long, whatever happens: a full disk or a run of spammers is one mail and a number in
 * the next one, not thousands. Each smtpd counts for itself.
 */
const PAUSE_MS = 600_000
/** What could not be queued is tried again for two hours. */
const TRIES_MAX = 240

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
    const { clock, newQueueId } = this.#tools
    const before = this.#told.get(which)
    if (before !== undefined && clock.monotonicMs() - before.atMs < PAUSE_MS) {
      before.silent += 1
      return
    }
    this.#told.set(which, { atMs: clock.monotonicMs(), silent: 0 })
    const notice = this.#notice(which, { transcript, client, silent: before?.silent ?? 0 }, rules)
    const nowMs = clock.nowMs()
    const mail = composeNotice(notice, newQueueId(nowMs), nowMs)
    void queueNotice(mail, { ...this.#tools, triesMax: TRIES_MAX, class: which }, this.#stop.signal)
  }

  [Symbol.dispose](): void {
    this.#stop.abort()
  }

  #notice(which: SessionErrorClass, about: About, { hostname, targets, generation }: NoticeRules): Notice {
    return {
      hostname,
      author: 'Mail Delivery System',
      addresses: targets(which),
      subject: `Postern ${this.#tools.agent}: errors from ${about.client.name}[${about.client.address}]`,
      lines: bodyOf(which, about),
      verdict: { notice: 'session', class: which },
      generation,
    }
  }
}

interface About {
  readonly transcript: SessionRecord
  readonly client: NoticeClient
  /** Sessions with errors of the class that nobody was told of. */
  readonly silent: number
}

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
