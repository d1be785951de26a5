import { errorCode, errorText } from '#src/base/fault.ts'
import { counter } from '#src/base/metrics.ts'
import { MailboxContent } from './mailbox-content.ts'
import type { Log } from '#src/base/log.ts'
import type { MaildirFile, MaildirStore } from '#src/mail/maildir.ts'

const offered = counter('postern_mailbox_messages_total')

/** A recipient that was answered 250: where its mail goes. */
export interface MailboxRecipient {
  /** As it stands in Delivered-To. */
  readonly address: string
  /** From `mailboxPath`. */
  readonly path: string
}

/** What became of the message for one recipient. */
export type Stored = 'stored' | 'full' | 'failed'

/** Octets of a message that are held before they are written: a message of usual size is one write. */
const HELD_MAX = 256 * 1024

/** No room: of the disk, of the user's quota. */
const FULL = new Set(['ENOSPC', 'EDQUOT'])

/** One message on its way to its mailboxes. Each mailbox fails for itself. */
export class MailboxTransfer {
  readonly #store: MaildirStore
  readonly #log: Log
  readonly #sender: string
  readonly #recipients: readonly MailboxRecipient[]
  readonly #content = new MailboxContent()
  readonly #files = new Map<string, MaildirFile>()
  readonly #failed = new Map<string, Stored>()
  #held: Buffer[] = []
  #heldBytes = 0
  #bytes = 0

  constructor(
    store: MaildirStore,
    log: Log,
    envelope: { readonly sender: string; readonly recipients: readonly MailboxRecipient[] },
  ) {
    this.#store = store
    this.#log = log
    this.#sender = envelope.sender
    this.#recipients = envelope.recipients
  }

  get recipients(): readonly MailboxRecipient[] {
    return this.#recipients
  }

  /** Whether the final dot was read. */
  get ended(): boolean {
    return this.#content.ended
  }

  /** Octets of content so far. */
  get bytes(): number {
    return this.#bytes
  }

  /** Whether so much is held that `flush` should be called before more is read. */
  get needsFlush(): boolean {
    return this.#heldBytes >= HELD_MAX
  }

  /** Reads octets of DATA; how many were taken. */
  read(input: Buffer, start: number, end: number): number {
    const { content, octets } = this.#content.read(input, start, end)
    this.#bytes += content.length
    this.#held.push(content)
    this.#heldBytes += content.length
    return octets
  }

  /** Drops what is held: the message is refused as a whole, and the rest of it only read. */
  drop(): void {
    this.#held = []
    this.#heldBytes = 0
  }

  /** Writes what is held to every mailbox. Never rejects. */
  async flush(): Promise<void> {
    const bytes = this.#held.length === 1 ? this.#held[0] : Buffer.concat(this.#held)
    this.drop()
    if (bytes === undefined) return
    for (const recipient of this.#recipients) {
      if (this.#failed.has(recipient.path)) continue
      try {
        const file = this.#files.get(recipient.path)
        if (file === undefined) await this.#begin(recipient, bytes)
        else file.write(bytes)
      } catch (error) {
        this.#fail(recipient, error)
      }
    }
  }

  /** Makes it everyone's message; the outcome of each recipient in order. Never rejects. */
  async commit(): Promise<readonly Stored[]> {
    await this.flush()
    await Promise.all(
      [...this.#files].map(async ([path, file]) => {
        try {
          await file.commit()
        } catch (error) {
          const recipient = this.#recipients.find((one) => one.path === path)
          if (recipient !== undefined) this.#fail(recipient, error)
        }
      }),
    )
    this.#files.clear()
    return this.#recipients.map(({ address, path }) => {
      const failed = this.#failed.get(path)
      offered.of(failed ?? 'stored').add()
      if (failed === undefined) {
        this.#log.write('debug', 'mailbox.delivered', { to: address, from: this.#sender, size: this.#bytes })
      }
      return failed ?? 'stored'
    })
  }

  /** Leaves nothing behind. */
  discard(): void {
    this.drop()
    for (const file of this.#files.values()) file.discard()
    this.#files.clear()
  }

  async #begin(recipient: MailboxRecipient, bytes: Buffer): Promise<void> {
    const file = await this.#store.create(recipient.path)
    this.#files.set(recipient.path, file)
    // RFC 5321 section 4.4: the final delivery adds the one Return-Path, on top.
    const head = Buffer.from(`Return-Path: <${this.#sender}>\nDelivered-To: ${recipient.address}\n`)
    file.write(Buffer.concat([head, bytes]))
  }

  #fail(recipient: MailboxRecipient, error: unknown): void {
    const kind = FULL.has(errorCode(error)) ? 'full' : 'failed'
    this.#failed.set(recipient.path, kind)
    this.#log.write('error', 'mailbox.error', { to: recipient.address, error: errorText(error) })
    const file = this.#files.get(recipient.path)
    this.#files.delete(recipient.path)
    try {
      file?.discard()
    } catch (left) {
      this.#log.write('error', 'mailbox.error', { to: recipient.address, error: errorText(left) })
    }
  }
}
