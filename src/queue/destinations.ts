import type { Destination } from './ports.ts'

/** Items in the order in which they came. */
interface Lane<T> {
  readonly waiting: T[]
  /** Items before this one have been taken; the array is cut now and then. */
  taken: number
}

interface Line<T> extends Lane<T> {
  readonly destination: Destination
  /** Those of another priority than 0, the highest first; absent where there has been none. */
  others?: (Lane<T> & { readonly priority: number })[]
  /** How many have been taken while some of a lower priority waited. */
  passed: number
  /** Monotonic time of the last sign of life: something was put into an empty line, or finished. */
  aliveMs: number
}

/** Taken items are cut off an array when there are so many: cheap on average, and memory stays bounded. */
const CUT_AT = 1024

/** Of so many items one is the lowest that waits: a stream of urgent mail slows the rest down and never stops it. */
const PASSED_MAX = 8

/**
 * Work that waits, in one line per destination. The lines take turns, one item each, so that ten thousand messages
 * for one destination do not keep a single one for another waiting, and a line that cannot move stops no other.
 * Within a line a higher priority goes first.
 */
export class Destinations<T> {
  readonly #lines = new Map<string, Line<T>>()

  /** The line that had the last place: where places are scarce, the turn goes on behind it. */
  #lastServed = ''

  static key(destination: Destination): string {
    return `${destination.protocol}:${destination.host}:${destination.port}`
  }

  // oxlint-disable-next-line max-params -- where, what and when; the priority is nearly always 0
  add(destination: Destination, item: T, nowMs: number, priority = 0): void {
    const key = Destinations.key(destination)
    let line = this.#lines.get(key)
    if (line === undefined) {
      line = { destination, waiting: [], taken: 0, passed: 0, aliveMs: nowMs }
      this.#lines.set(key, line)
    }
    if (priority === 0) line.waiting.push(item)
    else laneOf(line, priority).waiting.push(item)
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
        if (!isEmpty(line)) still.push(entry)
        else this.#lines.delete(key)
      }
      open = still
    }
  }

  /** Takes out all items for which `which` holds, and gives them to `taken`. */
  remove(which: (item: T) => boolean, taken: (item: T) => void): void {
    for (const [key, line] of this.#lines) {
      const go = lanesOf(line).flatMap((lane) => removeFrom(lane, which))
      if (go.length > 0 && isEmpty(line)) this.#lines.delete(key)
      for (const item of go) taken(item)
    }
  }

  /** All that waits for destinations where nothing has ended since `sinceMs`. */
  removeStalled(sinceMs: number, taken: (item: T) => void): void {
    for (const [key, line] of this.#lines) {
      if (line.aliveMs > sinceMs) continue
      this.#lines.delete(key)
      for (const lane of lanesOf(line)) for (const item of lane.waiting.slice(lane.taken)) taken(item)
    }
  }
}

/** The same lines, those behind `key` first. */
function behind<T>(lines: (readonly [string, Line<T>])[], key: string): (readonly [string, Line<T>])[] {
  if (lines.length < 2) return lines
  const at = lines.findIndex(([each]) => each === key) + 1
  return at === 0 || at === lines.length ? lines : [...lines.slice(at), ...lines.slice(0, at)]
}

function lanesOf<T>(line: Line<T>): readonly Lane<T>[] {
  return line.others === undefined ? [line] : [line, ...line.others]
}

function isEmpty<T>(line: Line<T>): boolean {
  return !waits(line) && (line.others === undefined || !line.others.some(waits))
}

function waits<T>(lane: Lane<T>): boolean {
  return lane.taken < lane.waiting.length
}

function laneOf<T>(line: Line<T>, priority: number): Lane<T> {
  const others = (line.others ??= [])
  const known = others.find((lane) => lane.priority === priority)
  if (known !== undefined) return known
  const lane = { priority, waiting: [], taken: 0 }
  others.push(lane)
  others.sort((one, other) => other.priority - one.priority)
  return lane
}

function removeFrom<T>(lane: Lane<T>, which: (item: T) => boolean): readonly T[] {
  const stay: T[] = []
  const go: T[] = []
  for (const item of lane.waiting.slice(lane.taken)) (which(item) ? go : stay).push(item)
  if (go.length === 0) return go
  lane.waiting.splice(0, lane.waiting.length, ...stay)
  lane.taken = 0
  return go
}

function take<T>(line: Line<T>): T | undefined {
  return takeFrom(line.others === undefined ? line : chooseLane(line, line.others))
}

/** The highest priority that waits, and now and then the lowest. */
function chooseLane<T>(line: Line<T>, others: NonNullable<Line<T>['others']>): Lane<T> {
  const above = others.filter(({ priority }) => priority > 0)
  const below = others.filter(({ priority }) => priority < 0)
  const waiting = [...above, line, ...below].filter(waits)
  const [highest = line] = waiting
  const lowest = waiting.at(-1) ?? line
  if (lowest === highest) return highest
  line.passed += 1
  if (line.passed < PASSED_MAX) return highest
  line.passed = 0
  return lowest
}

function takeFrom<T>(lane: Lane<T>): T | undefined {
  const item = lane.waiting[lane.taken++]
  if (lane.taken >= CUT_AT) {
    lane.waiting.splice(0, lane.taken)
    lane.taken = 0
  }
  return item
}
