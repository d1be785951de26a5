import test from 'ava'
import * as fc from 'fast-check'
import { serve } from './support/serve.ts'
import { Talk } from './support/talk.ts'

/**
 * A reference in thirty lines: which reply class each step gets. It knows no words, only the rules of RFC 5321 section
 * 4.1.4 and RFC 3030 section 2; the server must agree over every sequence of commands.
 */
interface Model {
  at: 'start' | 'greeted' | 'mail' | 'bdat' | 'discard'
  accepted: number
  hello: boolean
  queued: number
}

interface Step {
  readonly name: string
  /** Sent at once; a message behind 354 only if it came. */
  readonly line: string
  readonly body?: string
  /** The code that must come, and what the model is afterwards. */
  readonly expect: (model: Model) => number
}

function over(model: Model): void {
  model.at = model.hello ? 'greeted' : 'start'
  model.accepted = 0
}

function chunk(model: Model, octets: number, last: boolean): number {
  const fine = (model.at === 'mail' && model.accepted > 0) || model.at === 'bdat'
  if (fine && octets > 0 && !last) {
    model.at = 'bdat'
    return 250
  }
  if (fine && last) {
    model.queued += 1
    over(model)
    return 250
  }
  const { at } = model
  if (last) over(model)
  else model.at = 'discard'
  if (octets === 0 && !last) return 551
  if (at === 'discard') return 551
  return at === 'mail' ? 554 : 503
}

const STEPS: readonly Step[] = [
  {
    name: 'EHLO',
    line: 'EHLO client.example',
    expect: (m) => {
      m.hello = true
      over(m)
      return 250
    },
  },
  { name: 'EHLO without a name', line: 'EHLO', expect: () => 501 },
  { name: 'NOOP', line: 'NOOP', expect: () => 250 },
  { name: 'HELP', line: 'HELP', expect: () => 214 },
  { name: 'unknown', line: 'XYZZY', expect: () => 500 },
  { name: 'VRFY', line: 'VRFY user', expect: (m) => (m.hello ? 252 : m.at === 'discard' ? 252 : 503) },
  {
    name: 'RSET',
    line: 'RSET',
    expect: (m) => {
      over(m)
      return 250
    },
  },
  { name: 'RSET with an argument', line: 'RSET x', expect: () => 501 },
  {
    name: 'MAIL',
    line: 'MAIL FROM:<a@client.example>',
    expect: (m) => {
      if (m.at !== 'greeted') return 503
      m.at = 'mail'
      return 250
    },
  },
  {
    name: 'MAIL, banned',
    line: 'MAIL FROM:<banned@client.example>',
    expect: (m) => (m.at === 'greeted' ? 554 : 503),
  },
  { name: 'MAIL, bad', line: 'MAIL FROM:<a@>', expect: (m) => (m.at === 'greeted' ? 501 : 503) },
  ...['user', 'slow'].map((local) => ({
    name: `RCPT, ${local}`,
    line: `RCPT TO:<${local}@example.test>`,
    expect: (m: Model) => {
      if (m.at !== 'mail') return 503
      m.accepted += 1
      return 250
    },
  })),
  {
    name: 'RCPT, unknown',
    line: 'RCPT TO:<unknown@example.test>',
    expect: (m) => (m.at === 'mail' ? 550 : 503),
  },
  { name: 'RCPT, bad', line: 'RCPT TO:<>', expect: (m) => (m.at === 'mail' ? 501 : 503) },
  ...[
    ['DATA', 'Subject: x\r\n\r\nbody\r\n.\r\n', 250],
    ['DATA, a virus', 'Subject: virus\r\n\r\nbody\r\n.\r\n', 550],
    ['DATA, empty', '.\r\n', 250],
  ].map(([name, body, code]) => ({
    name: String(name),
    line: 'DATA',
    body: String(body),
    expect: (m: Model) => {
      if (m.at === 'mail' && m.accepted > 0) {
        if (code === 250) m.queued += 1
        over(m)
        return Number(code)
      }
      return m.at === 'mail' ? 554 : 503
    },
  })),
  { name: 'BDAT 5', line: 'BDAT 5\r\nRSET\r', expect: (m) => chunk(m, 5, false) },
  { name: 'BDAT 6 LAST', line: 'BDAT 6 LAST\r\nQUIT\r\n', expect: (m) => chunk(m, 6, true) },
  { name: 'BDAT 0', line: 'BDAT 0', expect: (m) => chunk(m, 0, false) },
  { name: 'BDAT 0 LAST', line: 'BDAT 0 LAST', expect: (m) => chunk(m, 0, true) },
]

