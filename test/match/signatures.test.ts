import test from 'ava'
import * as fc from 'fast-check'
import { createHash } from 'node:crypto'
import { MessageScanner } from '#src/match/scanner.ts'
import { SignatureSet } from '#src/match/signatures.ts'
import type { SignatureSource } from '#src/match/types.ts'
import {
  base64,
  data,
  EICAR,
  EICAR_NAME,
  LIMITS,
  ndb,
  scanWith,
  seededRandom,
  type ScanOptions,
} from './support.ts'

const ENGINES = ['hyperscan', 'plain'] as const
type Engine = (typeof ENGINES)[number]

/** The hits of a scan, `signature@path`. */
function hitsOf(
  sources: readonly SignatureSource[],
  message: string | Uint8Array,
  engine: Engine,
  options: ScanOptions = {},
): string[] {
  using signatures = SignatureSet.build(sources, { engine })
  using scanner = new MessageScanner(signatures, { limits: LIMITS, bareNewline: 'normalize' })
  const bytes = typeof message === 'string' ? Buffer.from(message, 'latin1') : message
  return scanWith(scanner, bytes, options).report.hits.map((hit) => `${hit.signature}@${hit.path}`)
}

const hex = (text: string): string => Buffer.from(text, 'latin1').toString('hex')
const encoded = (body: string, type = 'application/octet-stream'): string =>
  data(`Content-Type: ${type}`, 'Content-Transfer-Encoding: base64', '', base64(Buffer.from(body, 'latin1')))

/** pattern, octets in which it is found, octets in which it is not. */
const PATTERNS: readonly (readonly [
  title: string,
  pattern: string,
  yes: readonly string[],
  no: readonly string[],
])[] = [
  ['plain octets', hex('marker'), ['marker', 'xxmarkerxx', 'mmarker'], ['Marker', 'marke', 'mark er']],
  ['capital hex digits', hex('mnop').toUpperCase(), ['mnop'], ['MNOP']],
  ['any octet', `${hex('mar')}??${hex('er')}`, ['marker', 'mar\0er'], ['marer', 'markker']],
  ['a nibble', `${hex('ma')}7?${hex('ker')}`, ['marker', 'mazker'], ['maRker']],
  ['the other nibble', `${hex('ma')}?2${hex('ker')}`, ['marker', 'mabker'], ['mazker']],
  [
    'any gap',
    `${hex('first')}*${hex('second')}`,
    ['firstsecond', `first${'x'.repeat(5000)}second`],
    ['secondfirst', 'first'],
  ],
  [
    'two any gaps',
    `${hex('one')}*${hex('two')}*${hex('three')}`,
    ['one two three', 'two one two three'],
    ['one three two', 'two three'],
  ],
  [
    'a fixed gap',
    `${hex('first')}{3}${hex('second')}`,
    ['firstxxxsecond', 'firstfirxxxfirstabcsecond'],
    ['firstxxsecond', 'firstxxxxsecond'],
  ],
  [
    'a long fixed gap',
    `${hex('first')}{300}${hex('second')}`,
    [`first${'x'.repeat(300)}second`],
    [`first${'x'.repeat(299)}second`, `first${'x'.repeat(301)}second`],
  ],
  [
    'a gap of at most',
    `${hex('first')}{-4}${hex('second')}`,
    ['firstsecond', 'firstxxxxsecond'],
    ['firstxxxxxsecond'],
  ],
  [
    'a gap of at least',
    `${hex('first')}{4-}${hex('second')}`,
    ['firstxxxxsecond', `first${'x'.repeat(999)}second`],
    ['firstxxxsecond'],
  ],
  [
    'a gap from to',
    `${hex('first')}{2-40}${hex('second')}`,
    ['firstxxsecond', `first${'x'.repeat(40)}second`, 'firstfirstxxsecond'],
    ['firstxsecond', `first${'x'.repeat(41)}second`],
  ],
  ['an anchored gap', `${hex('m')}[1-3]${hex('arker')}`, ['mxarker', 'mxxxarker'], ['marker', 'mxxxxarker']],
  ['alternatives', `${hex('mar')}(6b|6c)${hex('er')}`, ['marker', 'marler'], ['marmer']],
  [
    'longer alternatives',
    `${hex('mar')}(${hex('abc')}|${hex('x')}|${hex('xy')})${hex('er')}`,
    ['marabcer', 'marxer', 'marxyer'],
    ['maraber', 'maryer'],
  ],
  [
    'alternatives at the start',
    `(${hex('abc')}|${hex('d')})${hex('marker')}`,
    ['abcmarker', 'dmarker'],
    ['bcmarker', 'marker'],
  ],
  [
    'alternatives at the end',
    `${hex('marker')}(${hex('abc')}|${hex('d')})`,
    ['markerabc', 'markerd'],
    ['markerab', 'marker'],
  ],
  [
    'alternatives one after the other',
    `${hex('mar')}(61|62)(${hex('cc')}|${hex('d')})${hex('er')}`,
    ['maraccer', 'marbder'],
    ['marccer', 'maradccer'],
  ],
  [
    'negated alternatives',
    `${hex('mar')}!(6b|6c)${hex('er')}`,
    ['marmer', 'mar\0er'],
    ['marker', 'marler', 'marer'],
  ],
  [
    'longer negated alternatives',
    `${hex('mar')}!(${hex('abc')}|${hex('abd')})${hex('er')}`,
    ['marabxer', 'marxbcer', 'maraccer'],
    ['marabcer', 'marabder', 'maraber'],
  ],
  ['negated with a nibble', `${hex('mar')}!(6?)${hex('er')}`, ['marzer'], ['marker', 'marler']],
  [
    'a gap before alternatives',
    `${hex('first')}{-3}(${hex('ab')}|${hex('c')})${hex('second')}`,
    ['firstxxabsecond', 'firstcsecond'],
    ['firstxxxxabsecond'],
  ],
  ['octets with NUL', `0000${hex('ab')}0000`, ['x\0\0ab\0\0x'], ['\0ab\0\0']],
  ['nothing but NUL', '000000000000', ['a\0\0\0\0\0\0b'], ['a\0\0\0\0\0b']],
  ['two octets', 'fefd', ['a\xfe\xfdb'], ['\xfd\xfe']],
  ['one fixed octet', 'fe??', ['a\xfeb'], ['a\xfe', 'fe']],
  [
    'a pattern that overlaps itself',
    `${hex('aab')}{2}${hex('aab')}`,
    ['aabaabxxaab', 'aaaabxxaab'],
    ['aabxaab'],
  ],
  ['with feature levels', `${hex('marker')}:51:255`, ['marker'], ['marke']],
]

