import { setTimeout as sleep } from 'node:timers/promises'
import { ConnectionLost, SmtpClient } from '#test/support/smtp-client.ts'

/** A sender that comes again and again; a machine in software is not to be kept busy by it. */
const PAUSE_MS = 1000

/** Sends one small message after the other, each on a connection of its own, and notes what each of them saw. */
export class Sender {
  /** Ids (X-Ledger-Id) of messages that had their 250. */
  readonly taken = new Set<string>()
  /** Replies other than 250, with how often each came. */
  readonly refusals = new Map<string, number>()
  /** Connections that were refused or lost. */
  lost = 0
  readonly #port: number
  readonly #recipient: string
  #stopped = false
  readonly #ended: Promise<void>

  constructor(port: number, recipient: string) {
    this.#port = port
    this.#recipient = recipient
    this.#ended = this.#run()
  }

  async #run(): Promise<void> {
    for (let n = 0; !this.#stopped; n += 1) {
      await this.#send(`poll-${n}`)
      await sleep(PAUSE_MS)
    }
  }

  async #send(id: string): Promise<void> {
    try {
      using client = await SmtpClient.connect(this.#port)
      const greeting = await client.reply()
      if (greeting.code !== 220) return this.#refused(greeting.text)
      await client.command('EHLO sender.example')
      const message = Buffer.from(`X-Ledger-Id: ${id}\r\nSubject: ${id}\r\n\r\nAgain.\r\n`)
      const reply = await client.send({ from: 'sender@example.org', to: [this.#recipient], message })
      if (reply.code === 250) this.taken.add(id)
      else this.#refused(reply.text)
    } catch (error) {
      // The forwarder takes connections while the machine is down, and closes them.
      if (!(error instanceof ConnectionLost) && !(error instanceof Error && 'code' in error)) throw error
      this.lost += 1
    }
  }

  #refused(reply: string): void {
    this.refusals.set(reply, (this.refusals.get(reply) ?? 0) + 1)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#ended
  }
}
