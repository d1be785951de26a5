import { crc32 } from 'node:zlib'
import { Fault } from '#src/base/fault.ts'
import { storeErrorKind } from '#src/store/sqlite.ts'
import type { BodySource } from './ports.ts'
import type { QueueReader } from './queue-reader.ts'
import type { StoredMessage } from './rows.ts'
import type { SpoolReader } from './spool-reader.ts'

/** Told why a body cannot be trusted, before the reader of the body is. */
export type OnDamage = (reason: string) => void

/** Where a message's body is read from. */
export interface BodyPlaces {
  readonly reader: QueueReader
  readonly spool: SpoolReader
}

/** The body of a message: in memory if it is still there, else from its row or its file. */
export function bodySource(
  message: StoredMessage,
  held: Uint8Array | null,
  places: BodyPlaces,
  onDamage: OnDamage,
): BodySource {
  const damaged = (reason: string): Fault => {
    // A message that a tool deletes while it is about to be tried takes its body along: that is no damage.
    if (places.reader.seqOf(message.id) !== undefined) onDamage(reason)
    return new Fault('BODY_DAMAGED', { id: message.id, reason })
  }
  if (held !== null) return { length: held.length, blocks: () => [held] }
  const { spool, bodyBytes: length } = message
  if (spool === null) return { length, blocks: () => [rowBody(message, places.reader, damaged)] }
  const body = { file: spool, length, crc32: message.bodyCrc32 }
  return { length, blocks: () => places.spool.blocks(body, damaged) }
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
