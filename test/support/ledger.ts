import { createHash } from 'node:crypto'
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import type { Random } from '#test/support/random.ts'
import type { SinkDelivery } from '#test/support/lmtp-sink.ts'

/** A message with an id of its own and bytes that nothing else has. */
export interface LedgerMail {
  readonly id: string
  readonly recipient: string
  readonly message: Uint8Array
  readonly sha256: string
}

/** What the client was told. 'unknown': the connection ended between its last dot and the reply. */
export type Answer = 'accepted' | 'deferred' | 'refused' | 'unknown' | 'unsent'

/**
 * Who was promised what: each answer is on a disk that is not the faulted one before the next message goes out.
 */
export class Ledger {
  readonly #fd: number
  readonly #mails = new Map<string, LedgerMail>()
  readonly #answers = new Map<string, Answer>()

  constructor(file: string) {
    this.#fd = openSync(file, 'a')
  }

  note(mail: LedgerMail, answer: Answer): void {
    writeSync(this.#fd, `${answer} ${mail.id} ${mail.sha256}\n`)
    fsyncSync(this.#fd)
    this.#mails.set(mail.id, mail)
    this.#answers.set(mail.id, answer)
  }

  count(answer: Answer): number {
    return this.ids(answer).length
  }

  ids(answer: Answer): string[] {
    return [...this.#answers].filter(([, said]) => said === answer).map(([id]) => id)
  }

  mail(id: string): LedgerMail | undefined {
    return this.#mails.get(id)
  }

  answer(id: string): Answer | undefined {
    return this.#answers.get(id)
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd)
  }
}

export interface Verdict {
  /** Accepted, and in none of delivered, queued and bounced. */
  readonly lost: readonly string[]
  /** Delivered with other bytes than were sent. */
  readonly changed: readonly string[]
  /** Delivered although the client was told 5xx. */
  readonly refusedYetDelivered: readonly string[]
  /** Delivered to the sink, but never sent by a client of this ledger. */
  readonly strangers: readonly string[]
  /** Delivered twice with a fault between the two. */
  readonly doubles: readonly string[]
  /** Delivered twice with no fault between the two: a mistake whatever happened. */
  readonly unexplained: readonly string[]
}

/** A fault, from just before it was made until what it broke served again, on the sink's clock. */
export interface FaultSpan {
  readonly fromMs: number
  readonly toMs: number
}

/** What else there is besides the deliveries. */
export interface Whereabouts {
  /** Ledger ids that are still in the queue, or were set aside or bounced. */
  readonly elsewhere: ReadonlySet<string>
  readonly faults: readonly FaultSpan[]
}

/** Holds the promises against what came out. */
export function compare(ledger: Ledger, deliveries: readonly SinkDelivery[], others: Whereabouts): Verdict {
  const byId = new Map<string, SinkDelivery[]>()
  for (const delivery of deliveries) byId.getOrInsert(delivery.ledgerId, []).push(delivery)

  const lost = ledger.ids('accepted').filter((id) => !byId.has(id) && !others.elsewhere.has(id))
  const verdict = {
    lost,
    changed: [] as string[],
    refusedYetDelivered: ledger.ids('refused').filter((id) => byId.has(id)),
    strangers: [...byId.keys()].filter((id) => ledger.mail(id) === undefined),
    doubles: [] as string[],
    unexplained: [] as string[],
  }
  for (const [id, copies] of byId) {
    const sent = ledger.mail(id)
    if (copies.some((copy) => sent !== undefined && copy.sha256 !== sent.sha256)) verdict.changed.push(id)
    for (const [i, copy] of copies.entries()) {
      const before = copies[i - 1]
      if (before === undefined) continue
      // The first copy may still have been on its way to the sink when its sender died.
      const between = others.faults.some(({ fromMs, toMs }) => before.atMs <= toMs && copy.atMs >= fromMs)
      if (between) verdict.doubles.push(id)
      else verdict.unexplained.push(id)
    }
  }
  return verdict
}

/** Sizes around what matters: a few octets, a usual mail, and more than lies in a row. */
const SIZES = [0, 300, 2_000, 9_000, 9_000, 30_000, 70_000, 200_000] as const

/**
 * A mail whose first line is its id, with dots at line starts and octets above 127 in it. `last` is its last line:
 * with EICAR there it is refused.
 */
export function ledgerMail(
  id: string,
  recipient: string,
  random: Random,
  { last = '\u00e9nd', size = random.pick(SIZES) }: { readonly last?: string; readonly size?: number } = {},
): LedgerMail {
  const filler = Buffer.alloc(size)
  for (let i = 0; i < size; i += 1) filler[i] = random.between(33, 126)
  const lines: string[] = []
  for (let at = 0; at < size; at += 70) {
    const dot = random.fraction() < 0.1 ? '.' : ''
    lines.push(`${dot}${filler.toString('latin1', at, at + 70)}`)
  }
  const text = [
    `X-Ledger-Id: ${id}`,
    `From: sender@client.example`,
    `To: ${recipient}`,
    `Subject: ledger ${id}`,
    `Message-ID: <${id}@client.example>`,
    'Date: Sun, 22 Nov 2026 10:00:00 +0000',
    'Content-Type: text/plain; charset=iso-8859-1',
    '',
    ...lines,
    last,
    '',
  ].join('\r\n')
  const message = Buffer.from(text, 'latin1')
  return { id, recipient, message, sha256: createHash('sha256').update(message).digest('hex') }
}
