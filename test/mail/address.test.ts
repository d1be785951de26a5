import test from 'ava'
import * as fc from 'fast-check'
import { addressText, canonicalDomain, parseAddress, parsePath } from '#src/mail/address.ts'

const UTF8 = { utf8: true, empty: true }

const GOOD: readonly (readonly [string, string])[] = [
  ['<>', ''],
  ['<a@example.test>', 'a@example.test'],
  ['<A.b+c@EXAMPLE.Test>', 'A.b+c@example.test'],
  ['<"a"@example.test>', 'a@example.test'],
  ['<"\\a.\\b"@example.test>', 'a.b@example.test'],
  ['<"a b"@example.test>', '"a b"@example.test'],
  ['<"a\\"b\\\\c"@example.test>', '"a\\"b\\\\c"@example.test'],
  ['<""@example.test>', '""@example.test'],
  ['<"a@b"@example.test>', '"a@b"@example.test'],
  ['<"<>"@example.test>', '"<>"@example.test'],
  ['<a..b@example.test>', '"a..b"@example.test'],
  ['<a.@example.test>', '"a."@example.test'],
  ['<@relay.example:a@example.test>', 'a@example.test'],
  ['<@one.example,@two.example:a@example.test>', 'a@example.test'],
  ['<a@example.test.>', 'a@example.test'],
  ['<a@[192.0.2.1]>', 'a@[192.0.2.1]'],
  ['<a@[ipv6:2001:DB8::1]>', 'a@[IPv6:2001:db8::1]'],
  ['<a@b_c.example>', 'a@b_c.example'],
  ['<a@XN--BCHER-KVA.example>', 'a@xn--bcher-kva.example'],
  ['<a@bücher.example>', 'a@xn--bcher-kva.example'],
  ['<a@BÜCHER.example>', 'a@xn--bcher-kva.example'],
  ['<用户@例え.テスト>', '用户@xn--r8jz45g.xn--zckzah'],
  ['<u\u0308@example.test>', 'ü@example.test'],
  ['<Postmaster>', 'Postmaster'],
  ['a@example.test', 'a@example.test'],
  [`<"x';drop table--"@example.test>`, `"x';drop table--"@example.test`],
]

for (const [path, text] of GOOD) {
  test(`${path} is the address ${text === '' ? 'of nobody' : text}`, (t) => {
    const found = parsePath(path, 0, UTF8)
    t.is(found.kind, 'ok')
    if (found.kind !== 'ok') return
    t.is(found.address.text, text)
    t.is(found.end, path.length)
  })
}

const BAD = [
  '<',
  '<a',
  '<a@',
  '<@>',
  '<@example.test>',
  '<a@example.test',
  '<a b@example.test>',
  '<a@b@example.test>',
  '<a@example..test>',
  '<a@.example.test>',
  '<a@-example.test>',
  '<a@example-.test>',
  '<a@192.0.2.1>',
  '<a@example.1>',
  '<a@[192.0.2.256]>',
  '<a@[192.0.2.1>',
  '<a@[]>',
  '<a@[IPv6:::g]>',
  '<a@[IPv6:fe80::1%eth0]>',
  '<a@[x400:c=us]>',
  '<"a@example.test>',
  '<"a\\"@example.test>',
  '<"a"b@example.test>',
  '<a"b"@example.test>',
  '<a,b@example.test>',
  '<a:b@example.test>',
  '<a(c)@example.test>',
  '<a\\b@example.test>',
  '<"a\u0001b"@example.test>',
  '<"a\u2028b"@example.test>',
  '<a\u2028b@example.test>',
  '<a\u202eb@example.test>',
  '<a@ex\u2028ample.test>',
  `<${'a'.repeat(498)}@example.test>`,
  `<${'ü'.repeat(249)}@example.test>`,
  `<a@${'b'.repeat(64)}.test>`,
  `<a@${'b.'.repeat(128)}test>`,
  '<a@１９２.0.2.1>',
  '<a@exa%6dple.test>',
  '<$(touch id)@example.test>',
  '',
  ' ',
]

for (const path of BAD) {
  test(`${JSON.stringify(path).replaceAll(/[^ -~]/gu, (c) => `\\u{${c.codePointAt(0)?.toString(16)}}`)} is no address`, (t) => {
    const found = parsePath(path, 0, UTF8)
    if (found.kind === 'ok') t.not(found.end, path.length)
    else t.is(found.kind, 'bad')
  })
}

test('the return path of a forwarder, longer than RFC 5321 asks for, and a label of 63 octets are taken', (t) => {
  for (const local of [
    'a'.repeat(64),
    'a'.repeat(200),
    `bounces+SRS=aBcDe=YZ=list.example=${'news-1234567890-'.repeat(12)}user=far.example`,
  ])
    t.is(parsePath(`<${local}@${'b'.repeat(63)}.test>`, 0, UTF8).kind, 'ok')
})

test('the empty path is for senders only', (t) => {
  t.is(parsePath('<>', 0, { utf8: true, empty: false }).kind, 'bad')
})

test('characters beyond ASCII need SMTPUTF8', (t) => {
  t.is(parsePath('<ü@example.test>', 0, { utf8: false, empty: false }).kind, 'utf8')
  t.is(parsePath('<u@ü.test>', 0, { utf8: false, empty: false }).kind, 'utf8')
  t.is(parsePath('<u@xn--tda.test>', 0, { utf8: false, empty: false }).kind, 'ok')
})

test('parseAddress takes the whole text or nothing', (t) => {
  t.is(parseAddress('a@example.test')?.text, 'a@example.test')
  t.is(parseAddress('a@example.test '), undefined)
  t.is(parseAddress('<a@example.test>'), undefined)
  t.is(parseAddress(''), undefined)
  t.is(parseAddress('', { utf8: true, empty: true })?.text, '')
})

test('a domain is one lower-case spelling or none', (t) => {
  t.is(canonicalDomain('EXAMPLE.test.'), 'example.test')
  t.is(canonicalDomain('example.test..'), undefined)
  t.is(canonicalDomain('.'), undefined)
  t.is(canonicalDomain('xn--.test'), undefined)
})

const anyText = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom(
      '<',
      '>',
      '@',
      '"',
      '\\',
      'a',
      'b',
      '.',
      '[',
      ']',
      ':',
      ' ',
      ',',
      'ü',
      '\r',
      '\n',
      '\0',
    ),
  }),
)

test('no text whatever makes the parser throw, and what it takes holds no control character', (t) => {
  fc.assert(
    fc.property(anyText, fc.boolean(), (text, bracketed) => {
      const found = parsePath(bracketed ? `<${text}>` : text, 0, UTF8)
      if (found.kind !== 'ok') return
      // oxlint-disable-next-line no-control-regex -- what must not be there
      t.notRegex(found.address.text, /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/)
    }),
  )
  t.pass()
})

test('the spelling of an address is read as the same address', (t) => {
  const local = fc.string({ unit: 'grapheme-ascii', minLength: 0, maxLength: 40 })
  fc.assert(
    fc.property(
      local,
      fc.constantFrom('example.test', '[192.0.2.1]', 'xn--bcher-kva.example'),
      (name, domain) => {
        const text = addressText(name, domain)
        const found = parsePath(`<${text}>`, 0, UTF8)
        t.deepEqual(found, { kind: 'ok', address: { local: name, domain, text }, end: text.length + 2 })
      },
    ),
  )
})
