import test from 'ava'
import * as fc from 'fast-check'
import { encodeQuestion, readMessage } from '#src/dns/message.ts'
import { CNAME_CHAIN_MAX, followReply, startChain } from '#src/dns/chain.ts'
import {
  optWithErrors,
  readQuery,
  txt,
  wireData,
  wireMessage,
  wireName,
  words,
} from '#test/support/dns-wire.ts'
import type { Message, Question } from '#src/dns/message.ts'
import type { RecordType } from '#src/dns/records.ts'
import type { WireMessage, WireRecord } from '#test/support/dns-wire.ts'

const ID = 4711

function ask(type: RecordType, name = 'example.com'): Question {
  return { id: ID, name, type }
}

function read(type: RecordType, message: Partial<WireMessage>): Message {
  const question = { name: 'example.com', type }
  return readMessage(wireMessage({ id: ID, question, ...message }), ask(type))
}

function dataOf(type: RecordType, data: Buffer): unknown {
  const message = read(type, { answers: [{ name: 'example.com', type, data }] })
  return message.kind === 'reply' ? message.answers.map((record) => record.data) : message.kind
}

test('a question carries its id, recursion desired, AD, and EDNS with DO', (t) => {
  const bytes = encodeQuestion(ask('MX'))
  t.deepEqual(readQuery(bytes), { id: ID, name: 'example.com', type: 15 })
  t.is(bytes.readUInt16BE(2), 0x0120)
  const opt = bytes.subarray(bytes.length - 11)
  t.deepEqual([...opt], [0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0])
  t.is(encodeQuestion(ask('SOA', '.')).length, 12 + 5 + 11)
})

test('every type is read as it is written', (t) => {
  const cases: readonly (readonly [RecordType, string, unknown])[] = [
    ['A', '192.0.2.1', '192.0.2.1'],
    ['AAAA', '2001:db8::1', '2001:db8::1'],
    ['AAAA', '1:0:0:2::3', '1:0:0:2::3'],
    ['AAAA', '::ffff:c000:201', '192.0.2.1'],
    ['MX', '10 Mail.Example.COM', { preference: 10, host: 'mail.example.com' }],
    ['MX', '0 .', { preference: 0, host: '' }],
    ['PTR', 'Host.Example.com', 'host.example.com'],
    ['CNAME', 'other.example.com', 'other.example.com'],
    ['TXT', '"v=spf1 -all"', 'v=spf1 -all'],
    ['TLSA', '3 1 1 abcd', { usage: 3, selector: 1, matchingType: 1, data: Uint8Array.of(0xab, 0xcd) }],
    [
      'SOA',
      'ns.example.com root.example.com 7 1 2 3 60',
      { primary: 'ns.example.com', serial: 7, minimumSeconds: 60 },
    ],
  ]
  for (const [type, text, expected] of cases)
    t.deepEqual(dataOf(type, wireData(type, text)), [expected], `${type} ${text}`)
})

test('data of a wrong length makes the whole answer worthless', (t) => {
  const cases: readonly (readonly [RecordType, Buffer])[] = [
    ['A', Buffer.alloc(3)],
    ['A', Buffer.alloc(5)],
    ['AAAA', Buffer.alloc(4)],
    ['TLSA', Buffer.alloc(0)],
    ['TLSA', Buffer.alloc(1)],
    ['TLSA', Buffer.alloc(2)],
    ['MX', Buffer.alloc(0)],
    ['MX', words(10)],
    ['MX', Buffer.concat([words(10), wireName('a.example'), Buffer.alloc(1)])],
    ['PTR', Buffer.alloc(0)],
    ['PTR', Buffer.concat([wireName('a.example'), Buffer.from('x')])],
    ['TXT', Buffer.from([200, 65, 66])],
    ['SOA', Buffer.concat([wireName('a.example'), wireName('b.example'), Buffer.alloc(19)])],
  ]
  for (const [type, data] of cases) t.is(dataOf(type, data), 'malformed', `${type} ${data.toString('hex')}`)
})

test('a TLSA record of three octets is whole, with no data', (t) => {
  t.deepEqual(dataOf('TLSA', Buffer.from([3, 1, 1])), [
    { usage: 3, selector: 1, matchingType: 1, data: new Uint8Array() },
  ])
})

test('a TXT record of nearly 64 KiB comes out whole', (t) => {
  const text = 'x'.repeat(65_000)
  t.deepEqual(dataOf('TXT', txt(text)), [text])
})

/** RFC 1035 section 4.1.4. */
function pointer(to: number): Buffer {
  return words(0xc000 | to)
}

