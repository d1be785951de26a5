import { Buffer } from 'node:buffer'
import test from 'ava'
import { HeaderGate } from '#src/smtp/header-gate.ts'
import type { HeaderDecision } from '#src/mail/header-action.ts'

/** Does what a field's own value says. */
const BY_NAME: Readonly<Record<string, HeaderDecision['action']>> = {
  drop: { kind: 'drop' },
  replace: { kind: 'replace', text: 'X-New: text' },
  prepend: { kind: 'prepend', text: 'X-Before: text' },
  refuse: { kind: 'refuse', reply: { code: 550, dsn: '5.7.1', text: 'no' }, text: 'no' },
  discard: { kind: 'discard', text: 'away' },
  hold: { kind: 'hold', text: 'wait' },
  pass: { kind: 'pass', text: '' },
  bcc: { kind: 'bcc', address: 'copy@b.example' },
  redirect: { kind: 'redirect', address: 'other@b.example' },
}

interface Gated {
  readonly gate: HeaderGate
  readonly seen: string[]
}

function newGate(bytesMax = 102_400): Gated {
  const seen: string[] = []
  const check = (_kind: string, field: Uint8Array): HeaderDecision => {
    const text = Buffer.from(field).toString('latin1')
    seen.push(text)
    const action = BY_NAME[/^X-Do:\s*(\w+)/.exec(text)?.[1] ?? ''] ?? { kind: 'keep' }
    return { action, told: '', text: '' }
  }
  return { gate: new HeaderGate({ wantsParts: true, check }, bytesMax, () => {}), seen }
}

function pass(gate: HeaderGate, message: Buffer, cuts: readonly number[]): string {
  const out: Buffer[] = []
  let from = 0
  for (const to of [...cuts, message.length]) {
    out.push(Buffer.from(gate.take(message.subarray(from, to))))
    from = to
  }
  out.push(Buffer.from(gate.end()))
  return Buffer.concat(out).toString('latin1')
}

const MESSAGE = [
  'From mbox',
  'A: 1',
  'X-Do: drop',
  ' folded',
  'X-Do: replace',
  '\tfolded',
  'X-Do: prepend',
  'Caf\u00e9: no field',
  'X-Do: drop',
  '',
  'X-Do: drop',
]
  .join('\r\n')
  .replace('Caf\u00e9: no field\r\n', '')

const WANTED = ['From mbox', 'A: 1', 'X-New: text', 'X-Before: text', 'X-Do: prepend', '', 'X-Do: drop'].join(
  '\r\n',
)

test('a header is changed field by field, however it is cut, and the body never', (t) => {
  const message = Buffer.from(MESSAGE, 'latin1')
  for (let cut = 0; cut <= message.length; cut += 1)
    t.is(pass(newGate().gate, message, [cut]), WANTED, `cut at ${cut}`)
  t.is(
    pass(
      newGate().gate,
      message,
      Array.from(message, (_, n) => n),
    ),
    WANTED,
    'one octet at a time',
  )
})

test('fields are shown with their folds and without line ends', (t) => {
  const { gate, seen } = newGate()
  pass(gate, Buffer.from('A: 1\r\n\t2\r\n 3\r\nB:\r\n\r\nC: 3\r\n'), [])
  t.deepEqual(seen, ['A: 1\n\t2\n 3', 'B:'])
})

for (const [what, message, fields] of [
  ['an empty line first: there is no header', '\r\nX-Do: drop\r\n', 0],
  ['text first: there is no header', 'hello world\r\nX-Do: drop\r\n', 0],
  ['a line that is no field ends the header', 'A: 1\r\nhello\r\nX-Do: drop\r\n', 1],
  ['a fold without a field ends it', ' fold\r\nX-Do: drop\r\n', 0],
  ['a message that is all header', 'A: 1\r\nB: 2', 2],
  ['nothing at all', '', 0],
] as const)
  test(`${what}, and nothing is lost`, (t) => {
    const { gate, seen } = newGate()
    t.is(pass(gate, Buffer.from(message), []), message)
    t.is(seen.length, fields)
  })

test('a header that is too long passes from there on, and memory does not grow', (t) => {
  const { gate, seen } = newGate(1000)
  const line = `A: ${'x'.repeat(95)}\r\n`
  const message = Buffer.from(line.repeat(1000))
  t.is(
    pass(
      gate,
      message,
      Array.from({ length: 999 }, (_, n) => (n + 1) * line.length),
    ),
    message.toString(),
  )
  t.true(seen.length < 20)
})

function outcome(...fields: readonly string[]): HeaderGate['outcome'] {
  const { gate } = newGate()
  pass(gate, Buffer.from(`${fields.map((field) => `X-Do: ${field}\r\n`).join('')}\r\n`), [])
  return gate.outcome
}

test('what is decided on the way is known at the end', (t) => {
  t.is(outcome('refuse', 'hold').refusal?.code, 550)
  t.is(outcome('refuse', 'hold').hold, undefined, 'nothing behind a refusal counts')
  t.is(outcome('hold').hold, 'wait')
  t.is(outcome('discard').discard, 'away')
  t.is(outcome('pass', 'refuse').refusal, undefined)
  t.deepEqual(outcome('bcc', 'bcc').bcc, ['copy@b.example'])
  t.is(outcome('redirect').redirect, 'other@b.example')
})

test('a second look gets the message as it was sent', async (t) => {
  const { gate } = newGate()
  const message = Buffer.from(MESSAGE, 'latin1')
  const stored = Buffer.from(pass(gate, message, [40]), 'latin1')
  for (const size of [1, 7, 1000]) {
    const pieces = (async function* () {
      for (let from = 0; from < stored.length; from += size) yield stored.subarray(from, from + size)
    })()
    const seen: Uint8Array[] = []
    for await (const piece of gate.asSent(pieces)) seen.push(Buffer.from(piece))
    t.is(Buffer.concat(seen).toString('latin1'), MESSAGE)
  }
})

test('our own line is looked at too, and a part can be judged but not changed', (t) => {
  const { gate, seen } = newGate()
  t.is(gate.own('Received: by us\r\n\tfor you\r\nX-Do: drop\r\n'), 'Received: by us\r\n\tfor you\r\n')
  gate.part('mime', Buffer.from('Content-Type: text/plain;\r\n charset=utf-8\r\nX-Do: hold\r\n'))
  t.is(seen.at(-2), 'Content-Type: text/plain;\n charset=utf-8')
  t.is(gate.outcome.hold, 'wait')
})
