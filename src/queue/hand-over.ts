import { submissionJson } from './submission.ts'
import { ACTIVE_BODY_BYTES_MAX } from './limits.ts'
import type { FromWriter } from './thread-messages.ts'
import type { Accepted } from './writer.ts'

/**
 * Bodies are moved in pieces of this size at most: one allocation, and one for the collector, for many messages. No
 * piece is larger than what is to go into it, because the collector counts memory that nobody uses too.
 */
const CHUNK_BYTES = 128 * 1024

/** Memory that holds the bodies of some messages. It is free when the last of them has left. */
interface Chunk {
  readonly bytes: number
  messages: number
}

interface Handed {
  readonly recipients: number
  readonly chunk: Chunk | undefined
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
    const chunks = new Chunks(ACTIVE_BODY_BYTES_MAX - this.#bytes, inlineBytes(messages))
    const parts: string[] = []
    let left = false
    for (const { seq, dueMs, message, head } of messages) {
      this.#leaving ||= this.#recipients >= this.#recipientsMax
      if (this.#leaving) {
        left = true
        continue
      }
      const { body, recipients } = message
      const place = body.kind === 'inline' ? chunks.put(body.bytes) : undefined
      const bytes = body.kind === 'inline' ? body.bytes.length : body.length
      const json = head === '' ? JSON.stringify({ m: submissionJson(message) }) : head
      parts.push(`[${seq},${dueMs},${bytes},${place?.index ?? -1},${place?.at ?? 0},${json}]`)
      this.#recipients += recipients.length
      this.#handed.set(seq, { recipients: recipients.length, chunk: place?.chunk })
    }
    if (parts.length > 0) {
      const moved = chunks.finish()
      for (const { byteLength } of moved) this.#bytes += byteLength
      this.#post({ t: 'accepted', json: `[${parts.join()}]`, chunks: moved }, moved)
    }
    if (left) this.#post({ t: 'left' }, [])
  }

  /** The message has left memory. */
  back(seq: number): void {
    const handed = this.#handed.get(seq)
    if (handed === undefined) return
    this.#handed.delete(seq)
    this.#recipients -= handed.recipients
    const { chunk } = handed
    if (chunk !== undefined && --chunk.messages === 0) this.#bytes -= chunk.bytes
    if (this.#recipients <= this.#recipientsMax / 2) this.#leaving = false
  }
}

function inlineBytes(messages: readonly Accepted[]): number {
  let bytes = 0
  for (const { message } of messages) bytes += message.body.kind === 'inline' ? message.body.bytes.length : 0
  return bytes
}

/** Copies bodies into few pieces of memory, as long as `room` lasts. `toCome`: octets of all bodies together. */
class Chunks {
  readonly #buffers: Uint8Array<ArrayBuffer>[] = []
  #room: number
  #toCome: number
  #current: { readonly chunk: Chunk; readonly buffer: Uint8Array<ArrayBuffer>; used: number } | undefined

  constructor(room: number, toCome: number) {
    this.#room = room
    this.#toCome = toCome
  }

  /** Where the body is now; undefined where memory for it is used up. */
  put(bytes: Uint8Array): { readonly chunk: Chunk; readonly index: number; readonly at: number } | undefined {
    let current = this.#current
    if (current === undefined || current.used + bytes.length > current.buffer.length) {
      const size = Math.max(Math.min(CHUNK_BYTES, this.#toCome), bytes.length)
      if (size > this.#room) return undefined
      this.#room -= size
      const buffer = Buffer.allocUnsafeSlow(size)
      current = { chunk: { bytes: size, messages: 0 }, buffer, used: 0 }
      this.#current = current
      this.#buffers.push(buffer)
    }
    const at = current.used
    current.buffer.set(bytes, at)
    current.used += bytes.length
    this.#toCome -= bytes.length
    current.chunk.messages++
    return { chunk: current.chunk, index: this.#buffers.length - 1, at }
  }

  finish(): ArrayBuffer[] {
    return this.#buffers.map((buffer) => buffer.buffer)
  }
}
