import test from 'ava'
import * as fc from 'fast-check'
import {
  ANSWER_BYTES_MAX,
  LdapNonsense,
  MESSAGE_BYTES_MAX,
  MessageCutter,
} from '#src/directory/ldap/framing.ts'

/** A message of LDAP with so many octets inside; the length is written in `octets` octets (0: the short form). */
function message(inside: number, octets: number): Buffer {
  const head =
    octets === 0
      ? Buffer.from([0x30, inside])
      : Buffer.from([
          0x30,
          0x80 | octets,
          ...Buffer.from(inside.toString(16).padStart(octets * 2, '0'), 'hex'),
        ])
  return Buffer.concat([head, Buffer.alloc(inside, 7)])
}

test('messages come out whole and in order, however the stream was cut', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(300), fc.integer({ min: 0, max: 4 })), { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 10 }),
      (shapes, cuts) => {
        const messages = shapes.map(([inside, octets]) =>
          octets === 0 ? message(inside % 128, 0) : message(inside % 2 ** (octets * 8), octets),
        )
        const stream = Buffer.concat(messages)
        const cutter = new MessageCutter()
        const out: Buffer[] = []
        for (let at = 0, n = 0; at < stream.length; n += 1) {
          const size = cuts[n % cuts.length] ?? 1
          for (const one of cutter.push(stream.subarray(at, at + size))) out.push(Buffer.from(one))
          at += size
        }
        t.deepEqual(out, messages)
      },
    ),
  )
})

for (const [what, bytes] of [
  ['a greeting of another protocol', Buffer.from('220 mx.example.test ESMTP\r\n')],
  ['a length without an end', Buffer.from([0x30, 0x80])],
  ['a length of more octets than there are limits', Buffer.from([0x30, 0x85, 1, 0, 0, 0, 0])],
  ['a message that would not fit into memory', Buffer.from([0x30, 0x84, 0xff, 0xff, 0xff, 0xff])],
  [
    'a message just over the limit',
    Buffer.from([0x30, 0x83, ...Buffer.from(MESSAGE_BYTES_MAX.toString(16).padStart(6, '0'), 'hex')]),
  ],
  ['nonsense behind a message', Buffer.concat([message(3, 0), Buffer.from([0x31, 1, 1])])],
] as const) {
  test(`${what} is nonsense before anything of it is kept`, (t) => {
    t.throws(() => [...new MessageCutter().push(bytes)], { instanceOf: LdapNonsense })
  })
}

test('an answer without end is cut, and a new request starts at nothing', (t) => {
  const cutter = new MessageCutter()
  const one = message(MESSAGE_BYTES_MAX / 2, 4)
  const half = Math.floor(ANSWER_BYTES_MAX / one.length)
  for (let n = 0; n < half; n += 1) t.is([...cutter.push(one)].length, 1)
  t.throws(() => [...cutter.push(one)], { instanceOf: LdapNonsense })
  cutter.begin()
  t.is([...cutter.push(message(1, 0))].length, 1)
})

test('bytes by chance are cut or refused, and nothing else happens', (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 }), (chunks) => {
      const cutter = new MessageCutter()
      try {
        for (const chunk of chunks) for (const one of cutter.push(Buffer.from(chunk))) t.is(one[0], 0x30)
      } catch (error) {
        t.true(error instanceof LdapNonsense)
      }
    }),
  )
})
