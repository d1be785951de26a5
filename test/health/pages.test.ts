import { assert, constantFrom, integer, nat, property, record, uniqueArray } from 'fast-check'
import test from 'ava'
import { cursorOf, domainPage, placeOf } from '#src/health/pages.ts'
import type { DomainOrder, DomainRow } from '#src/health/pages.ts'

const ROW = record({
  domain: constantFrom('a.test', 'b.test', 'ä.test', '', '[192.0.2.1]', 'z.test'),
  state: constantFrom('incoming', 'deferred', 'hold', 'corrupt'),
  recipients: nat(3),
})
const ROWS = uniqueArray(ROW, { selector: ({ domain, state }) => `${domain} ${state}` })

function allPages(rows: readonly DomainRow[], order: DomainOrder, limit: number): readonly DomainRow[] {
  const met: DomainRow[] = []
  for (let after: DomainRow | undefined; ;) {
    const { page, last } = domainPage(rows, order, { after, limit })
    met.push(...page)
    if (last === undefined) return met
    // As a client has it: through a cursor.
    const words = [last.domain, last.state]
    const place = placeOf(cursorOf({ of: order, row: last.recipients, words }), order)
    const [domain = '', state = ''] = place?.words ?? []
    after = { recipients: place?.row ?? 0, domain, state }
  }
}

for (const order of ['recipients', 'domain'] as const) {
  test(`all pages by ${order} together are all domains, each once`, (t) => {
    assert(
      property(ROWS, integer({ min: 1, max: 4 }), (rows, limit) => {
        const met = allPages(rows, order, limit)
        t.deepEqual(met, domainPage(rows, order, { after: undefined, limit: rows.length }).page)
        t.is(new Set(met).size, rows.length)
      }),
    )
  })
}

test('by name a domain whose number changes between two pages is met once all the same', (t) => {
  const rows = ['a.test', 'b.test', 'c.test'].map((domain, recipients) => ({
    domain,
    state: 'deferred',
    recipients,
  }))
  const { last } = domainPage(rows, 'domain', { after: undefined, limit: 1 })
  const later = rows.map(({ domain, state, recipients }) => ({ domain, state, recipients: 9 - recipients }))
  const { page } = domainPage(later, 'domain', { after: last, limit: 9 })
  t.deepEqual(
    page.map(({ domain }) => domain),
    ['b.test', 'c.test'],
  )
})

for (const [what, cursor] of [
  ['nothing', ''],
  ['no base64url', '!!'],
  ['no JSON', Buffer.from('[').toString('base64url')],
  ['no list', Buffer.from('{}').toString('base64url')],
  ['one of another list', cursorOf({ of: 'other', row: 1 })],
  ['a negative row', Buffer.from('["list",-1]').toString('base64url')],
  ['a row that is no number', Buffer.from('["list","1"]').toString('base64url')],
  ['words that are none', Buffer.from('["list",1,{}]').toString('base64url')],
  ['one that is too long', cursorOf({ of: 'list', row: 1, words: ['x'.repeat(2000)] })],
] as const) {
  test(`this is no cursor: ${what}`, (t) => {
    t.is(placeOf(cursor, 'list'), undefined)
  })
}
