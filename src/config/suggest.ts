/**
 * The known name that an unknown one was most likely meant to be; undefined where none is near. Upper and lower
 * case do not count.
 */
export function suggest(unknown: string, known: Iterable<string>): string | undefined {
  const wanted = unknown.toLowerCase()
  // A third of the letters may be wrong; more is another word.
  let best = Math.max(1, Math.floor(wanted.length / 3)) + 1
  let found: string | undefined
  for (const name of known) {
    const distance = editDistance(wanted, name.toLowerCase(), best)
    if (distance < best) {
      best = distance
      found = name
    }
  }
  return found
}

/** Levenshtein's distance, or at least `limit` once it is sure to be that much. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, swap))
    }
    row = next
  }
  return row[b.length] ?? limit
}
