import type { Value } from './values.ts'

export type Oid = readonly number[]

/** One object with its value. */
export interface Instance {
  readonly oid: Oid
  readonly value: Value
}

/** All rows of a table: a column's number beside its value; what is not known is left out. */
export interface TableRow {
  readonly index: readonly number[]
  readonly cells: readonly (readonly [column: number, value: Value | undefined])[]
}

/** More instances than the bounds of all tables allow together: a fault of ours must not grow without end. */
const INSTANCES_MAX = 50_000

/** Every object that can be asked for, at one moment, in the order of their identifiers. */
export class Rows {
  readonly #instances: readonly Instance[]

  constructor(instances: readonly Instance[]) {
    this.#instances = instances
      .slice(0, INSTANCES_MAX)
      .toSorted((one, other) => compareOids(one.oid, other.oid))
  }

  get size(): number {
    return this.#instances.length
  }

  /** undefined where there is none of this name. */
  get(oid: Oid): Instance | undefined {
    const found = this.#instances[this.#behind(oid) - 1]
    return found !== undefined && compareOids(found.oid, oid) === 0 ? found : undefined
  }

  /** The first behind `oid`, and before `end` where there is one. */
  next(oid: Oid, end: Oid | undefined): Instance | undefined {
    const found = this.#instances[this.#behind(oid)]
    return found === undefined || (end !== undefined && compareOids(found.oid, end) >= 0) ? undefined : found
  }

  /** How many stand at or before `oid`. */
  #behind(oid: Oid): number {
    let low = 0
    let high = this.#instances.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const at = this.#instances[middle]
      if (at !== undefined && compareOids(at.oid, oid) <= 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** The order of RFC 3416 section 4.2.2. */
export function compareOids(one: Oid, other: Oid): number {
  const length = Math.min(one.length, other.length)
  for (let i = 0; i < length; i += 1) {
    const difference = (one[i] ?? 0) - (other[i] ?? 0)
    if (difference !== 0) return difference
  }
  return one.length - other.length
}

/** The instances of a table whose entry is `entry`. */
export function tableInstances(entry: Oid, rows: readonly TableRow[]): readonly Instance[] {
  return rows.flatMap(({ index, cells }) =>
    cells.flatMap(([column, value]) =>
      value === undefined ? [] : [{ oid: [...entry, column, ...index], value }],
    ),
  )
}

/** Objects that are there once: their numbers below `group`. */
export function scalarInstances(
  group: Oid,
  values: readonly (readonly [number: number, value: Value | undefined])[],
): readonly Instance[] {
  return values.flatMap(([number, value]) =>
    value === undefined ? [] : [{ oid: [...group, number, 0], value }],
  )
}