for (const engine of ENGINES) {
  for (const [title, pattern, yes, no] of PATTERNS) {
    test(`${engine}: ${title}, in any cut`, (t) => {
      const sources = [ndb(`Test.Sig:0:*:${pattern}`)]
      for (const cuts of [[], [1], [7]]) {
        for (const text of yes)
          t.deepEqual(
            hitsOf(sources, encoded(text), engine, { cuts, recheckCuts: cuts }),
            ['Test.Sig@1'],
            JSON.stringify(text.slice(0, 60)),
          )
        for (const text of no)
          t.deepEqual(
            hitsOf(sources, encoded(text), engine, { cuts, recheckCuts: cuts }),
            [],
            JSON.stringify(text.slice(0, 60)),
          )
      }
    })
  }

  test(`${engine}: offsets are those of the decoded part`, (t) => {
    const cases: readonly (readonly [offset: string, text: string, found: boolean])[] = [
      ['0', 'marker...', true],
      ['0', '.marker..', false],
      ['3', '...marker', true],
      ['3,2', '.....marker', true],
      ['3,2', '......marker', false],
      ['3,2', '..marker', false],
      ['EOF-6', '...marker', true],
      ['EOF-6', '...marker.', false],
      ['EOF-8', '..marker..', true],
      ['EOF-8,2', '..marker', true],
      ['EOF-8,2', 'marker...', false],
      ['EOF-100', 'marker', false],
    ]
    for (const [offset, text, found] of cases) {
      t.deepEqual(
        hitsOf([ndb(`Test.Sig:0:${offset}:${hex('marker')}`)], encoded(text), engine),
        found ? ['Test.Sig@1'] : [],
        `${offset} ${text}`,
      )
    }
  })

  test(`${engine}: a target is only looked for in what it is for`, (t) => {
    const cases: readonly (readonly [target: number, body: string, type: string, found: boolean])[] = [
      [1, 'MZ marker', 'image/png', true],
      [1, 'xx marker', 'application/octet-stream', false],
      [2, '\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1marker', 'application/msword', true],
      [2, 'marker', 'application/msword', false],
      [3, '<html>marker', 'application/x', true],
      [3, 'marker', 'text/html', true],
      [3, 'marker', 'text/plain', false],
      [5, 'GIF89a marker', 'image/gif', true],
      [6, '\x7fELF marker', 'application/x', true],
      [7, 'some MARKER', 'text/plain', true],
      [7, '\0\x01marker', 'application/x', false],
      [9, '\xcf\xfa\xed\xfemarker', 'application/x', true],
      [10, '%PDF-1.4 marker', 'application/x', true],
      [10, 'marker', 'application/pdf', false],
      [11, 'FWSmarker', 'application/x', true],
      [12, '\xca\xfe\xba\xbe\0\0\0\x34marker', 'application/x', true],
    ]
    for (const [target, body, type, found] of cases) {
      t.deepEqual(
        hitsOf([ndb(`Test.Sig:${target}:*:${hex('marker')}`)], encoded(body, type), engine),
        found ? ['Test.Sig@1'] : [],
        `${target} ${body}`,
      )
    }
  })

  test(`${engine}: text targets see lower case and single blanks`, (t) => {
    const sources = [ndb(`Test.Sig:7:*:${hex('click this link')}`)]
    t.deepEqual(hitsOf(sources, encoded('Please CLICK \t This\r\n\r\n  Link now', 'text/plain'), engine), [
      'Test.Sig@1',
    ])
    t.deepEqual(hitsOf(sources, data('', 'click this', 'LINK'), engine), ['Test.Sig@1'])
    t.deepEqual(hitsOf(sources, encoded('clickthis link', 'text/plain'), engine), [])
  })

  test(`${engine}: mail signatures are found in the raw message and in messages inside`, (t) => {
    const sources = [ndb(`Test.Sig:4:*:${hex('X-Bad: yes')}`)]
    t.deepEqual(hitsOf(sources, data('X-Bad: yes', '', 'x'), engine), ['Test.Sig@'])
    t.deepEqual(
      hitsOf(
        sources,
        data(
          'Content-Type: message/rfc822',
          'Content-Transfer-Encoding: base64',
          '',
          Buffer.from('X-Bad: yes\r\n\r\n').toString('base64'),
        ),
        engine,
      ),
      ['Test.Sig@1'],
    )
    t.deepEqual(hitsOf(sources, encoded('X-Bad: yes'), engine), [])
  })

  test(`${engine}: EICAR is found in plain text, base64 and quoted-printable, at every cut`, (t) => {
    using signatures = SignatureSet.build([], { engine })
    using scanner = new MessageScanner(signatures, { limits: LIMITS, bareNewline: 'normalize' })
    const quoted = hex(EICAR).toUpperCase().replaceAll(/../g, '=$&').replaceAll(/.{60}/g, '$&=\r\n')
    const messages = [
      data('Subject: x', '', EICAR),
      data(
        'Content-Transfer-Encoding: base64',
        '',
        Buffer.from(EICAR).toString('base64').replaceAll(/.{20}/g, '$&\r\n'),
      ),
      data('Content-Transfer-Encoding: quoted-printable', '', quoted),
      data(`X-Header: ${EICAR}`, '', 'x'),
    ]
    for (const message of messages) {
      const bytes = Buffer.from(message)
      const whole = scanWith(scanner, bytes)
      t.is(whole.report.hits[0]?.signature, EICAR_NAME)
      for (let cut = 1; cut < bytes.length; cut++) {
        const scanned = scanWith(scanner, bytes, {
          cuts: [cut, bytes.length],
          recheckCuts: [cut, bytes.length],
        })
        t.deepEqual(scanned, whole)
      }
    }
  })

  test(`${engine}: many signatures with the same literal are told apart`, (t) => {
    const lines = Array.from(
      { length: 50 },
      (_, i) => `Test.${i}:0:*:${hex('samesame')}*${hex(`tail-${i}-end`)}`,
    )
    t.deepEqual(hitsOf([ndb(...lines)], encoded('samesame ... tail-17-end'), engine), ['Test.17@1'])
  })

  test(`${engine}: suspicion of more signatures than the limit is told`, (t) => {
    const lines = Array.from({ length: 300 }, (_, i) => `Test.${i}:0:*:${hex('samesame')}*${hex(`x${i}`)}`)
    using signatures = SignatureSet.build([ndb(...lines)], { engine })
    using scanner = new MessageScanner(signatures, { limits: LIMITS, bareNewline: 'normalize' })
    t.deepEqual(scanWith(scanner, Buffer.from(encoded('samesame'))).report.limits, ['candidates'])
  })
}

