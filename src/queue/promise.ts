import type { Store } from '#src/store/sqlite.ts'

/** Looked for at once, and between two such lots nothing is held. */
const LOT = 500

/** Ids of all messages in the queue, the oldest first. */
export function* queuedIds(store: Store): Generator<string> {
  const page = store.prepare<[number, number], { readonly seq: number; readonly id: string }>(
    'SELECT seq, id FROM message WHERE seq > ? ORDER BY seq LIMIT ?',
  )
  for (let after = 0; ;) {
    const rows = page.all(after, LOT)
    for (const { seq, id } of rows) {
      yield id
      after = seq
    }
    if (rows.length < LOT) return
  }
}

/**
 * Of these ids those that are lost: neither in the queue, nor does the trace tell how they left it. Every way out of the
 * queue writes a row (queue-db.ts).
 */
export function lostIds(store: Store, ids: readonly string[]): readonly string[] {
  const lost = store.prepare<[string], string>(`
    SELECT given.value FROM json_each(?) AS given
    WHERE NOT EXISTS (SELECT 1 FROM message WHERE id = given.value)
      AND NOT EXISTS (
        SELECT 1 FROM trace WHERE id = given.value
          AND event IN ('sent', 'bounced', 'expired', 'expanded', 'deleted'))`)
  const found: string[] = []
  for (let at = 0; at < ids.length; at += LOT)
    found.push(...lost.pluck().all(JSON.stringify(ids.slice(at, at + LOT))))
  return found
}