test('a name that leads ahead, to itself, in a circle or out of the message is no name', (t) => {
  const at = wireMessage({ id: ID, question: { name: 'example.com', type: 'PTR' } }).length + 13 + 10
  const cases = [
    pointer(at),
    pointer(at + 2),
    pointer(0x3fff),
    Buffer.from([0xc0]),
    Buffer.from([0x40, 0]),
    Buffer.from([0x80, 0]),
  ]
  for (const data of cases) t.is(dataOf('PTR', data), 'malformed', data.toString('hex'))
  // Two pointers that point at each other: one of them must lead ahead.
  const circle = Buffer.concat([pointer(at + 2), pointer(at)])
  t.is(dataOf('PTR', circle), 'malformed')
})

test('a compressed name is followed backwards', (t) => {
  t.deepEqual(dataOf('PTR', Buffer.concat([Buffer.from('\x03www'), words(0xc00c)])), ['www.example.com'])
})

test('a name longer than 255 octets is refused', (t) => {
  const labels = Array.from({ length: 5 }, () => 'x'.repeat(60)).join('.')
  t.is(dataOf('PTR', wireName(labels)), 'malformed')
  t.is(dataOf('PTR', wireName('x'.repeat(64))), 'malformed')
})

test('a record that claims more data than there is makes the answer worthless', (t) => {
  const whole = wireMessage({
    id: ID,
    question: { name: 'example.com', type: 'A' },
    answers: [{ name: 'example.com', type: 'A', data: wireData('A', '192.0.2.1') }],
  })
  for (let cut = whole.length - 1; cut > 12 + 13 + 4; cut--) {
    t.is(readMessage(whole.subarray(0, cut), ask('A')).kind, 'malformed', `cut at ${cut}`)
  }
})

test('what is not the answer to the question is as if it had not come', (t) => {
  const record: WireRecord = { name: 'example.com', type: 'A', data: wireData('A', '192.0.2.66') }
  const right: WireMessage = { id: ID, question: { name: 'example.com', type: 'A' }, answers: [record] }
  t.is(readMessage(wireMessage(right), ask('A')).kind, 'reply')
  const cases: Readonly<Record<string, WireMessage>> = {
    'another id': { ...right, id: ID + 1 },
    'a question': { ...right, response: false },
    'another name': { ...right, question: { name: 'example.net', type: 'A' } },
    'another type': { ...right, question: { name: 'example.com', type: 'MX' } },
    'another class': { ...right, question: { name: 'example.com', type: 'A', class: 3 } },
    'no question': { id: ID, answers: [record] },
  }
  for (const [what, message] of Object.entries(cases))
    t.is(readMessage(wireMessage(message), ask('A')).kind, 'stray', what)
  t.is(readMessage(Buffer.alloc(11), ask('A')).kind, 'stray')
})

test('a label that holds a dot is not two labels', (t) => {
  const dotted = Buffer.concat([Buffer.from([11]), Buffer.from('example.com'), Buffer.from([0])])
  const bytes = Buffer.concat([words(ID, 0x8180, 1, 0, 0, 0), dotted, words(1, 1)])
  t.is(readMessage(bytes, ask('A')).kind, 'stray')
})

test('records of other owners, classes and types are left out', (t) => {
  const a = wireData('A', '192.0.2.66')
  const message = read('A', {
    answers: [
      { name: 'example.com', type: 'A', class: 3, data: a },
      { name: 'example.com', type: 'TXT', data: txt('x') },
      { name: 'example.com', type: 65_280, data: Buffer.from('anything') },
      { name: 'evil.example', type: 'A', data: a },
    ],
    additionals: [{ name: 'example.com', type: 'A', data: a }],
  })
  if (message.kind !== 'reply') return t.fail()
  t.deepEqual(
    message.answers.map((record) => record.owner),
    ['evil.example'],
  )
  const followed = followReply(startChain('example.com', 'A'), message, true)
  return t.like(followed, { kind: 'done', answer: { kind: 'none' } })
})

test('AD, truncation, RCODE and extended errors are read', (t) => {
  t.like(read('A', { authentic: true }), { kind: 'reply', authentic: true, rcode: 0 })
  t.like(read('A', {}), { kind: 'reply', authentic: false })
  t.is(read('A', { truncated: true }).kind, 'truncated')
  t.like(read('A', { rcode: 2, additionals: [optWithErrors(22, 6)] }), { rcode: 2, extendedErrors: [22, 6] })
  const badVersion = { name: '.', type: 'OPT' as const, class: 1232, ttl: 0x0100_0000, data: Buffer.alloc(0) }
  t.like(read('A', { additionals: [badVersion] }), { rcode: 16 })
})

test('a server that cannot read the question may leave it out of its refusal', (t) => {
  t.like(readMessage(wireMessage({ id: ID, rcode: 1 }), ask('A')), { kind: 'reply', rcode: 1 })
})