/** The octets of a step: a chunk ends where it ends, a command with CRLF. */
function wire(step: Step): string {
  return step.line.startsWith('BDAT') && step.line.includes('\n') ? step.line : `${step.line}\r\n`
}

test('the server and the model agree over every sequence of commands', async (t) => {
  t.timeout(60_000)
  await using serving = await serve({
    softErrorLimit: 1000,
    hardErrorLimit: 1000,
    junkCommandLimit: 1000,
    // A chunk comes with its BDAT, also before EHLO.
    forbidUnauthPipelining: false,
  })
  const sequences = fc.array(fc.integer({ min: 0, max: STEPS.length - 1 }), { minLength: 1, maxLength: 40 })
  await fc.assert(
    fc.asyncProperty(sequences, async (sequence) => {
      const model: Model = { at: 'start', accepted: 0, hello: false, queued: 0 }
      const before = serving.queue.messages.length
      const told: string[] = []
      await using talk = await Talk.open(serving.port)
      await talk.reply()
      for (const n of sequence) {
        const step = STEPS[n]
        if (step === undefined) continue
        told.push(step.name)
        talk.write(wire(step))
        let reply = await talk.reply()
        if (reply.startsWith('354') && step.body !== undefined) {
          talk.write(step.body)
          reply = await talk.reply()
        }
        t.is(Number(reply.slice(0, 3)), step.expect(model), `${told.join(' | ')}: ${reply}`)
      }
      t.is(serving.queue.messages.length - before, model.queued, told.join(' | '))
    }),
    { numRuns: 150 },
  )
  t.is(serving.scanners.out, 0)
})

test('a session that is sent whole, cut anywhere, is answered as if it were not', async (t) => {
  t.timeout(60_000)
  await using serving = await serve({ errorDelayMs: 0, junkCommandLimit: 1000 })
  // DATA ends its group (RFC 2920), so its body is sent behind 354.
  const groups = [
    'EHLO client.example\r\n',
    'MAIL FROM:<a@client.example> SIZE=100\r\nRCPT TO:<user@example.test>\r\nRCPT TO:<unknown@example.test>\r\nDATA\r\n',
    'Subject: one\r\n\r\n..dot\r\n.x\r\nend\r\n.\r\nNOOP\r\nMAIL FROM:<"a b"@client.example>\r\nRCPT TO:<two@example.test>\r\nBDAT 7\r\nDATA\r\n.BDAT 6 LAST\r\n.\r\n.\r\nXYZZY\r\nNOOP \x01\r\n\nQUIT\r\n',
  ].map((text) => Buffer.from(text))
  const codes = [
    ['250'],
    ['250', '250', '550', '354'],
    ['250', '250', '250', '250', '250', '250', '500', '500', '500', '221'],
  ]
  const expected = codes.flat().join(' ')

  async function converse(cut: (group: Buffer) => readonly Buffer[]): Promise<string> {
    await using talk = await Talk.open(serving.port)
    const seen: string[] = []
    await talk.reply()
    for (const [n, group] of groups.entries()) {
      for (const piece of cut(group)) {
        await talk.flushed(piece)
        // A turn of the event loop in between, so that the server reads the pieces apart.
        await new Promise((resolve) => {
          setImmediate(resolve)
        })
      }
      for (const reply of await talk.replies(codes[n]?.length ?? 0)) seen.push(reply.slice(0, 3))
    }
    return seen.join(' ')
  }

  const length = Math.max(...groups.map((group) => group.length))
  for (let at = 1; at < length; at += 1) {
    t.is(
      await converse((group) =>
        [group.subarray(0, at), group.subarray(at)].filter((piece) => piece.length > 0),
      ),
      expected,
      `cut at ${at}`,
    )
  }
  t.is(
    await converse((group) => Array.from(group, (octet) => Buffer.from([octet]))),
    expected,
    'octet by octet',
  )
  const bodies = new Set(serving.queue.messages.map((_, n) => serving.queue.body(n).toString('latin1')))
  t.deepEqual(bodies, new Set(['Subject: one\r\n\r\n.dot\r\nx\r\nend\r\n', 'DATA\r\n..\r\n.\r\n']))
  t.is(serving.queue.messages.length, length * 2)
})
