import test from 'ava'
import { FakePeer, greeted, wellBehaved } from './fake-peer.ts'
import { PeerTranscript } from '#src/delivery/transcript.ts'
import { deliverer, never, request } from './requests.ts'
import type { Script } from './fake-peer.ts'
import type { PeerTrouble } from '#src/delivery/transcript.ts'

/** A peer that answers that verb with that, and everything else well. */
function answers(verb: string, reply: string): Script {
  return greeted(async (conversation) => {
    for (let line = await conversation.line(); line !== ''; line = await conversation.line()) {
      const word = line.slice(0, 4)
      conversation.say(word === verb ? reply : word === 'DATA' ? '354 go\r\n' : '250 2.0.0 ok\r\n')
      if (word !== 'DATA' || verb === 'DATA') continue
      await conversation.message()
      conversation.say('250 2.0.0 taken\r\n')
    }
  }, '250 peer\r\n')
}

async function troubles(script: Script, wanted = true): Promise<PeerTrouble[]> {
  const told: PeerTrouble[] = []
  await using peer = await FakePeer.listen(script)
  const onTrouble = () => (wanted ? (trouble: PeerTrouble) => told.push(trouble) : undefined)
  await using delivery = deliverer({}, { onTrouble })
  await delivery.deliver(request(peer.port, ['a@x.test', 'b@x.test']), never)
  return told
}

for (const [what, script, last] of [
  ['a recipient is bad syntax to it', answers('RCPT', '501 5.5.2 Bad\r\n'), ' In:  501 5.5.2 Bad'],
  ['it does not know a parameter', answers('MAIL', '555 5.5.4 No\rway\r\n'), ' In:  555 5.5.4 No?way'],
  [
    'it has DATA out of place',
    answers('DATA', '503-5.5.1 Two\r\n503 5.5.1 lines\r\n'),
    ' In:  503 5.5.1 lines',
  ],
  ['it says what is no reply', answers('MAIL', 'hello?\r\n'), '[and what is no reply]'],
  ['it says 354 to MAIL', answers('MAIL', '354 go\r\n'), ' In:  354 go'],
] as const satisfies readonly (readonly [string, Script, string])[]) {
  test(`postmaster may be told of a peer where ${what}, once`, async (t) => {
    const [only, more] = await troubles(script)
    t.is(more, undefined)
    t.is(only?.lines[0], ' In:  220 peer LMTP')
    t.is(only?.lines.at(-1), last)
    t.deepEqual(await troubles(script, false), [])
  })
}

for (const [what, script] of [
  ['takes it', wellBehaved()],
  ['refuses somebody', answers('RCPT', '550 5.1.1 Nobody\r\n')],
  ['puts it off', answers('MAIL', '451 4.3.0 Later\r\n')],
] as const satisfies readonly (readonly [string, Script])[]) {
  test(`nobody is told of a peer that ${what}`, async (t) => {
    t.deepEqual(await troubles(script), [])
  })
}

test('no credentials and no content get into what postmaster is told', (t) => {
  const peer = { protocol: 'smtp', host: 'relay.test', address: '192.0.2.1', port: 25 } as const
  const transcript = new PeerTranscript(peer, () => {})
  transcript.said('EHLO mx.test\r\n', 'ehlo')
  transcript.said('AUTH PLAIN AGFubgBzZWNyZXQ=\r\n', 'auth')
  transcript.said('AUTH LOGIN\r\n', 'auth')
  transcript.said('c2VjcmV0\r\n', 'auth')
  t.deepEqual(transcript.lines, [
    ' Out: EHLO mx.test',
    ' Out: AUTH PLAIN',
    ' Out: AUTH LOGIN',
    ' Out: [authentication]',
  ])
})
