import test from 'ava'
import { parseAddress } from '#src/mail/address.ts'
import { RECIPIENTS_MAX } from '#src/queue/limits.ts'
import type { Notify } from '#src/queue/types.ts'
import { parseMailParameters } from '#src/smtp/parameters.ts'
import { addRecipient, newEnvelope } from '#src/smtp/session.ts'
import type { Envelope } from '#src/smtp/session.ts'

function envelope(): Envelope {
  const sender = parseAddress('s@x.test')
  if (sender === undefined) throw new Error('no address')
  const parameters = parseMailParameters('')
  if (!parameters.ok) throw new Error('no parameters are wrong')
  return newEnvelope(sender, parameters.value)
}

interface Case {
  readonly title: string
  readonly deliverTo: readonly string[]
  readonly notify: readonly Notify[]
  readonly becomes: readonly (readonly [string, readonly Notify[]])[]
}

const CASES: readonly Case[] = [
  {
    title: 'one address for another keeps all wishes',
    deliverTo: ['one@x.test'],
    notify: ['SUCCESS', 'FAILURE'],
    becomes: [['one@x.test', ['SUCCESS', 'FAILURE']]],
  },
  {
    title: 'several tell of failure each, and of success the address that they stand for',
    deliverTo: ['one@x.test', 'two@x.test'],
    notify: ['SUCCESS', 'FAILURE'],
    becomes: [
      ['one@x.test', ['FAILURE']],
      ['two@x.test', ['FAILURE']],
      ['list@x.test', ['EXPANDED']],
    ],
  },
  {
    title: 'a wish for success alone leaves none for the several',
    deliverTo: ['one@x.test', 'two@x.test'],
    notify: ['SUCCESS'],
    becomes: [
      ['one@x.test', ['NEVER']],
      ['two@x.test', ['NEVER']],
      ['list@x.test', ['EXPANDED']],
    ],
  },
  {
    title: 'without a wish for success nothing is added',
    deliverTo: ['one@x.test', 'two@x.test'],
    notify: [],
    becomes: [
      ['one@x.test', []],
      ['two@x.test', []],
    ],
  },
]

for (const { title, deliverTo, notify, becomes } of CASES) {
  test(title, (t) => {
    const given = envelope()
    addRecipient(given, deliverTo, { original: 'list@x.test', orcpt: 'rfc822;list@x.test', notify })
    t.deepEqual(
      given.recipients.map((each) => [each.address, each.notify]),
      becomes,
    )
    t.true(given.recipients.every(({ orcpt }) => orcpt === 'rfc822;list@x.test'))
  })
}

test('a list that is named twice is told of once', (t) => {
  const given = envelope()
  const rest = { original: 'list@x.test', orcpt: '', notify: ['SUCCESS'] as const }
  for (let i = 0; i < 2; i++) addRecipient(given, ['one@x.test', 'two@x.test'], rest)
  t.is(given.recipients.filter((each) => each.notify.includes('EXPANDED')).length, 1)
  t.is(given.recipients.length, 3)
})

test('an envelope never holds more recipients than the queue takes', (t) => {
  const given = envelope()
  const members = Array.from({ length: RECIPIENTS_MAX }, (_, i) => `m${i}@x.test`)
  addRecipient(given, members, { original: 'list@x.test', orcpt: '', notify: ['SUCCESS'] })
  t.is(given.recipients.length, RECIPIENTS_MAX)
})
