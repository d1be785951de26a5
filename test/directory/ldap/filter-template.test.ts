import test from 'ava'
import * as fc from 'fast-check'
import { AndFilter, EqualityFilter, NotFilter, OrFilter, PresenceFilter, SubstringFilter } from 'ldapts'
import type { Filter } from 'ldapts'
import { compileFilter, FilterRefused } from '#src/directory/ldap/filter-template.ts'
import { KeyTemplates, TemplateRefused, templateNeeds } from '#src/directory/ldap/map-template.ts'
import { ZIMBRA_MAPS } from '#test/support/zimbra-maps.ts'

/** The shape of a filter, with each value that is not of the template named KEY. */
function shape(filter: Filter, key: string): unknown {
  const named = (value: Buffer | string) => value.toString('utf8').replaceAll(key, 'KEY')
  if (filter instanceof AndFilter) return { and: filter.filters.map((one) => shape(one, key)) }
  if (filter instanceof OrFilter) return { or: filter.filters.map((one) => shape(one, key)) }
  if (filter instanceof NotFilter) return { not: shape(filter.filter, key) }
  if (filter instanceof EqualityFilter) return { [filter.attribute]: named(filter.value) }
  if (filter instanceof PresenceFilter) return { [filter.attribute]: '*' }
  if (filter instanceof SubstringFilter) {
    const { attribute, initial, any, final } = filter
    return { [attribute]: [initial, ...any, final].map(named) }
  }
  throw new Error('another kind of filter')
}

const made = (template: string, key: string) =>
  compileFilter(template)((hole) => hole.replaceAll('%s', () => key))

/** What an attacker would put into an address, and anything else. */
const keys = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1 }),
  fc.string({
    unit: fc.constantFrom('*', '(', ')', '\\', '&', '|', '!', '=', '%', 's', '\0', 'a', '@', '2', '8'),
    minLength: 1,
  }),
)

test('whatever a key holds, the filter of every map keeps its shape and has the key as values alone', (t) => {
  for (const { filter } of Object.values(ZIMBRA_MAPS)) {
    const plain = 'nobody-has-this'
    const expected = shape(made(filter, plain), plain)
    fc.assert(
      fc.property(keys, (key) => {
        // A key that is part of the template's own words could not be told from them.
        fc.pre(!filter.includes(key))
        t.deepEqual(shape(made(filter, key), key), expected)
      }),
      { numRuns: 300 },
    )
  }
})

test('a filter that finds a key as it stands finds no other: stars in it are letters', (t) => {
  fc.assert(
    fc.property(keys, (key) => {
      const filter = made('(mail=%s)', key)
      if (!(filter instanceof EqualityFilter)) return false
      return Buffer.from(filter.value).equals(Buffer.from(key, 'utf8'))
    }),
  )
  t.deepEqual(shape(made('(mail=*%s)', 'a*b'), 'a*b'), { mail: ['', 'KEY'] })
  t.deepEqual(shape(made('(mail=a*b%sc*d)', '*'), '\0'), { mail: ['a', 'b*c', 'd'] })
})

for (const [template, expected] of [
  ['mail=%s', { mail: 'KEY' }],
  ['(mail=*)', { mail: '*' }],
  ['(&)', { and: [] }],
  ['( & (a=b) ( ! (c=d) ) )', { and: [{ a: 'b' }, { not: { c: 'd' } }] }],
  [String.raw`(a=\28\2a\29\5c)`, { a: String.raw`(*)\ `.trim() }],
  [String.raw`(a=x\yz)`, { a: 'xyz' }],
  ['(a;lang-de=b)', { 'a;lang-de': 'b' }],
  ['(a=b=c)', { a: 'b=c' }],
] as const) {
  test(`the filter ${template} is read`, (t) => {
    t.deepEqual(shape(made(template, 'nobody-has-this'), 'nobody-has-this'), expected)
  })
}

for (const template of [
  '(a=b',
  '(a=b))',
  '(a=b)(c=d)',
  '(=b)',
  '(ab)',
  '(&(a=b)',
  '((a=b))',
  '',
  '(%s=a)',
  `${'(!'.repeat(40)}(a=b)${')'.repeat(40)}`,
]) {
  test(`the filter ${template.slice(0, 30)} is refused`, (t) => {
    t.throws(() => compileFilter(template), { instanceOf: FilterRefused })
  })
}

const filled = (query: string, result: string, key: string, value: string) =>
  KeyTemplates.of(key, templateNeeds([query], result))?.result(result, value)

for (const [query, result, key, value, expected] of [
  ['%s', '%s', 'u@d.test', 'r', 'r'],
  ['%s', '%u of %d for %U at %D, %1 %2 100%%', 'u@a.b.test', 'v@w', 'v of w for u at a.b.test, test b 100%'],
  ['%s', '%S', 'plain', 'r', 'plain'],
  // What has no domain has none to put in.
  ['%s', '%d', 'u@d', 'v', undefined],
  ['%s', '%u', 'u@d', 'v', 'v'],
  ['%s', '%u', 'u@d', '@w', undefined],
  ['%d', '%s', 'plain', 'r', undefined],
  ['%d', '%s', 'u@', 'r', undefined],
  ['%u', '%s', '@d', 'r', undefined],
  ['%u', '%s', 'plain', 'r', 'r'],
  ['%3', '%s', 'u@a.b', 'r', undefined],
  ['%2', '%s', 'u@a..b', 'r', undefined],
  ['%s', '%s', '', 'r', undefined],
  // What is put in is not looked at again.
  ['%s', '%s', 'u@d', '%s%u%d', '%s%u%d'],
] as const) {
  test(`${query} and ${result} for ${key || 'no key'} make ${expected ?? 'nothing'} of ${value}`, (t) => {
    t.is(filled(query, result, key, value), expected)
  })
}

test('a letter that is no template is refused', (t) => {
  t.throws(() => templateNeeds(['%x'], '%s'), { instanceOf: TemplateRefused })
  t.throws(() => templateNeeds(['%s'], '%'), { instanceOf: TemplateRefused })
})
