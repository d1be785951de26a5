import { isRecord } from '#src/net/frames.ts'

/**
 * Pages of the lists. A cursor is where the next page begins, for whoever asked for this one, as text that says nothing
 * to them: what stood last on the page, so that what comes and goes meanwhile moves nothing (unlike a number of pages).
 */

/** Longer than a domain of 255 characters makes any. */
const CURSOR_CHARS_MAX = 1024

/** `of` is the list with its order or choice: a cursor of one is none of another. `row` and `words` are the last one's place. */
export interface Place {
  readonly of: string
  readonly row: number
  readonly words?: readonly string[]
}

export function cursorOf({ of, row, words = [] }: Place): string {
  return Buffer.from(JSON.stringify([of, row, ...words])).toString('base64url')
}

/** What a cursor of the list `of` says; undefined for what is no such cursor. */
export function placeOf(cursor: string, of: string): Required<Place> | undefined {
  if (cursor.length > CURSOR_CHARS_MAX) return undefined
  const [name, row, ...rest] = listOf(Buffer.from(cursor, 'base64url').toString())
  const words = rest.filter((one) => typeof one === 'string')
  const isPlace = name === of && isCount(row) && words.length === rest.length
  return isPlace ? { of, row, words } : undefined
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function listOf(text: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value : []
  } catch {
    // Whoever wrote it is told that it is no cursor.
    return []
  }
}

export interface DomainRow {
  readonly domain: string
  readonly state: string
  readonly recipients: number
}

/** What the queue manager tells. */
export function domainRows(value: unknown): readonly DomainRow[] {
  return (Array.isArray(value) ? value : []).filter(isRecord).map((row) => ({
    domain: String(row['domain']),
    state: String(row['state']),
    recipients: Number(row['recipients']),
  }))
}

export type DomainOrder = 'recipients' | 'domain'

/** One page of what waits for each domain, behind the place `after`. */
export function domainPage(
  rows: readonly DomainRow[],
  order: DomainOrder,
  { after, limit }: { readonly after: DomainRow | undefined; readonly limit: number },
): { readonly page: readonly DomainRow[]; readonly last: DomainRow | undefined } {
  const compare = order === 'domain' ? byName : byNumber
  const left = rows.toSorted(compare).filter((row) => after === undefined || compare(row, after) > 0)
  const page = left.slice(0, limit)
  return { page, last: left.length > limit ? page.at(-1) : undefined }
}

/** By code points, as no locale would have it twice. */
function byName(a: DomainRow, b: DomainRow): number {
  return compareText(a.domain, b.domain) || compareText(a.state, b.state)
}

function byNumber(a: DomainRow, b: DomainRow): number {
  return b.recipients - a.recipients || byName(a, b)
}

function compareText(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
