import { Readable } from 'node:stream'
import test from 'ava'
import * as fc from 'fast-check'
import { formatLdif, ldifRecords, LdifWrong, parseLdif } from '#src/directory/ldif.ts'
import type { LdifRecord } from '#src/directory/ldif.ts'

function records(text: string): readonly LdifRecord[] {
  const parsed = parseLdif(text)
  if (parsed.kind === 'records') return parsed.records
  throw new Error(`line ${parsed.line}: ${parsed.reason}`)
}

const text = (value: string) => ({ text: value, binary: false })

test('comments, folded lines, base64 and Windows line ends are read', (t) => {
  const file = [
    'version: 1',
    '# a comment',
    ' that goes on',
    'dn: uid=alice,',
    ' dc=example',
    'cn:: QWxpY2Ugw4Q=',
    'description: one',
    '  two',
    'jpegPhoto:: /9j/4A==',
    'empty:',
    '',
    '',
    'dn: uid=bob,dc=example',
    'uid: bob',
  ].join('\r\n')
  t.deepEqual(records(file), [
    {
      kind: 'entry',
      dn: 'uid=alice,dc=example',
      line: 4,
      attributes: [
        { name: 'cn', value: text('Alice Ä') },
        { name: 'description', value: text('one two') },
        { name: 'jpegPhoto', value: { text: '/9j/4A==', binary: true } },
        { name: 'empty', value: text('') },
      ],
    },
    { kind: 'entry', dn: 'uid=bob,dc=example', line: 13, attributes: [{ name: 'uid', value: text('bob') }] },
  ])
})

test('changes are read: add, delete, modify', (t) => {
  const file = `dn: a
changetype: add
cn: x

dn: b
changetype: delete

dn: c
changetype: modify
add: mail
mail: one
mail: two
-
delete: cn
-
replace: sn
sn: new
-
`
  t.deepEqual(records(file), [
    { kind: 'entry', dn: 'a', line: 1, attributes: [{ name: 'cn', value: text('x') }] },
    { kind: 'delete', dn: 'b', line: 5 },
    {
      kind: 'modify',
      dn: 'c',
      line: 8,
      changes: [
        { op: 'add', name: 'mail', values: [text('one'), text('two')] },
        { op: 'delete', name: 'cn', values: [] },
        { op: 'replace', name: 'sn', values: [text('new')] },
      ],
    },
  ])
})

for (const [title, file, line, reason] of [
  ['a line without a colon', 'dn: a\nnonsense\n', 2, /not "attribute: value": "nonsense"/],
  ['a record without a dn', 'cn: a\n', 1, /begins with its dn/],
  ['bad base64', 'dn: a\ncn:: !!!\n', 2, /not valid base64/],
  ['a value from a URL, which could name any file', 'dn: a\ncn:< file:///etc/passwd\n', 2, /names a URL/],
  ['a version that is not 1', 'version: 2\ndn: a\ncn: b\n', 1, /version 1/],
  ['an unknown kind of change', 'dn: a\nchangetype: modrdn\n', 2, /changetype modrdn is not known/],
  ['a change without its dash', 'dn: a\nchangetype: modify\nadd: cn\nsn: x\n', 4, /is a "-" missing/],
  [
    'a change that is none',
    'dn: a\nchangetype: modify\nincrement: n\n',
    3,
    /expected add:, delete: or replace:/,
  ],
  ['a dash outside a change', 'dn: a\ncn: x\n-\n', 3, /belongs into a record with changetype: modify/],
  ['a deletion with attributes', 'dn: a\nchangetype: delete\ncn: x\n', 3, /has no attributes/],
  ['a folded line without a first', ' x\n', 1, /nothing to go on from/],
] as const) {
  test(`a mistake is told with its line: ${title}`, (t) => {
    const parsed = parseLdif(file)
    t.is(parsed.kind, 'wrong')
    if (parsed.kind !== 'wrong') return
    t.is(parsed.line, line)
    t.regex(parsed.reason, reason)
  })
}

test('what is written is read back as it was, whatever it holds', (t) => {
  const value = fc.oneof(
    fc.string({ unit: 'binary' }).map((one) => ({ text: one.toWellFormed(), binary: false })),
    fc.string({ maxLength: 300 }).map((one) => ({ text: one, binary: false })),
    fc
      .uint8Array({ minLength: 1 })
      .map((bytes) => ({ text: Buffer.from([0xff, ...bytes]).toString('base64'), binary: true })),
  )
  const attribute = fc.record({ name: fc.constantFrom('cn', 'mail', 'x-y', 'jpegPhoto;binary'), value })
  fc.assert(
    fc.property(
      fc.string({ minLength: 1, unit: 'binary' }),
      fc.array(attribute, { minLength: 1, maxLength: 5 }),
      (name, attributes) => {
        const dn = `cn=${name.toWellFormed()}`
        t.deepEqual(records(formatLdif(dn, attributes)), [{ kind: 'entry', dn, line: 1, attributes }])
      },
    ),
  )
})

test('white space at the ends of a name or value is kept', (t) => {
  for (const space of [' ', '\t', '\u00a0', '\n']) {
    const attributes = [{ name: 'cn', value: text(`${space}x${space}`) }]
    const dn = `cn=x${space}`
    t.deepEqual(records(formatLdif(dn, attributes)), [{ kind: 'entry', dn, line: 1, attributes }])
  }
})

test('no line that is written is longer than 76 characters', (t) => {
  for (const line of formatLdif('cn=x', [{ name: 'description', value: text('y'.repeat(1000)) }]).split(
    '\n',
  )) {
    t.true(line.length <= 76)
  }
})

test('records that come in pieces are those of the whole, wherever it is cut', async (t) => {
  const whole = [
    'version: 1',
    '# a comment that',
    '  is folded',
    'dn: uid=a,dc=x',
    'cn:: QWxpY2Ug',
    ' w4Q=',
    '',
    '',
    'dn: uid=b,dc=x',
    'description: folded',
    '  text',
    'uid: b',
    '',
  ].join('\r\n')
  const parsed = parseLdif(whole)
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: whole.length }), { maxLength: 20 }), async (cuts) => {
      const at = [0, ...cuts.toSorted((a, b) => a - b), whole.length]
      const pieces = at.slice(1).map((end, i) => whole.slice(at[i], end))
      const read = await Array.fromAsync(ldifRecords(Readable.from(pieces)))
      t.deepEqual(parsed, { kind: 'records', records: read })
    }),
  )
})

test('a mistake in a file that comes in pieces is told with its line, after what was right before it', async (t) => {
  const seen: string[] = []
  const error = await t.throwsAsync(
    async () => {
      for await (const one of ldifRecords(Readable.from(['dn: uid=a\nuid: a\n\ndn: u', 'id=b\nno colon\n'])))
        seen.push(one.dn)
    },
    { instanceOf: LdifWrong },
  )
  t.is(error.line, 5)
  t.deepEqual(seen, ['uid=a'])
})

test('the root of a dump is left out', async (t) => {
  const dump = 'dn:\nobjectClass: glue\n\ndn: cn=zimbra\ncn: zimbra\n'
  const read = await Array.fromAsync(ldifRecords(Readable.from([dump])))
  t.deepEqual(
    read.map(({ dn }) => dn),
    ['cn=zimbra'],
  )
})
