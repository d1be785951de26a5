import test from 'ava'
import { Transaction } from '#src/delivery/transaction.ts'
import type { Step } from '#src/delivery/dialogue.ts'
import type { Envelope } from '#src/delivery/envelope.ts'
import type { Break } from '#src/delivery/failure.ts'
import type { PeerReply } from '#src/delivery/replies.ts'

function reply(line: string): PeerReply {
  return { code: Number(line.slice(0, 3)), lines: [line] }
}

function envelope(change: Partial<Envelope> = {}, count = 3): Envelope {
  return {
    protocol: 'lmtp',
    peer: 'h[1.2.3.4]',
    pipelining: true,
    chunking: false,
    mail: 'MAIL FROM:<s@x>\r\n',
    recipients: Array.from({ length: count }, (_, index) => ({
      index,
      command: `RCPT TO:<r${index}@x>\r\n`,
    })),
    ...change,
  }
}

/** A reply, 'sent' for the body and its dot, or a break. */
type Event = string | { readonly broken: Break }

/** Plays replies (and 'sent' for the body) and tells the steps and each recipient's kind and status. */
function play(
  transaction: Transaction,
  events: readonly Event[],
): { readonly steps: string[]; readonly results: string[] } {
  const steps: string[] = []
  const note = (step: Step): void => {
    steps.push(
      step.kind === 'send' ? step.text.trimEnd() : step.kind === 'end' ? `end ${step.keep}` : step.kind,
    )
  }
  for (const event of events) {
    if (event === 'sent') transaction.bodySent()
    else if (typeof event === 'string') note(transaction.reply(reply(event)))
    else note(transaction.broken(event.broken))
  }
  const results = [...transaction.results]
    .toSorted(([a], [b]) => a - b)
    .map(([, { kind, dsn }]) => `${kind} ${dsn}`)
  return { steps, results }
}

const MAIL = '250 2.1.0 ok'
const RCPT = '250 2.1.5 ok'
const GO = '354 go'
const SENT = '250 2.0.0 ok'

interface Case {
  readonly title: string
  readonly events: readonly Event[]
  readonly results: readonly string[]
  readonly end: string
  readonly envelope?: Partial<Envelope>
  readonly reused?: boolean
  readonly reset?: boolean
}