test('a literal seen without its neighbours needs no second look, in any cut', (t) => {
  using signatures = SignatureSet.build([ndb(`Test.Sig:0:*:${hex('0123456789-QZXJVKWB-0123456789')}`)])
  using scanner = new MessageScanner(signatures, { limits: LIMITS, bareNewline: 'normalize' })
  for (const [text, wanted] of [
    ['...QZXJVKWB...', false],
    ['0123456789-QZXJVKWB-0123456789', true],
  ] as const) {
    const message = Buffer.from(data('', text))
    const out = Buffer.alloc(MessageScanner.outputMax(message.length))
    for (let cut = 1; cut < message.length; cut++) {
      scanner.begin('data')
      scanner.write(message, 0, cut, out, 0)
      scanner.write(message, cut, message.length, out, 0)
      t.is(scanner.finish().needsRecheck, wanted)
    }
  }
})

test('a signature for programs needs no second look at mail without one', (t) => {
  using signatures = SignatureSet.build([ndb(`Test.Sig:1:*:${hex('marker')}`)])
  using scanner = new MessageScanner(signatures, { limits: LIMITS, bareNewline: 'normalize' })
  const message = Buffer.from(data('', 'marker'))
  scanner.begin('data')
  scanner.write(message, 0, message.length, Buffer.alloc(MessageScanner.outputMax(message.length)), 0)
  t.false(scanner.finish().needsRecheck)
})

