import type { Store } from '#src/store/sqlite.ts'

/** Lists in one circle that are named. */
const NAMED_MAX = 10

/**
 * Circles of lists that hold each other, each by the names of its lists. Only lists that are members of lists are
 * walked, by their numbers, so the memory is that of the edges between them.
 */
export function* findLoops(store: Store): Generator<string> {
  const edges = edgesOf(store)
  const name = store.prepare<[number], string>('SELECT dn FROM entry WHERE id = ?').pluck()
  const done = new Set<number>()
  for (const start of [...edges.keys()].toSorted((a, b) => a - b)) {
    const loop = loopFrom(start, edges, done)
    if (loop === undefined) continue
    const names = loop.slice(0, NAMED_MAX).map((id) => name.get(id) ?? String(id))
    yield `${names.join(' > ')}${loop.length > NAMED_MAX ? ` and ${loop.length - NAMED_MAX} more` : ''}`
  }
}

/** Which list holds which lists. */
function edgesOf(store: Store): ReadonlyMap<number, readonly number[]> {
  const edges = new Map<number, number[]>()
  const rows = store.prepare<[], { readonly holder: number; readonly member: number }>(
    `SELECT DISTINCT m.entry AS holder, a.entry AS member FROM attribute m
     JOIN attribute a ON a.value_key = m.value_key AND a.name_key = 'zimbramailalias'
     JOIN attribute c ON c.entry = a.entry AND c.name_key = 'objectclass' AND c.value_key = 'zimbradistributionlist'
     WHERE m.name_key = 'zimbramailforwardingaddress'`,
  )
  for (const { holder, member } of rows.iterate()) {
    const held = edges.get(holder)
    if (held === undefined) edges.set(holder, [member])
    else held.push(member)
  }
  return edges
}

/** The first circle that is reached from a list; lists that are done lead to none that is new. Without recursion. */
function loopFrom(
  start: number,
  edges: ReadonlyMap<number, readonly number[]>,
  done: Set<number>,
): readonly number[] | undefined {
  const path: { readonly id: number; next: number }[] = [{ id: start, next: 0 }]
  const onPath = new Set([start])
  let loop: readonly number[] | undefined
  while (path.length > 0 && !done.has(start)) {
    const top = path.at(-1)
    if (top === undefined) break
    const member = edges.get(top.id)?.[top.next]
    top.next += 1
    if (member === undefined) {
      done.add(top.id)
      onPath.delete(top.id)
      path.pop()
    } else if (onPath.has(member)) {
      loop ??= path.map(({ id }) => id).slice(path.findIndex(({ id }) => id === member))
    } else if (!done.has(member)) {
      onPath.add(member)
      path.push({ id: member, next: 0 })
    }
  }
  return loop
}
