import { setTimeout as sleep } from 'node:timers/promises'
import { errorCode } from '#src/base/fault.ts'
import { ledgerMail, type Answer, type Ledger, type LedgerMail } from '#test/support/ledger.ts'
import { EICAR } from '#test/support/mails.ts'
import { seededRandom, type Random } from '#test/support/random.ts'
import { ConnectionLost, SmtpClient, type ClientReply } from '#test/support/smtp-client.ts'

export interface LoadPlan {
  readonly port: number
  readonly ledger: Ledger
  readonly seed: number
  /** Clients at once. */
  readonly sessions: number
  /** Mails per client at most; the signal may end it sooner. */
  readonly mailsEach: number
  readonly recipients: readonly string[]
  /** Stands in every ledger id, so that two loads of one ledger never share one. */
  readonly name: string
  /** Called after each answer; `queueId` is '' where the answer names none. */
  readonly answered?: (mail: LedgerMail, answer: Answer, queueId: string) => void
  /** The envelope sender; somebody outside if not given. */
  readonly sender?: string
  /** The pause of each client after each mail; none if not given. */
  readonly pauseMs?: number
}

/** A client that finds nobody, or is sent away, comes back after this long; real ones wait longer. */
const COME_BACK_MS = 20
/** Share of mails that must be refused: half for an unknown recipient, half for what they hold. */
const REFUSED_SHARE = 0.06
/** Mails over one connection at most. */
const MAILS_PER_CONNECTION = 8

/**
 * Clients that send ledger mails until they have sent them all or the signal ends them. A mail is sent once: what
 * was answered 4xx, or not at all, is noted as such and not sent again, so that every double is the appliance's.
 */
export async function sendLoad(plan: LoadPlan, signal: AbortSignal): Promise<void> {
  const clients = Array.from({ length: plan.sessions }, (_, i) => new LoadClient(plan, i).run(signal))
  await Promise.all(clients)
}

class LoadClient {
  readonly #plan: LoadPlan
  readonly #name: string
  readonly #random: Random
  #sent = 0

  constructor(plan: LoadPlan, number: number) {
    this.#plan = plan
    this.#name = `${plan.name}-${number}`
    this.#random = seededRandom(plan.seed + number * 7919)
  }

  async run(signal: AbortSignal): Promise<void> {
    while (this.#sent < this.#plan.mailsEach && !signal.aborted) {
      const client = await this.#connect()
      if (client === undefined) {
        await sleep(COME_BACK_MS)
        continue
      }
      try {
        await this.#oneConnection(client, signal)
      } finally {
        client.destroy()
      }
    }
  }

  async #connect(): Promise<SmtpClient | undefined> {
    try {
      return await SmtpClient.greeted(this.#plan.port)
    } catch (error) {
      if (
        error instanceof ConnectionLost ||
        ['ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(errorCode(error))
      ) {
        return undefined
      }
      throw error
    }
  }

  async #oneConnection(client: SmtpClient, signal: AbortSignal): Promise<void> {
    for (let n = 0; n < MAILS_PER_CONNECTION; n += 1) {
      if (signal.aborted || this.#sent >= this.#plan.mailsEach) break
      this.#sent += 1
      const mail = this.#nextMail()
      const { answer, queueId } = await attempt(client, mail, this.#plan.sender ?? 'sender@client.example')
      this.#plan.ledger.note(mail, answer)
      this.#plan.answered?.(mail, answer, queueId)
      if (this.#plan.pauseMs !== undefined) await sleep(this.#plan.pauseMs)
      if (client.closed || answer === 'unknown' || answer === 'unsent') return
      if (answer !== 'accepted') {
        await sleep(COME_BACK_MS)
        await client.command('RSET').catch(() => undefined)
      }
    }
    await client.quit()
  }

  #nextMail(): LedgerMail {
    const id = `${this.#name}-${this.#sent}`
    const recipient = this.#random.pick(this.#plan.recipients)
    const chance = this.#random.fraction()
    if (chance < REFUSED_SHARE / 2) return ledgerMail(id, recipient, this.#random, { last: EICAR })
    if (chance < REFUSED_SHARE) return ledgerMail(id, 'nobody@example.test', this.#random)
    return ledgerMail(id, recipient, this.#random)
  }
}

/** Sends one mail; what the client knows of it afterwards. */
async function attempt(
  client: SmtpClient,
  mail: LedgerMail,
  from: string,
): Promise<{ readonly answer: Answer; readonly queueId: string }> {
  let reply: ClientReply
  try {
    reply = await client.send({ from, to: [mail.recipient], message: mail.message })
  } catch (error) {
    if (error instanceof ConnectionLost) return { answer: 'unknown', queueId: '' }
    throw error
  }
  if (reply.code !== 250) return { answer: reply.code < 500 ? 'deferred' : 'refused', queueId: '' }
  return { answer: 'accepted', queueId: /queued as (\w+)/.exec(reply.text)?.[1] ?? '' }
}
