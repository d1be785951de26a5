import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { compare, Ledger, ledgerMail, type Answer, type FaultSpan } from '#test/support/ledger.ts'
import { LmtpSink, type SinkDelivery } from '#test/support/lmtp-sink.ts'
import { EICAR } from '#test/support/mails.ts'
import { seededRandom } from '#test/support/random.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'

const NOTHING = {
  lost: [],
  changed: [],
  refusedYetDelivered: [],
  strangers: [],
  doubles: [],
  unexplained: [],
}

interface Story {
  readonly title: string
  readonly answer: Answer
  /** Instants at which the sink took it; 'else' with other bytes. */
  readonly taken: readonly { readonly atMs: number; readonly sha256?: string }[]
  readonly elsewhere?: boolean
  readonly faults?: readonly FaultSpan[]
  readonly found: Partial<Record<keyof typeof NOTHING, readonly string[]>>
}

const STORIES: readonly Story[] = [
  { title: 'accepted and delivered is right', answer: 'accepted', taken: [{ atMs: 1 }], found: {} },
  { title: 'accepted and still queued is right', answer: 'accepted', taken: [], elsewhere: true, found: {} },
  { title: 'accepted and nowhere is lost', answer: 'accepted', taken: [], found: { lost: ['a'] } },
  { title: 'deferred and nowhere is right', answer: 'deferred', taken: [], found: {} },
  {
    title: 'deferred and yet delivered is right: the commit may have reached the disk',
    answer: 'deferred',
    taken: [{ atMs: 1 }],
    found: {},
  },
  {
    title: 'refused and yet delivered is wrong',
    answer: 'refused',
    taken: [{ atMs: 1 }],
    found: { refusedYetDelivered: ['a'] },
  },
  {
    title: 'other bytes are noticed',
    answer: 'accepted',
    taken: [{ atMs: 1, sha256: 'else' }],
    found: { changed: ['a'] },
  },
  {
    title: 'twice with a fault between is explained',
    answer: 'accepted',
    taken: [{ atMs: 1 }, { atMs: 5 }],
    faults: [{ fromMs: 2, toMs: 3 }],
    found: { doubles: ['a'] },
  },
  {
    title: 'twice with the fault before both is not',
    answer: 'accepted',
    taken: [{ atMs: 4 }, { atMs: 5 }],
    faults: [{ fromMs: 2, toMs: 3 }],
    found: { unexplained: ['a'] },
  },
]

for (const story of STORIES) {
  test(story.title, (t) => {
    using folder = tempFolder('ledger')
    const file = join(folder.path, 'ledger')
    using ledger = new Ledger(file)
    const mail = ledgerMail('a', 'alice@example.test', seededRandom(1))
    ledger.note(mail, story.answer)
    const deliveries = story.taken.map(({ atMs, sha256 = mail.sha256 }) => delivery('a', sha256, atMs))
    const others = {
      elsewhere: new Set(story.elsewhere === true ? ['a'] : []),
      faults: story.faults ?? [],
    }
    t.deepEqual(compare(ledger, deliveries, others), { ...NOTHING, ...story.found })
    t.is(readFileSync(file, 'utf8'), `${story.answer} a ${mail.sha256}\n`)
  })
}

test('a delivery that no client sent is a stranger', (t) => {
  using folder = tempFolder('ledger')
  using ledger = new Ledger(join(folder.path, 'ledger'))
  const verdict = compare(ledger, [delivery('b', 'x', 1)], { elsewhere: new Set(), faults: [] })
  t.deepEqual(verdict, { ...NOTHING, strangers: ['b'] })
})

test('what the client sends with dots, octets above 127 and lines on top has the same hash at the sink', async (t) => {
  await using sink = await LmtpSink.listen({ keep: true })
  const random = seededRandom(2)
  const mails = [0, 1, 2, 3, 4, 5, 6, 7].map((n) =>
    ledgerMail(`m${n}`, 'alice@example.test', random, { last: n === 3 ? EICAR : '.' }),
  )
  using client = await SmtpClient.connect(sink.port)
  t.is((await client.reply()).code, 220)
  t.is((await client.command('LHLO client.example')).code, 250)
  for (const mail of mails) {
    const message = Buffer.concat([Buffer.from('Received: from somewhere\r\n'), mail.message])
    t.is((await client.send({ from: '', to: [mail.recipient], message })).code, 250)
  }
  t.deepEqual(
    sink.deliveries.map(({ ledgerId, sha256 }) => ({ ledgerId, sha256 })),
    mails.map(({ id, sha256 }) => ({ ledgerId: id, sha256 })),
  )
})

function delivery(ledgerId: string, sha256: string, atMs: number): SinkDelivery {
  return { ledgerId, sha256, atMs, recipient: 'alice@example.test', sender: '', message: Buffer.alloc(0) }
}