const CASES: readonly Case[] = [
  {
    title: 'each recipient has its own reply after the dot',
    events: [MAIL, RCPT, RCPT, RCPT, GO, 'sent', SENT, '452 4.2.2 full', '550 5.1.1 gone'],
    results: ['sent 2.0.0', 'deferred 4.2.2', 'bounced 5.1.1'],
    end: 'end clean',
  },
  {
    title: 'replies after the dot go to the accepted recipients alone, in order',
    events: [MAIL, RCPT, '550 5.1.1 no', RCPT, GO, 'sent', '451 4.3.0 x', SENT],
    results: ['deferred 4.3.0', 'bounced 5.1.1', 'sent 2.0.0'],
    end: 'end clean',
  },
  {
    title: 'in SMTP one reply is for all',
    envelope: { protocol: 'smtp' },
    events: [MAIL, RCPT, '450 4.2.1 later', RCPT, GO, 'sent', SENT],
    results: ['sent 2.0.0', 'deferred 4.2.1', 'sent 2.0.0'],
    end: 'end clean',
  },
  {
    title: 'a connection lost between the replies leaves those answered final and defers the others',
    events: [MAIL, RCPT, RCPT, RCPT, GO, 'sent', SENT, { broken: 'lost' }],
    results: ['sent 2.0.0', 'deferred 4.4.2', 'deferred 4.4.2'],
    end: 'end drop',
  },
  {
    title: 'a stall after the dot defers',
    events: [MAIL, RCPT, RCPT, RCPT, GO, 'sent', { broken: 'timeout' }],
    results: ['deferred 4.4.2', 'deferred 4.4.2', 'deferred 4.4.2'],
    end: 'end drop',
  },
  {
    title: 'MAIL refused for good bounces everyone, and the rest of the pipeline means nothing',
    events: ['550 5.7.1 no', '503 5.5.1 x', '503 5.5.1 x', '503 5.5.1 x', '503 5.5.1 x'],
    results: ['bounced 5.7.1', 'bounced 5.7.1', 'bounced 5.7.1'],
    end: 'end reset',
  },
  {
    title: 'MAIL refused for now defers everyone',
    events: ['452 4.3.1 full', '503 x', '503 x', '503 x', '503 x'],
    results: ['deferred 4.3.1', 'deferred 4.3.1', 'deferred 4.3.1'],
    end: 'end reset',
  },
  {
    title: 'after a refused MAIL a peer that goes on all the same gets no dot',
    events: ['550 5.7.1 no', RCPT, RCPT, RCPT, GO],
    results: ['bounced 5.7.1', 'bounced 5.7.1', 'bounced 5.7.1'],
    end: 'end drop',
  },
  {
    title: 'all recipients refused and DATA refused leaves the connection for a RSET',
    events: [MAIL, '550 5.1.1 a', '450 4.2.1 b', '550 5.1.1 c', '503 5.5.1 no'],
    results: ['bounced 5.1.1', 'deferred 4.2.1', 'bounced 5.1.1'],
    end: 'end reset',
  },
  {
    title: 'all recipients refused and DATA taken ends with a lone dot and a closed connection',
    events: [MAIL, '550 5.1.1 a', '550 5.1.1 b', '550 5.1.1 c', GO],
    results: ['bounced 5.1.1', 'bounced 5.1.1', 'bounced 5.1.1'],
    end: 'end drop',
  },
  {
    title: 'DATA refused for good bounces those accepted, and only those',
    events: [MAIL, RCPT, '450 4.2.1 later', RCPT, '554 5.6.0 no'],
    results: ['bounced 5.6.0', 'deferred 4.2.1', 'bounced 5.6.0'],
    end: 'end reset',
  },
  {
    title: 'DATA answered with 250 is no answer',
    events: [MAIL, RCPT, RCPT, RCPT, '250 2.0.0 queued'],
    results: ['deferred 4.5.0', 'deferred 4.5.0', 'deferred 4.5.0'],
    end: 'end drop',
  },
  {
    title: '421 to a RCPT defers everyone without an answer',
    events: [MAIL, '550 5.1.1 no', '421 4.3.2 closing'],
    results: ['bounced 5.1.1', 'deferred 4.3.2', 'deferred 4.3.2'],
    end: 'end drop',
  },
  {
    title: '421 after the dot is one recipient, and what still comes counts',
    events: [MAIL, RCPT, RCPT, RCPT, GO, 'sent', '421 4.3.2 closing', SENT, { broken: 'lost' }],
    results: ['deferred 4.3.2', 'sent 2.0.0', 'deferred 4.4.2'],
    end: 'end drop',
  },
  {
    title: 'an acceptance before the message was sent is not believed',
    events: [MAIL, RCPT, RCPT, RCPT, GO, SENT],
    results: ['deferred 4.5.0', 'deferred 4.5.0', 'deferred 4.5.0'],
    end: 'end drop',
  },
  {
    title: 'a refusal in the middle of the message is believed',
    envelope: { protocol: 'smtp' },
    events: [MAIL, RCPT, RCPT, RCPT, GO, '552 5.3.4 too big'],
    results: ['bounced 5.3.4', 'bounced 5.3.4', 'bounced 5.3.4'],
    end: 'end drop',
  },
  {
    title: '552 without a status after accepted recipients means too many of them',
    events: [MAIL, RCPT, RCPT, '552 Too many recipients', GO, 'sent', SENT, SENT],
    results: ['sent 2.0.0', 'sent 2.0.0', 'deferred 4.5.3'],
    end: 'end clean',
  },
  {
    title: '552 5.2.2 is a full mailbox and final',
    events: [MAIL, RCPT, RCPT, '552 5.2.2 over quota', GO, 'sent', SENT, SENT],
    results: ['sent 2.0.0', 'sent 2.0.0', 'bounced 5.2.2'],
    end: 'end clean',
  },
  {
    title: 'a used connection that dies before the first reply is only stale',
    reused: true,
    events: [{ broken: 'lost' }],
    results: [],
    end: 'end stale',
  },
  {
    title: 'a used connection that says 421 at once is only stale',
    reused: true,
    events: ['421 4.4.2 idle too long'],
    results: [],
    end: 'end stale',
  },
  {
    title: 'a used connection that dies after the first reply is an attempt',
    reused: true,
    events: [MAIL, { broken: 'lost' }],
    results: ['deferred 4.4.2', 'deferred 4.4.2', 'deferred 4.4.2'],
    end: 'end drop',
  },
  {
    title: 'a refused RSET makes the connection stale',
    reused: true,
    reset: true,
    events: ['500 what'],
    results: [],
    end: 'end stale',
  },
  {
    title: 'a body that cannot be read defers',
    events: [MAIL, RCPT, RCPT, RCPT, GO, { broken: 'local' }],
    results: ['deferred 4.3.0', 'deferred 4.3.0', 'deferred 4.3.0'],
    end: 'end drop',
  },
  {
    title: 'a status of another class than its reply is not taken',
    events: [MAIL, RCPT, RCPT, RCPT, GO, 'sent', '250 5.1.1 odd', '550 2.0.0 odd', '450 no status'],
    results: ['sent 2.0.0', 'bounced 5.0.0', 'deferred 4.0.0'],
    end: 'end clean',
  },
]

