import { isRecord } from '#src/net/frames.ts'
import type { QueueAccess } from '#src/queue/tool-access.ts'

/** As much of a message as tells what it is: its header and the start of its text. */
const EXCERPT_BYTES = 16_384
const BODY_LINES = 20

/** What is in a message of the queue, as it came: whoever shows it makes its lines safe. */
export interface Excerpt {
  /** Of the settings that it was taken under; '' where the message has gone. */
  readonly generation: string
  /** What is wrong with it; '' for nothing. */
  readonly damage: string
  readonly lines: readonly string[]
  /** Whether there is more. */
  readonly more: boolean
}

/** The header and the first lines of the body, whatever is wrong with the rest. */
export async function excerptOf(queue: QueueAccess, id: string): Promise<Excerpt> {
  let bytes = Buffer.alloc(0)
  let damage = ''
  let generation = ''
  for await (const { inside, chunk, damage: told } of queue.ask({ op: 'body', id })) {
    if (isRecord(inside)) {
      bytes = Buffer.from(String(inside['prefix']))
      generation = String(inside['generation'])
    }
    if (typeof chunk === 'string' && bytes.length < EXCERPT_BYTES)
      bytes = Buffer.concat([bytes, Buffer.from(chunk, 'base64')])
    if (typeof told === 'string') damage = told
  }
  const all = bytes.subarray(0, EXCERPT_BYTES).toString().split(/\r?\n/)
  const gap = all.indexOf('')
  const lines = gap < 0 ? all : all.slice(0, gap + 1 + BODY_LINES)
  return { generation, damage, lines, more: lines.length < all.length || bytes.length > EXCERPT_BYTES }
}
