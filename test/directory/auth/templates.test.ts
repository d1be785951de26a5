import { EqualityFilter, FilterParser } from 'ldapts'
import test from 'ava'
import * as fc from 'fast-check'
import { bindName, inFilter, searchBase, searchFilter } from '#src/directory/auth/templates.ts'
import { parseDn } from '#src/directory/dn.ts'

const ALICE = { local: 'alice', domain: 'mail.example.test' }

for (const [template, made] of [
  ['uid=%u,ou=people,%D', 'uid=alice,ou=people,dc=mail,dc=example,dc=test'],
  ['%u@ad.example.com', 'alice@ad.example.com'],
  ['%n', 'alice@mail.example.test'],
  ['AD\\%u', 'AD\\alice'],
  ['cn=%u %%of %d', 'cn=alice %of mail.example.test'],
  ['%x%', '%x%'],
] as const) {
  test(`${template} is ${made} for alice@mail.example.test`, (t) => {
    t.is(bindName(template, ALICE), made)
  })
}

test('a name in a distinguished name stays one value, whatever it holds', (t) => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), (local) => {
      const dn = parseDn(bindName('uid=%u,ou=people,dc=test', { local, domain: 'test' }))
      t.is(dn?.length, 3, local)
      t.is(dn?.[0]?.length, 1, local)
    }),
  )
  t.is(bindName('uid=%u,dc=test', { local: 'x,ou=admins', domain: 'test' }), 'uid=x\\,ou\\=admins,dc=test')
})

test('a name in a filter stays a value, whatever it holds', (t) => {
  for (const local of ['*', 'a)(uid=*', '*)(|(objectClass=*', '\\2a', '\0', 'ü']) {
    const filter = FilterParser.parseString(searchFilter('(uid=%u)', { local, domain: 'test' }))
    t.true(filter instanceof EqualityFilter)
    if (filter instanceof EqualityFilter) t.is(filter.value, local)
  }
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (local) => {
      t.notRegex(inFilter(local), /[*()\0]/)
    }),
  )
})

test('a base takes the domain', (t) => {
  t.is(searchBase('ou=people,%D', ALICE), 'ou=people,dc=mail,dc=example,dc=test')
  t.is(searchBase('', ALICE), '')
})
