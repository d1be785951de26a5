import type { TraceFilter } from './trace-document.ts'
import type { Found, TraceIndex } from './trace-index.ts'

/** Finds messages of the past and present; qmgr asks its trace thread, a tool without qmgr does it itself. */
export type TraceSearch = (filter: TraceFilter, limit: number) => Promise<Found>

/** Trace rows that are taken into the index in one step: about 20 ms. */
export const TRACE_STEP_ROWS = 500
/** A search waits so long for what is not in the index yet; after that it answers with what there is. */
const CATCH_UP_MS = 20_000

/** A search in an index that is first brought up to date. */
export function searchNow(index: TraceIndex, filter: TraceFilter, limit: number): Found {
  const beganMs = performance.now()
  let behind = true
  while (behind && performance.now() - beganMs < CATCH_UP_MS) behind = index.catchUp(TRACE_STEP_ROWS) > 0
  const found = index.search(filter, limit)
  return { ...found, complete: found.complete && !behind }
}
