import { createReadStream, existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { readinessOf } from '#src/health/state.ts'
import type { HealthState } from '#src/health/state.ts'
import { isRecord } from '#src/net/frames.ts'
import { databasePath } from '#src/queue/paths.ts'
import { lostIds, queuedIds } from '#src/queue/promise.ts'
import { openStore } from '#src/store/sqlite.ts'
import type { Storage } from './storage.ts'

/**
 * What a release says of itself before it makes room for another: how it is, and which messages are in its queue. The
 * other must be as well, and have every one of them (boot-check.ts). A JSON object on the first line, then an id a line.
 */
export interface Promised {
  /** Whether Postern ran at all. */
  readonly ran: boolean
  /** Why it would have taken no mail. */
  readonly reasons: readonly string[]
  /** Alarms that were raised: `CODE key`. */
  readonly alarms: readonly string[]
}

export function promiseFile(folder: string): string {
  return join(folder, 'promise')
}

export function promisedOf(state: HealthState): Promised {
  return {
    ran: state.master.kind === 'ok',
    reasons: readinessOf(state).reasons,
    alarms: state.alarms.map(alarmKey),
  }
}

export function alarmKey({ code, key }: { readonly code: string; readonly key: string }): string {
  return `${code} ${key}`.trim()
}

/** Notes it, in one step. */
export async function writePromise(
  storage: Storage,
  folder: string,
  promised: Promised,
  queueDir: string,
): Promise<void> {
  const file = promiseFile(folder)
  await storage.create(`${file}.new`, lines(promised, queueDir))
  await storage.rename(`${file}.new`, file)
}

/** Of ids, before they are handed on. */
const PIECE_CHARS = 65_536

async function* lines(promised: Promised, queueDir: string): AsyncGenerator<Uint8Array> {
  let text = `${JSON.stringify(promised)}\n`
  if (existsSync(databasePath(queueDir))) {
    const store = openStore(databasePath(queueDir), { readonly: true })
    try {
      for (const id of queuedIds(store)) {
        text += `${id}\n`
        if (text.length < PIECE_CHARS) continue
        yield Buffer.from(text)
        text = ''
        // Between two pieces this process answers who stops it.
        await Promise.resolve()
      }
    } finally {
      store.close()
    }
  }
  yield Buffer.from(text)
}

/** What was promised; undefined where nothing was: the machine was started otherwise than by an update. */
export async function readPromise(folder: string): Promise<Promised | undefined> {
  if (!existsSync(promiseFile(folder))) return undefined
  for await (const line of linesOf(folder)) {
    const value: unknown = JSON.parse(line)
    if (!isRecord(value)) return undefined
    return { ran: value['ran'] === true, reasons: texts(value['reasons']), alarms: texts(value['alarms']) }
  }
  return undefined
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}

/** Messages that were promised and are lost: how many, and some of their ids. */
export interface Lost {
  readonly promised: number
  readonly count: number
  readonly some: readonly string[]
}

/** Ids that are looked for at once, and that a reason names. */
const LOT = 5000
const NAMED = 3

/** Looks for every message of the promise. Throws where the queue cannot be opened. */
export async function findLost(folder: string, queueDir: string): Promise<Lost> {
  // A box that has never run has no queue yet; one that promised messages must have one.
  const isThere = existsSync(databasePath(queueDir))
  const store = isThere ? openStore(databasePath(queueDir), { readonly: true }) : undefined
  const some: string[] = []
  let promised = 0
  let count = 0
  const look = (ids: readonly string[]): void => {
    const lost = store === undefined ? ids : lostIds(store, ids)
    promised += ids.length
    count += lost.length
    some.push(...lost.slice(0, NAMED - some.length))
  }
  try {
    let ids: string[] = []
    let isFirst = true
    for await (const line of linesOf(folder)) {
      if (!isFirst) ids.push(line)
      isFirst = false
      if (ids.length < LOT) continue
      look(ids)
      ids = []
    }
    look(ids)
  } finally {
    store?.close()
  }
  return { promised, count, some }
}

function linesOf(folder: string): AsyncIterable<string> {
  return createInterface({ input: createReadStream(promiseFile(folder)), crlfDelay: Infinity })
}
