import type { Filter } from 'ldapts'
import {
  AndFilter,
  EqualityFilter,
  FilterParser,
  GreaterThanEqualsFilter,
  LessThanEqualsFilter,
  NotFilter,
  OrFilter,
  PresenceFilter,
  SubstringFilter,
} from 'ldapts'
import { invalidRequest } from './refusal.ts'
import type { Match } from './store.ts'

/** Characters of a filter that a person or a script writes. */
const FILTER_CHARS_MAX = 65_536
/** Filters in filters. */
const DEPTH_MAX = 50

/** Reads a filter as LDAP writes it (RFC 4515), with or without its outermost parentheses. Throws ProvisionRefused. */
export function parseFilter(text: string): Match {
  const whole = text.trim().startsWith('(') ? text.trim() : `(${text.trim()})`
  if (whole.length > FILTER_CHARS_MAX)
    throw invalidRequest(`a filter may have ${FILTER_CHARS_MAX} characters at most`)
  let parsed: Filter
  try {
    parsed = FilterParser.parseString(whole)
  } catch (error) {
    throw invalidRequest(`not a filter of LDAP: ${text}: ${error instanceof Error ? error.message : ''}`)
  }
  return matchOf(parsed, 0)
}

function matchOf(filter: Filter, depth: number): Match {
  if (depth > DEPTH_MAX) throw invalidRequest(`a filter may be ${DEPTH_MAX} deep at most`)
  const inner = (filters: readonly Filter[]) => filters.map((one) => matchOf(one, depth + 1))
  if (filter instanceof AndFilter) return { kind: 'all', of: inner(filter.filters) }
  if (filter instanceof OrFilter) return { kind: 'any', of: inner(filter.filters) }
  if (filter instanceof NotFilter) return { kind: 'not', of: matchOf(filter.filter, depth + 1) }
  if (filter instanceof PresenceFilter) return { kind: 'present', name: filter.attribute }
  if (filter instanceof SubstringFilter)
    return {
      kind: 'parts',
      name: filter.attribute,
      first: filter.initial,
      inner: filter.any,
      last: filter.final,
    }
  if (filter instanceof EqualityFilter)
    return { kind: 'equals', name: filter.attribute, value: textOf(filter.value) }
  if (filter instanceof GreaterThanEqualsFilter)
    return { kind: 'atLeast', name: filter.attribute, value: textOf(filter.value) }
  if (filter instanceof LessThanEqualsFilter)
    return { kind: 'atMost', name: filter.attribute, value: textOf(filter.value) }
  throw invalidRequest('filters of this kind (approximate, extensible) are not known here')
}

function textOf(value: Buffer | string): string {
  return typeof value === 'string' ? value : value.toString('utf8')
}
