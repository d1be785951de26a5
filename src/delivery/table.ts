import { readFileSync, statSync } from 'node:fs'
import { errorText } from '#src/base/fault.ts'

/** A larger file is no table that somebody wrote by hand. */
const TABLE_BYTES_MAX = 4_194_304

/** A table of Postfix as it is written (postmap(1)'s source text), by keys in lower case; or why there is none. */
export type Table =
  | { readonly kind: 'table'; readonly entries: ReadonlyMap<string, string> }
  | { readonly kind: 'unreadable'; readonly reason: string }

const EMPTY: Table = { kind: 'table', entries: new Map() }

/** Reads `/etc/postfix/sasl_passwd`, `texthash:/etc/…`, `hash:/etc/…`: always the text, never the index. '' is empty. */
export function readTable(setting: string): Table {
  const path = setting.trim().replace(/^(?:proxy:)?(?:texthash|hash|lmdb|btree|cdb):/, '')
  if (path === '') return EMPTY
  try {
    if (statSync(path).size > TABLE_BYTES_MAX) {
      return { kind: 'unreadable', reason: `${path} is larger than ${TABLE_BYTES_MAX} bytes` }
    }
    return { kind: 'table', entries: parseTable(readFileSync(path, 'utf8')) }
  } catch (error) {
    return { kind: 'unreadable', reason: errorText(error) }
  }
}

/** postmap(1): `key value`, `#` comments, a line that begins with white space goes on with the one before. */
export function parseTable(text: string): ReadonlyMap<string, string> {
  const entries = new Map<string, string>()
  let line = ''
  const take = (): void => {
    const match = /^(\S+)\s+(.*\S)\s*$/s.exec(line)
    if (match !== null) entries.set((match[1] ?? '').toLowerCase(), match[2] ?? '')
  }
  for (const raw of text.split(/\r?\n/)) {
    if (/^\s*(?:#|$)/.test(raw)) continue
    if (/^\s/.test(raw)) line += ` ${raw.trim()}`
    else {
      take()
      line = raw
    }
  }
  take()
  return entries
}
