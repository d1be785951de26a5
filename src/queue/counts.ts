import { openStore } from '#src/store/sqlite.ts'

/** What is in the queue: messages, and recipients by their state on disk ('active' is in memory only). */
export interface QueueCounts {
  readonly messages: number
  readonly incoming: number
  readonly deferred: number
  readonly hold: number
  readonly corrupt: number
}

/** Counts over a connection of its own that cannot write; one pass over the recipients, about a second for a million. */
export function countQueue(databaseFile: string): QueueCounts {
  const store = openStore(databaseFile, { readonly: true })
  try {
    const messages = store.prepare<[], number>('SELECT count(*) FROM message').pluck().get() ?? 0
    const rows = store
      .prepare<[], { state: string; count: number }>(
        'SELECT state, count(*) AS count FROM recipient GROUP BY state',
      )
      .all()
    const of = (state: string) => rows.find((row) => row.state === state)?.count ?? 0
    return {
      messages,
      incoming: of('incoming'),
      deferred: of('deferred'),
      hold: of('hold'),
      corrupt: of('corrupt'),
    }
  } finally {
    store.close()
  }
}