const file = (kind: 'hdb' | 'hsb', line: string): SignatureSource => ({
  name: `test.${kind}`,
  kind,
  text: Buffer.from(line),
})

test('digests of whole parts are found', (t) => {
  const body = 'the whole part'
  const digest = (name: string): string => createHash(name).update(body).digest('hex')
  t.deepEqual(hitsOf([file('hdb', `${digest('md5')}:${body.length}:Test.Md5`)], encoded(body), 'hyperscan'), [
    'Test.Md5@1',
  ])
  t.deepEqual(
    hitsOf([file('hdb', `${digest('md5')}:${body.length + 1}:Test.Md5`)], encoded(body), 'hyperscan'),
    [],
  )
  t.deepEqual(
    hitsOf([file('hsb', `${digest('sha256').toUpperCase()}:*:Test.Sha256:73`)], encoded(body), 'hyperscan'),
    ['Test.Sha256@1'],
  )
  t.deepEqual(hitsOf([file('hsb', `${digest('sha1')}:${body.length}:Test.Sha1`)], encoded(body), 'plain'), [
    'Test.Sha1@1',
  ])
})

test('lines that cannot be used are named, and the others are used', (t) => {
  const text = [
    '# a comment',
    '',
    'Good.One:0:*:6d61726b6572',
    'No.Fields',
    'Bad.Target:99:*:6d61',
    'Bad.Target:8:*:6d61',
    'Bad.Offset:0:EP+0:6d61726b6572',
    'Bad.Offset:0:S1+4:6d61',
    'Bad.Offset:0:VI:6d61',
    'Bad.Hex:0:*:6d6',
    'Bad.Hex:0:*:6dzz',
    'Bad.Gap:0:*:6d{x}61',
    'Bad.Gap:0:*:6d{5-2}61',
    'Bad.Gap:0:*:6d{1',
    'Bad.Gap:0:*:*6d61',
    'Bad.Class:0:*:6d(B)61',
    'Bad.Alternative:0:*:6d(61',
    'Bad.Alternative:0:*:6d(61|)62',
    'Bad.Negated:0:*:6d!(61|6162)63',
    'No.Octet:0:*:????',
    ':0:*:6d61',
    'Bad Name:0:*:6d61',
    `Too.Long:0:*:${'61'.repeat(20_000)}`,
    'Too.Far:0:*:6d{99999999}61',
    'Blank.Only:7:*:2020',
    'Good.Two:0:*:6f74686572:x',
    'Good.Three:0:*:6f74686572',
  ].join('\r\n')
  using signatures = SignatureSet.build([
    { name: 'some.ndb', kind: 'ndb', text: Buffer.from(text) },
    {
      name: 'some.hdb',
      kind: 'hdb',
      text: Buffer.from(
        'zz:1:x\nd41d8cd98f00b204e9800998ecf8427e:0:Empty\nd41d8cd98f00b204e9800998ecf8427e:x:Empty\n',
      ),
    },
  ])
  const { problems } = signatures.info
  t.deepEqual(
    problems.map((problem) => [problem.source, problem.line]),
    [
      ...[4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26].map(
        (line) => ['some.ndb', line],
      ),
      ['some.hdb', 1],
      ['some.hdb', 3],
    ],
  )
  for (const problem of problems) t.true(problem.reason.length > 5)
  t.is(signatures.info.signatures, 4) // EICAR, two patterns, one digest
})