test('a message with more records than any honest one is refused', (t) => {
  const record: WireRecord = { name: '.', type: 'A', data: wireData('A', '192.0.2.1') }
  t.is(read('A', { answers: Array.from({ length: 1001 }, () => record) }).kind, 'malformed')
})

/** So many aliases from example.com on, and an address at their end. */
function chain(length: number): readonly WireRecord[] {
  return [
    ...Array.from({ length }, (_, i) => ({
      name: i === 0 ? 'example.com' : `a${i}.example`,
      type: 'CNAME' as const,
      ttl: 100 - i,
      data: wireName(`a${i + 1}.example`),
    })),
    { name: `a${length}.example`, type: 'A', data: wireData('A', '192.0.2.1') },
  ]
}

function end(answers: readonly WireRecord[]): unknown {
  const message = read('A', { answers })
  return message.kind === 'reply' ? followReply(startChain('example.com', 'A'), message, true) : message.kind
}

test('a message whose names lead through thousands of labels is not read to its end', (t) => {
  // One name of 110 labels, each a label and a pointer to the one before; then records that all bear it.
  const head = Buffer.concat([words(ID, 0x8180, 1, 1000, 0, 0), wireName('example.com'), words(15, 1)])
  const steps: Buffer[] = []
  let last = 12
  for (let i = 0; i < 110; i++) {
    steps.push(Buffer.from([1, 97]), pointer(last))
    last = head.length + 11 + 4 * i
  }
  const ladder = Buffer.concat([Buffer.from([0]), words(10, 1, 0, 0, 440), ...steps])
  const record = Buffer.concat([pointer(last), words(15, 1, 0, 9, 4, 5), pointer(last)])
  const some = Buffer.concat([head, ladder, ...Array.from({ length: 20 }, () => record)])
  some.writeUInt16BE(21, 6)
  t.like(readMessage(some, ask('MX')), { kind: 'reply' })
  const many = Buffer.concat([head, ladder, ...Array.from({ length: 999 }, () => record)])
  t.is(readMessage(many, ask('MX')).kind, 'malformed')
})

test('aliases are followed as far as the limit and no further', (t) => {
  t.like(end(chain(CNAME_CHAIN_MAX)), {
    kind: 'done',
    answer: { kind: 'found', canonicalName: 'a10.example', secure: true, ttlSeconds: 91 },
  })
  t.like(end(chain(CNAME_CHAIN_MAX + 1)), { kind: 'done', answer: { kind: 'unknown', cause: 'loop' } })
  const circle: WireRecord[] = [
    { name: 'example.com', type: 'CNAME', data: wireName('b.example') },
    { name: 'b.example', type: 'CNAME', data: wireName('example.com') },
  ]
  t.like(end(circle), { kind: 'done', answer: { kind: 'unknown', cause: 'loop' } })
})

test('whatever octets come, something is said of them and nothing is thrown', (t) => {
  const question = ask('MX')
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (noise) => {
      const head = wireMessage({ id: ID, question: { name: 'example.com', type: 'MX' } })
      const bytes = Buffer.concat([head, noise])
      bytes.writeUInt16BE(noise[0] ?? 0, 6)
      bytes.writeUInt16BE(noise[1] ?? 0, 10)
      const message = readMessage(bytes, question)
      if (message.kind === 'reply') followReply(startChain('example.com', 'MX'), message, false)
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

test('a good answer with some octets changed is an answer, a broken one, or a stray, and never an exception', (t) => {
  const types = ['A', 'AAAA', 'MX', 'PTR', 'TXT', 'TLSA', 'CNAME', 'SOA'] as const
  const words8 = [
    '192.0.2.1',
    '2001:db8::1',
    '10 mx.example.com',
    'h.example',
    '"text"',
    '3 1 1 abcd',
    'c.example',
    'n.example r.example 1 2 3 4 5',
  ]
  fc.assert(
    fc.property(
      fc.nat(types.length - 1),
      fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 8 }),
      (which, changes) => {
        const type = types[which] ?? 'A'
        const record: WireRecord = { name: 'example.com', type, data: wireData(type, words8[which] ?? '') }
        const soa: WireRecord = { name: 'com', type: 'SOA', data: wireData('SOA', 'a b 1 2 3 4 5') }
        const bytes = wireMessage({
          id: ID,
          question: { name: 'example.com', type },
          answers: [record, record],
          authorities: [soa],
          additionals: [optWithErrors(6)],
        })
        for (const [at, octet] of changes) bytes[at % bytes.length] = octet
        const message = readMessage(bytes, ask(type))
        if (message.kind === 'reply') followReply(startChain('example.com', type), message, false)
      },
    ),
    { numRuns: 3000 },
  )
  t.pass()
})
