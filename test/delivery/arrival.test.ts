import test from 'ava'
import { FakePeer, LHLO_ALL, wellBehaved } from './fake-peer.ts'
import { deliverer, never, recipient, request } from './requests.ts'
import type { Arrival, QueuedRecipient } from '#src/queue/ports.ts'

const WITH_DSN = `${LHLO_ALL.replace('250 ENH', '250-ENH')}250 DSN\r\n`

interface Case {
  readonly title: string
  readonly protocol: 'lmtp' | 'smtp'
  readonly hello: string
  /** undefined: in its mailbox, which needs no word. */
  readonly arrival: Arrival | undefined
}

const CASES: readonly Case[] = [
  { title: 'a mailbox server has it in its mailbox', protocol: 'lmtp', hello: LHLO_ALL, arrival: undefined },
  { title: 'a mailbox server that offers DSN too', protocol: 'lmtp', hello: WITH_DSN, arrival: undefined },
  { title: 'a next hop without DSN has it relayed', protocol: 'smtp', hello: LHLO_ALL, arrival: 'relayed' },
  { title: 'a next hop with DSN owes the report', protocol: 'smtp', hello: WITH_DSN, arrival: 'passed' },
]

for (const { title, protocol, hello, arrival } of CASES) {
  test(title, async (t) => {
    await using peer = await FakePeer.listen(wellBehaved([], hello, protocol))
    await using delivery = deliverer({ tls: 'none' })
    const recipients = [recipient('a@x.test', { notify: ['SUCCESS'] }), recipient('b@x.test', { n: 1 })]
    const outcomes = await delivery.deliver(request(peer.port, [], { protocol, recipients }), never)
    t.deepEqual(
      outcomes.map((outcome) => [outcome.kind, outcome.arrival]),
      [
        ['sent', arrival],
        ['sent', arrival],
      ],
    )
    const passed = peer.conversations[0]?.heard.filter((line) => line.includes('NOTIFY=')) ?? []
    t.is(passed.length, arrival === 'passed' ? 1 : 0)
  })
}

const ORCPT: readonly (readonly [string, Partial<QueuedRecipient>, string])[] = [
  ['what the client gave goes on as it is', { orcpt: 'rfc822;x+2By@y.test' }, ' ORCPT=rfc822;x+2By@y.test'],
  ['else the address that it gave', { original: 'a+b@y.test' }, ' ORCPT=rfc822;a+2Bb@y.test'],
  ['one beyond ASCII is left out', { original: 'm\u00fcller@y.test' }, ''],
  ['a value that is none is left out', { orcpt: 'rfc822;a b' }, ''],
]

for (const [title, change, parameter] of ORCPT) {
  test(`ORCPT: ${title}`, async (t) => {
    await using peer = await FakePeer.listen(wellBehaved([], WITH_DSN, 'smtp'))
    await using delivery = deliverer({ tls: 'none' })
    const recipients = [recipient('a@x.test', change)]
    await delivery.deliver(request(peer.port, [], { protocol: 'smtp', recipients }), never)
    const rcpt = peer.conversations[0]?.heard.find((line) => line.startsWith('RCPT '))
    t.is(rcpt, `RCPT TO:<a@x.test>${parameter}`)
  })
}
