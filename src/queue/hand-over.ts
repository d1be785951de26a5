import { submissionJson } from './submission.ts'
import { ACTIVE_BODY_BYTES_MAX } from './limits.ts'
import type { FromWriter } from './thread-messages.ts'
import type { Accepted } from './writer.ts'

interface Handed {
  readonly recipients: number
  readonly bytes: number
}

/**
 * The writer's account of what it has handed to the main thread and what has not come back. It keeps memory
 * bounded: when the bodies' share is used up messages go without their body, when the recipients' share is used
 * up they stay on the disk, until half of it is free again, and the main thread is told that there are some.
 */
export class HandOver {
  readonly #post: (message: FromWriter, move: readonly ArrayBuffer[]) => void
  /** Half the active set is for new mail that is handed over as it comes, half for what is read back. */
  readonly #recipientsMax: number
  readonly #handed = new Map<number, Handed>()
  #recipients = 0
  #bytes = 0
  #leaving = false

  constructor(
    activeRecipientsMax: number,
    post: (message: FromWriter, move: readonly ArrayBuffer[]) => void,
  ) {
    this.#recipientsMax = Math.max(1, activeRecipientsMax / 2)
    this.#post = post
  }

  give(messages: readonly Accepted[]): void {
    const parts: string[] = []
    const bodies: (Uint8Array | null)[] = []
    const move: ArrayBuffer[] = []
    let left = false
    for (const accepted of messages) {
      const { seq, dueMs, message, head } = accepted
      this.#leaving ||= this.#recipients >= this.#recipientsMax
      if (this.#leaving) {
        left = true
        continue
      }
      const body = this.#bodyOf(accepted)
      if (body !== null) move.push(body.buffer)
      bodies.push(body)
      const bytes = message.body.kind === 'inline' ? message.body.bytes.length : message.body.length
      parts.push(
        `[${seq},${dueMs},${bytes},${head === '' ? JSON.stringify({ m: submissionJson(message) }) : head}]`,
      )
      this.#recipients += message.recipients.length
      this.#handed.set(seq, { recipients: message.recipients.length, bytes: body?.length ?? 0 })
    }
    if (parts.length > 0) this.#post({ t: 'accepted', json: `[${parts.join()}]`, bodies }, move)
    if (left) this.#post({ t: 'left' }, [])
  }

  /** A copy with memory of its own, to be moved; null where it is read from the disk. */
  #bodyOf({ message: { body } }: Accepted): Uint8Array<ArrayBuffer> | null {
    if (body.kind === 'spool' || this.#bytes + body.bytes.length > ACTIVE_BODY_BYTES_MAX) return null
    this.#bytes += body.bytes.length
    return new Uint8Array(body.bytes)
  }

  /** The message has left memory. */
  back(seq: number): void {
    const handed = this.#handed.get(seq)
    if (handed === undefined) return
    this.#handed.delete(seq)
    this.#recipients -= handed.recipients
    this.#bytes -= handed.bytes
    if (this.#recipients <= this.#recipientsMax / 2) this.#leaving = false
  }
}
