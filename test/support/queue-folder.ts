import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { crc32 } from 'node:zlib'
import { QueueDb } from '#src/queue/queue-db.ts'
import { QueueReader } from '#src/queue/queue-reader.ts'
import { Damage } from '#src/queue/rows.ts'
import { openStore } from '#src/store/sqlite.ts'

/** One message as it lies on the disk, its body read and checked here and not by the code under test. */
export type OnDisk =
  | {
      readonly kind: 'whole'
      readonly ledgerId: string
      readonly sha256: string
      readonly states: readonly string[]
    }
  | { readonly kind: 'damaged'; readonly reason: string }

/** Where queue.db lies under a data folder. */
export function queueFolder(data: string): string {
  const found = readdirSync(data, { recursive: true, withFileTypes: true }).find(
    (entry) => entry.name === 'queue.db',
  )
  if (found === undefined) throw new Error(`no queue.db under ${data}`)
  return found.parentPath
}

/**
 * Everything in a queue whose manager is not running (it died, or the power went). Opening it is what the manager
 * itself does first: the write-ahead log is played back and migrations run.
 */
export function readQueue(folder: string): OnDisk[] {
  const file = join(folder, 'queue.db')
  using db = new QueueDb(openStore(file))
  const integrity = db.store.pragma('integrity_check', { simple: true })
  if (integrity !== 'ok') return [{ kind: 'damaged', reason: `integrity_check: ${String(integrity)}` }]
  using reader = new QueueReader(openStore(file, { readonly: true }))
  return reader.seqsAfter(0, 1_000_000).map((seq) => readOne(reader, seq, folder))
}

function readOne(reader: QueueReader, seq: number, folder: string): OnDisk {
  const loaded = reader.load(seq)
  if (loaded === undefined) return { kind: 'damaged', reason: `row ${seq} is gone` }
  if (loaded instanceof Damage) return { kind: 'damaged', reason: loaded.reason }
  const { message, recipients } = loaded
  const body = message.spool === null ? reader.body(seq) : spoolBody(folder, message.spool, message.bodyBytes)
  if (body === undefined || body.length !== message.bodyBytes)
    return { kind: 'damaged', reason: `${message.id}: body is short` }
  if (crc32(body) !== message.bodyCrc32)
    return { kind: 'damaged', reason: `${message.id}: body has another checksum` }
  return {
    kind: 'whole',
    ledgerId: /^X-Ledger-Id: (.*?)\r$/m.exec(body.toString('latin1', 0, 200))?.[1] ?? '',
    sha256: createHash('sha256').update(body).digest('hex'),
    states: recipients.map(({ state }) => state),
  }
}

function spoolBody(folder: string, name: string, bytes: number): Buffer | undefined {
  const file = [join(folder, 'spool', name), join(dirname(folder), 'spool', name)].find((path) =>
    existsSync(path),
  )
  return file === undefined ? undefined : readFileSync(file).subarray(0, bytes)
}
