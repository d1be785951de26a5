import type { QueueReader } from './queue-reader.ts'

/** Ids that are told of one spelling: more than two are one too many anyway. */
const FOUND_MAX = 10
/** Longer than any id, so that what is asked costs no more than what there is. */
const ID_CHARS_MAX = 100

/**
 * Ids of the queue that are `id` but for the case of their letters; the very id alone where it is there. Zimbra's
 * console tells them in capitals, whatever it was shown. The index of ids is walked letter by letter along both cases,
 * and no further than there are ids, so a million cost what a few do.
 */
export function idsLike(reader: QueueReader, id: string): readonly string[] {
  if (reader.seqOf(id) !== undefined) return [id]
  if (!/^[0-9A-Za-z_]+$/.test(id) || id.length > ID_CHARS_MAX) return []
  // Every character of an id comes before '{'.
  const some = reader.store
    .prepare<[string, string], number>(`SELECT 1 FROM message WHERE id >= ? AND id < ? || '{' LIMIT 1`)
    .pluck()
  let known = ['']
  for (const char of id) {
    const cases = new Set([char.toUpperCase(), char.toLowerCase()])
    known = known
      .flatMap((start) => [...cases].map((one) => start + one))
      .filter((start) => some.get(start, start) !== undefined)
  }
  return known.filter((one) => reader.seqOf(one) !== undefined).slice(0, FOUND_MAX)
}
