import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { Fault, errorCode } from '#src/base/fault.ts'
import { storeErrorKind } from '#src/store/sqlite.ts'
import { READ_BLOCK_BYTES } from './limits.ts'
import type { BodySource } from './ports.ts'
import type { QueueReader } from './queue-reader.ts'
import type { StoredMessage } from './rows.ts'

/** Told why a body cannot be trusted, before the reader of the body is. */
export type OnDamage = (reason: string) => void

/** Where a message's body is read from. */
export interface BodyPlaces {
  readonly reader: QueueReader
  readonly spoolDir: string
}

/** The body of a message: in memory if it is still there, else from its row or its file. */
export function bodySource(
  message: StoredMessage,
  held: Uint8Array | null,
  places: BodyPlaces,
  onDamage: OnDamage,
): BodySource {
  const damaged = (reason: string): Fault => {
    onDamage(reason)
    return new Fault('BODY_DAMAGED', { id: message.id, reason })
  }
  if (held !== null) return { length: held.length, blocks: () => [held] }
  const { spool, bodyBytes: length } = message
  if (spool === null) return { length, blocks: () => [rowBody(message, places.reader, damaged)] }
  return { length, blocks: () => fileBlocks(join(places.spoolDir, spool), message, damaged) }
}

function rowBody(
  message: StoredMessage,
  reader: QueueReader,
  damaged: (reason: string) => Fault,
): Uint8Array {
  let bytes: Buffer | undefined
  try {
    bytes = reader.body(message.seq)
  } catch (error) {
    // One body's pages are damaged: that message is set aside, the rest of the store is not in doubt for it.
    if (storeErrorKind(error) === 'damaged') throw damaged('the pages of the body are damaged')
    throw error
  }
  if (bytes === undefined) throw damaged('the body is gone')
  if (bytes.length !== message.bodyBytes) throw damaged('the body has another length')
  if (crc32(bytes) !== message.bodyCrc32) throw damaged('the checksum of the body does not hold')
  return bytes
}

/**
 * The file in blocks. The checksum is known to hold only after the last one, so the last block is kept back until
 * then: who sends the blocks on never has the end of a damaged message.
 */
async function* fileBlocks(
  path: string,
  message: StoredMessage,
  damaged: (reason: string) => Fault,
): AsyncGenerator<Uint8Array> {
  let handle
  try {
    handle = await open(path, 'r')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') throw damaged('the file of the body is gone')
    throw error
  }
  try {
    let crc = 0
    for (let at = 0; at < message.bodyBytes;) {
      const wanted = Math.min(READ_BLOCK_BYTES, message.bodyBytes - at)
      const block = Buffer.allocUnsafe(wanted)
      const { bytesRead } = await handle.read(block, 0, wanted, at)
      if (bytesRead === 0) throw damaged('the file of the body is too short')
      at += bytesRead
      const bytes = bytesRead === wanted ? block : block.subarray(0, bytesRead)
      crc = crc32(bytes, crc)
      if (at === message.bodyBytes && crc !== message.bodyCrc32) {
        throw damaged('the checksum of the body does not hold')
      }
      yield bytes
    }
  } finally {
    await handle.close()
  }
}
