import { fold, valueKey } from '#src/directory/names.ts'
import type { AdminEntry, Match } from './store.ts'
import { valuesOf } from './store.ts'

/** Whether an entry is one of those that are looked for; without a difference between upper and lower case. */
export function matches(entry: AdminEntry, match: Match): boolean {
  switch (match.kind) {
    case 'equals':
      return valuesOf(entry, match.name).some((value) => same(match.name, value, match.value))
    case 'present':
      return entry.attributes.some((one) => one.name.toLowerCase() === match.name.toLowerCase())
    case 'atLeast':
      return valuesOf(entry, match.name).some((value) => order(value, match.value) >= 0)
    case 'atMost':
      return valuesOf(entry, match.name).some((value) => order(value, match.value) <= 0)
    case 'parts':
      return valuesOf(entry, match.name).some((value) => hasParts(fold(value), match))
    case 'all':
      return match.of.every((one) => matches(entry, one))
    case 'any':
      return match.of.some((one) => matches(entry, one))
    case 'not':
      return !matches(entry, match.of)
  }
}

/** Two values that mean the same: addresses in their one spelling, all else in lower case. */
export function same(name: string, one: string, other: string): boolean {
  return one === other || sameKey(name, one) === sameKey(name, other)
}

/** Values of an attribute that mean the same have one key. */
export function sameKey(name: string, value: string): string {
  return valueKey(name.toLowerCase(), value) ?? fold(value)
}

/** Whole numbers by their size, all else (times too) by their letters. */
function order(one: string, other: string): number {
  const number = /^-?\d{1,15}$/
  if (number.test(one) && number.test(other)) return Number(one) - Number(other)
  const [a, b] = [fold(one), fold(other)]
  if (a === b) return 0
  return a < b ? -1 : 1
}

function hasParts(value: string, match: Match & { readonly kind: 'parts' }): boolean {
  const first = fold(match.first)
  const last = fold(match.last)
  if (!value.startsWith(first) || !value.endsWith(last)) return false
  let at = first.length
  for (const part of match.inner.map(fold)) {
    const found = value.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return value.length - last.length >= at
}