/** Patterns of two letters in texts of two letters: overlaps and false starts everywhere. */
const letter = fc.constantFrom('a', 'b')
const piece = fc.array(letter, { minLength: 1, maxLength: 4 }).map((all) => all.join(''))
const gap = fc.oneof(
  fc.constant({ hex: '*', regex: '[^]*' }),
  fc
    .tuple(fc.nat(40), fc.nat(5))
    .map(([least, more]) => ({ hex: `{${least}-${least + more}}`, regex: `[^]{${least},${least + more}}` })),
  fc.nat(40).map((n) => ({ hex: `{${n}}`, regex: `[^]{${n}}` })),
  fc.nat(3).map((n) => ({ hex: `{-${n}}`, regex: `[^]{0,${n}}` })),
  fc.constant({ hex: '(6161|62|6261)', regex: '(?:aa|b|ba)' }),
  fc.constant({ hex: '!(6161|6261)', regex: '(?!aa|ba)[^]{2}' }),
  fc.constant({ hex: '??', regex: '[^]' }),
)

test('random patterns are found where a regular expression finds them', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(piece, gap), { maxLength: 3 }),
      piece,
      fc.array(letter, { maxLength: 90 }),
      fc.integer({ min: 1, max: 9 }),
      (middle, last, letters, cut) => {
        const pattern = `${middle.map(([text, between]) => hex(text) + between.hex).join('')}${hex(last)}`
        const expression = new RegExp(
          `${middle.map(([text, between]) => text + between.regex).join('')}${last}`,
        )
        const text = letters.join('')
        const found = hitsOf([ndb(`Test.Sig:0:*:${pattern}`)], encoded(text), 'plain', {
          cuts: [cut],
          recheckCuts: [cut],
        })
        t.is(found.includes('Test.Sig@1'), expression.test(text), `${pattern} in ${text}`)
      },
    ),
    { numRuns: 1500 },
  )
})

test('both engines agree on random octets', (t) => {
  const random = seededRandom(7)
  const bytes = (count: number): Buffer =>
    Buffer.from(Array.from({ length: count }, () => Math.floor(random() * 4) + 0x60))
  const lines = Array.from(
    { length: 200 },
    (_, i) =>
      `Test.${i}:0:*:${bytes(3 + (i % 6)).toString('hex')}${i % 2 === 0 ? '*' : '{-9}'}${bytes(3).toString('hex')}`,
  )
  for (let i = 0; i < 20; i++) {
    const message = encoded(bytes(60).toString('latin1'))
    const [first, second] = ENGINES.map((engine) => hitsOf([ndb(...lines)], message, engine))
    t.deepEqual(first, second)
  }
})