for (const each of CASES) {
  test(each.title, (t) => {
    const transaction = new Transaction(envelope(each.envelope), {
      reused: each.reused ?? false,
      reset: each.reset ?? false,
    })
    transaction.start()
    const { steps, results } = play(transaction, each.events)
    t.deepEqual(results, each.results)
    t.is(steps.at(-1), each.end)
  })
}

test('with pipelining everything up to DATA is one packet', (t) => {
  const transaction = new Transaction(envelope({}, 2), { reused: true, reset: true })
  t.is(transaction.start(), 'RSET\r\nMAIL FROM:<s@x>\r\nRCPT TO:<r0@x>\r\nRCPT TO:<r1@x>\r\nDATA\r\n')
})

test('without pipelining each command waits for the reply to the one before', (t) => {
  const transaction = new Transaction(envelope({ pipelining: false }, 2), { reused: true, reset: true })
  t.is(transaction.start(), 'RSET\r\n')
  t.deepEqual(play(transaction, ['250 ok', MAIL, '550 5.1.1 no', RCPT, GO, 'sent', SENT]), {
    steps: ['MAIL FROM:<s@x>', 'RCPT TO:<r0@x>', 'RCPT TO:<r1@x>', 'DATA', 'body', 'end clean'],
    results: ['bounced 5.1.1', 'sent 2.0.0'],
  })
})

test('without pipelining DATA is not said when every recipient was refused', (t) => {
  const transaction = new Transaction(envelope({ pipelining: false }, 2), { reused: false, reset: false })
  transaction.start()
  t.deepEqual(play(transaction, [MAIL, '550 5.1.1 no', '550 5.1.1 no']).steps, [
    'RCPT TO:<r0@x>',
    'RCPT TO:<r1@x>',
    'end reset',
  ])
})

test('whatever a peer says and wherever it breaks, everyone has one outcome and an answer is never taken back', (t) => {
  const words = [
    '250 2.0.0 a',
    '354 b',
    '450 4.0.0 c',
    '550 5.0.0 d',
    '421 4.0.0 e',
    'sent',
    'BREAK',
  ] as const
  // Every sequence of five of these, in both protocols, with and without pipelining.
  for (let number = 0; number < words.length ** 5 * 4; number += 1) {
    const envelopeOf = envelope(
      { protocol: number % 2 === 0 ? 'lmtp' : 'smtp', pipelining: Math.trunc(number / 2) % 2 === 0 },
      2,
    )
    const transaction = new Transaction(envelopeOf, { reused: false, reset: false })
    let rest = Math.trunc(number / 4)
    let ended = false
    const seen = new Map<number, unknown>()
    for (let i = 0; i < 5 && !ended; i += 1) {
      const word = words[rest % words.length] ?? 'BREAK'
      rest = Math.trunc(rest / words.length)
      if (word === 'sent') {
        transaction.bodySent()
        continue
      }
      const step = word === 'BREAK' ? transaction.broken('lost') : transaction.reply(reply(word))
      ended = step.kind === 'end'
      for (const [index, result] of seen)
        if (transaction.results.get(index) !== result) t.fail(`taken back in ${number}`)
      for (const [index, result] of transaction.results) seen.set(index, result)
    }
    if (!ended) transaction.broken('timeout')
    if (transaction.results.size !== 2) t.fail(`not everyone has an outcome in ${number}`)
  }
  t.pass()
})
