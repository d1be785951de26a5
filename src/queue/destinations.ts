import type { Destination } from './ports.ts'

interface Line<T> {
  readonly destination: Destination
  readonly waiting: T[]
  /** Items before this one have been taken; the array is cut now and then. */
  taken: number
  /** Monotonic time of the last sign of life: something was put into an empty line, or finished. */
  aliveMs: number
}

/** Taken items are cut off an array when there are so many: cheap on average, and memory stays bounded. */
const CUT_AT = 1024

/**
 * Work that waits, in one line per destination. The lines take turns, one item each, so that ten thousand messages
 * for one destination do not keep a single one for another waiting, and a line that cannot move stops no other.
 */
export class Destinations<T> {
  readonly #lines = new Map<string, Line<T>>()

  /** The line that had the last place: where places are scarce, the turn goes on behind it. */
  #lastServed = ''

  static key(destination: Destination): string {
    return `${destination.protocol}:${destination.host}:${destination.port}`
  }

  add(destination: Destination, item: T, nowMs: number): void {
    const key = Destinations.key(destination)
    const line = this.#lines.get(key)
    if (line === undefined) {
      this.#lines.set(key, { destination, waiting: [item], taken: 0, aliveMs: nowMs })
    } else {
      line.waiting.push(item)
    }
  }

  /** Something ended at that destination, well or not. */
  alive(destination: Destination, nowMs: number): void {
    const line = this.#lines.get(Destinations.key(destination))
    if (line !== undefined) line.aliveMs = nowMs
  }

  /** Starts what can be started, in turns. `start` takes the item; `hasRoom` is asked before each. */
  pump(hasRoom: (destination: Destination) => boolean, start: (item: T) => void): void {
    let open = behind([...this.#lines.entries()], this.#lastServed)
    while (open.length > 0) {
      const still: typeof open = []
      for (const entry of open) {
        const [key, line] = entry
        if (!hasRoom(line.destination)) continue
        const item = take(line)
        this.#lastServed = key
        if (item !== undefined) start(item)
        if (line.taken < line.waiting.length) still.push(entry)
        else this.#lines.delete(key)
      }
      open = still
    }
  }

  /** Takes out all items for which `which` holds, and gives them to `taken`. */
  remove(which: (item: T) => boolean, taken: (item: T) => void): void {
    for (const [key, line] of this.#lines) {
      const stay: T[] = []
      const go: T[] = []
      for (const item of line.waiting.slice(line.taken)) (which(item) ? go : stay).push(item)
      if (go.length === 0) continue
      line.waiting.splice(0, line.waiting.length, ...stay)
      line.taken = 0
      if (stay.length === 0) this.#lines.delete(key)
      for (const item of go) taken(item)
    }
  }

  /** All that waits for destinations where nothing has ended since `sinceMs`. */
  removeStalled(sinceMs: number, taken: (item: T) => void): void {
    for (const [key, line] of this.#lines) {
      if (line.aliveMs > sinceMs) continue
      this.#lines.delete(key)
      for (const item of line.waiting.slice(line.taken)) taken(item)
    }
  }
}

/** The same lines, those behind `key` first. */
function behind<T>(lines: (readonly [string, Line<T>])[], key: string): (readonly [string, Line<T>])[] {
  if (lines.length < 2) return lines
  const at = lines.findIndex(([each]) => each === key) + 1
  return at === 0 || at === lines.length ? lines : [...lines.slice(at), ...lines.slice(0, at)]
}

function take<T>(line: Line<T>): T | undefined {
  const item = line.waiting[line.taken++]
  if (line.taken >= CUT_AT) {
    line.waiting.splice(0, line.taken)
    line.taken = 0
  }
  return item
}
