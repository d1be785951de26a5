import test from 'ava'
import { AnswerCache, CACHE_ENTRIES_MAX, CACHE_OCTETS_MAX } from '#src/dns/cache.ts'
import type { AnyAnswer } from '#src/dns/cache.ts'

function found(...records: string[]): AnyAnswer {
  return { kind: 'found', records, canonicalName: 'x', secure: false, ttlSeconds: 1 }
}

test('an answer is there until its time, and not a millisecond longer', (t) => {
  const cache = new AnswerCache()
  const answer = found('a')
  cache.put('A x', answer, 100)
  t.is(cache.get('A x', 99), answer)
  t.is(cache.get('A x', 100), undefined)
  t.is(cache.size, 0)
  t.is(cache.octets, 0)
})

test('the number of answers is bounded, and the one longest unused goes first', (t) => {
  const cache = new AnswerCache()
  for (let i = 0; i < CACHE_ENTRIES_MAX; i++) cache.put(`A ${i}`, found('a'), 100)
  t.truthy(cache.get('A 0', 0))
  cache.put('A new', found('a'), 100)
  t.is(cache.size, CACHE_ENTRIES_MAX)
  t.truthy(cache.get('A 0', 0))
  t.is(cache.get('A 1', 0), undefined)
})

test('large answers are bounded by their size', (t) => {
  const cache = new AnswerCache()
  const large = found('x'.repeat(64_000))
  for (let i = 0; i < 1000; i++) cache.put(`TXT ${i}`, large, 100)
  t.true(cache.octets <= CACHE_OCTETS_MAX)
  t.true(cache.size > 200)
  cache.put('TXT 999', found('small'), 100)
  t.like(cache.get('TXT 999', 0), { records: ['small'] })
  cache.clear()
  t.is(cache.octets, 0)
})
