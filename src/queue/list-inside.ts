import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { errorText } from '#src/base/fault.ts'
import { isSpoolFile } from './submission.ts'
import type { QueueReader } from './queue-reader.ts'
import { isCount, isText } from './rows.ts'

/**
 * What a message holds, for a person: of a damaged one too, as far as anything can be read. Nothing here decides
 * whether it is delivered (body-source.ts does).
 */
export interface Inside {
  readonly sender: string
  readonly arrivedMs: number
  /** Of the settings that it was taken under. */
  readonly generation: number
  readonly prefix: string
  readonly spool: string | null
  readonly bodyBytes: number
  readonly bodyCrc32: number
}

/** The row as it is, without its checksum being asked; undefined if there is none. */
export function insideOf(reader: QueueReader, seq: number): Inside | undefined {
  const row = reader.store
    .prepare<[number], unknown[]>(
      'SELECT sender, arrived_ms, generation, prefix, spool, body_bytes, body_crc FROM message WHERE seq = ?',
    )
    .raw()
    .get(seq)
  if (row === undefined) return undefined
  const [sender, arrivedMs, generation, prefix, spool, bodyBytes, bodyCrc32] = row
  return {
    sender: isText(sender) ? sender : '?',
    arrivedMs: isCount(arrivedMs) ? arrivedMs : 0,
    generation: isCount(generation) ? generation : 0,
    prefix: isText(prefix) ? prefix : '',
    spool: isText(spool) && isSpoolFile(spool) ? spool : null,
    bodyBytes: isCount(bodyBytes) ? bodyBytes : 0,
    bodyCrc32: isCount(bodyCrc32) ? bodyCrc32 : 0,
  }
}

/** Blocks of the body, and at the end what is wrong with it; '' where nothing is. */
export async function* bodyBlocks(
  reader: QueueReader,
  spoolDir: string,
  seq: number,
  inside: Inside,
): AsyncGenerator<Buffer, string> {
  let bytes = 0
  let crc = 0
  try {
    for await (const block of rawBlocks(reader, spoolDir, seq, inside)) {
      bytes += block.length
      crc = crc32(block, crc)
      yield block
    }
  } catch (error) {
    return `the body cannot be read: ${errorText(error)}`
  }
  if (bytes !== inside.bodyBytes) return `the body has ${bytes} octets instead of ${inside.bodyBytes}`
  return crc === inside.bodyCrc32 ? '' : 'the checksum of the body does not hold'
}

/** An answer of one block stays well below what a reader of lines takes. */
const BLOCK_BYTES = 48 * 1024

async function* rawBlocks(
  reader: QueueReader,
  spoolDir: string,
  seq: number,
  { spool, bodyBytes }: Inside,
): AsyncGenerator<Buffer> {
  if (spool === null) {
    const body = reader.body(seq) ?? Buffer.alloc(0)
    for (let at = 0; at < body.length; at += BLOCK_BYTES) yield body.subarray(at, at + BLOCK_BYTES)
    return
  }
  await using handle = await open(join(spoolDir, spool), 'r')
  for (let at = 0; at < bodyBytes;) {
    const block = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, bodyBytes - at))
    const { bytesRead } = await handle.read(block, 0, block.length, at)
    if (bytesRead === 0) return
    at += bytesRead
    yield block.subarray(0, bytesRead)
  }
}
