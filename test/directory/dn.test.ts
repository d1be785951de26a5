import test from 'ava'
import * as fc from 'fast-check'
import { childDn, escapeDnValue, formatDn, parentDn, parseDn } from '#src/directory/dn.ts'
import { dnKey } from '#src/directory/names.ts'

for (const [text, parts] of [
  ['uid=alice,ou=people,dc=x', [[['uid', 'alice']], [['ou', 'people']], [['dc', 'x']]]],
  [' UID = alice , dc= x ', [[['UID', 'alice']], [['dc', 'x']]]],
  [String.raw`cn=Doe\, John,dc=x`, [[['cn', 'Doe, John']], [['dc', 'x']]]],
  [String.raw`cn=\c3\a4\20`, [[['cn', 'ä ']]]],
  [String.raw`cn=\ a\ ,dc=x`, [[['cn', ' a ']], [['dc', 'x']]]],
  [
    'cn=a+sn=b,dc=x',
    [
      [
        ['cn', 'a'],
        ['sn', 'b'],
      ],
      [['dc', 'x']],
    ],
  ],
  ['cn=\u00a0a,dc=x', [[['cn', '\u00a0a']], [['dc', 'x']]]],
  ['cn=', [[['cn', '']]]],
  ['', []],
] as const) {
  test(`"${text}" is read in its parts`, (t) => {
    t.deepEqual(
      parseDn(text)?.map((rdn) => rdn.map(({ name, value }) => [name, value])),
      parts.map((rdn) => rdn.map(([name, value]) => [name, value])),
    )
  })
}

for (const text of [
  'alice',
  'uid=a,',
  ',uid=a',
  'uid=a"b',
  'uid=a<b',
  String.raw`uid=a\zz`,
  'uid=a,,dc=x',
  '=a',
]) {
  test(`"${text}" is no name of an entry`, (t) => {
    t.is(parseDn(text), undefined)
  })
}

test('two spellings of one name are one entry', (t) => {
  t.is(dnKey(String.raw`CN=Doe\2C John , DC=x`), dnKey(String.raw`cn=doe\, john,dc=x`))
  t.not(dnKey(String.raw`cn=a\,dc=b`), dnKey('cn=a,dc=b'))
})

test('the name above is what is left of the first part', (t) => {
  t.is(parentDn(String.raw`cn=a\,b,dc=x,dc=y`), 'dc=x,dc=y')
  t.is(parentDn('dc=y'), '')
})

test('whatever a value holds, it stays one value of one part', (t) => {
  const text = fc.string({ unit: 'grapheme', maxLength: 40 }).map((value) => value.toWellFormed())
  fc.assert(
    fc.property(text, (value) => {
      const dn = childDn('uid', value, 'ou=people,dc=x')
      t.deepEqual(parseDn(dn), [
        [{ name: 'uid', value }],
        [{ name: 'ou', value: 'people' }],
        [{ name: 'dc', value: 'x' }],
      ])
      t.is(formatDn(parseDn(dn) ?? []), dn)
      t.notRegex(escapeDnValue(value), /(?<!\\)(?:\\\\)*[,;+]/)
    }),
  )
})

test('no text makes the reader fail', (t) => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', '=', ',', '\\', '+', ' ', '"', '2', 'c', '#') }),
      (text) => {
        const parsed = parseDn(text)
        if (parsed !== undefined) t.deepEqual(parseDn(formatDn(parsed)), parsed)
      },
    ),
  )
})
