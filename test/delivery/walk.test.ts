import test from 'ava'
import { FakePeer, greeted, wellBehaved } from './fake-peer.ts'
import { deliverer, never, request } from './requests.ts'
import type { Planner } from '#src/delivery/attempt.ts'
import type { DestinationHop } from '#src/queue/ports.ts'
import type { Conversation, Script } from './fake-peer.ts'

/** What a host of the domain does with a message. */
type Manner =
  | 'takes'
  | 'busy'
  | 'full'
  | 'refuses'
  | 'greets 554'
  | 'hangs up'
  | 'loses the dot'
  | 'is ourselves'
  | 'is ourselves with a dot'
  | 'greets as us'
  | 'some'

const HELLO = '250 peer\r\n'

function script(manner: Manner): Script {
  switch (manner) {
    case 'takes':
      return wellBehaved([], HELLO, 'smtp')
    case 'busy':
      return (c) => {
        c.socket.end('421 4.3.2 busy\r\n')
      }
    case 'greets 554':
      return (c) => {
        c.socket.end('554 5.7.1 go away\r\n')
      }
    case 'hangs up':
      return (c) => {
        c.socket.end()
      }
    case 'is ourselves':
      return (c) => greeted((d) => d.closed(), '250 MX.Test at your service\r\n')(c)
    case 'is ourselves with a dot':
      return (c) => greeted((d) => d.closed(), '250 mx.test.\r\n')(c)
    case 'greets as us':
      return (c) => greeted((d) => takeOne(d), HELLO, '220 MX.test ESMTP\r\n')(c)
    case 'full':
      return greeted((c) => c.answer('250 ok\r\n', '450 4.2.0 later\r\n', '450 4.2.0 later\r\n'), HELLO)
    case 'refuses':
      return greeted((c) => c.answer('250 ok\r\n', '550 5.1.1 no\r\n', '550 5.1.1 no\r\n'), HELLO)
    case 'some':
      // Takes the first recipient, puts off the second, refuses the third.
      return greeted((c) => takeOne(c, '450 4.2.0 later\r\n', '550 5.1.1 no\r\n'), HELLO)
    case 'loses the dot':
      return greeted(async (c) => {
        await c.answer('250 ok\r\n', '250 ok\r\n', '354 go\r\n')
        await c.message()
        c.socket.end()
      }, HELLO)
  }
}

async function takeOne(c: Conversation, ...others: readonly string[]): Promise<void> {
  await c.answer('250 ok\r\n', '250 ok\r\n', ...others, '354 go\r\n')
  await c.message()
  c.say('250 2.0.0 taken\r\n')
  await c.closed()
}

interface Way {
  readonly hosts: readonly Manner[]
  /** Hosts of the fallback relay, behind those of the domain. */
  readonly fallback?: readonly Manner[]
  readonly role?: DestinationHop['role']
  readonly recipients?: number
}

/** One message along hosts in that order: `kind dsn host` of each recipient, how many hosts were connected to, alarms. */
async function walk({
  hosts,
  fallback = [],
  role = 'domain',
  recipients = 1,
}: Way): Promise<readonly [string[], number, string[]]> {
  await using stack = new AsyncDisposableStack()
  const peers: FakePeer[] = []
  for (const manner of [...hosts, ...fallback]) peers.push(stack.use(await FakePeer.listen(script(manner))))
  const hop = {
    text: 'far.example',
    host: 'far.example',
    port: 25,
    bracketed: false,
    role,
    reason: '',
  } as const
  const last = { ...hop, text: '[last]', role: 'fallback' } as const
  const planner: Planner = () =>
    Promise.resolve({
      kind: 'try',
      protocol: 'smtp',
      hops: [hop, last].map((each) => ({ hop: each, mxSecure: false, via: 'mx' as const })),
      candidates: peers.map(({ port }, n) => {
        const name = `mx${n}.example`
        const at = { address: '127.0.0.1', family: 4 as const, port, secure: false }
        return { ...at, host: name, canonicalHost: name, preference: n, hop: n < hosts.length ? 0 : 1 }
      }),
      sessionsMax: 2,
      alarm: '',
    })
  const delivery = stack.use(deliverer({ tls: 'none' }, { planner, ownNames: () => new Set(['mx.test']) }))
  const destination = { protocol: 'smtp', host: 'far.example', port: 25, hops: [hop, last] } as const
  const names = Array.from({ length: recipients }, (_, n) => `r${n}@far.example`)
  const outcomes = await delivery.deliver(request(0, names, { destination }), never)
  const told = outcomes.map(({ kind, dsn, relay }) => `${kind} ${dsn} ${relay.replace(/\[.*/, '')}`)
  const alarms = delivery.log.lines.filter(({ event }) => event === 'delivery.alarm')
  const reasons = alarms.map(({ facts }) => String(facts['reason']))
  return [told, peers.filter(({ conversations }) => conversations.length > 0).length, reasons]
}

const CASES: readonly (readonly [string, Way, readonly string[], number])[] = [
  ['the first that takes it is the last', { hosts: ['takes', 'takes'] }, ['sent 2.0.0 mx0.example'], 1],
  ['a host that is busy is passed over', { hosts: ['busy', 'takes'] }, ['sent 2.0.0 mx1.example'], 2],
  ['a 5xx greeting is about the host', { hosts: ['greets 554', 'takes'] }, ['sent 2.0.0 mx1.example'], 2],
  [
    'a host that hangs up is passed over',
    { hosts: ['hangs up', 'hangs up', 'takes'] },
    ['sent 2.0.0 mx2.example'],
    3,
  ],
  ['whoever is put off is taken to the next', { hosts: ['full', 'takes'] }, ['sent 2.0.0 mx1.example'], 2],
  ['whoever is refused is not', { hosts: ['refuses', 'takes'] }, ['bounced 5.1.1 mx0.example'], 1],
  ['two sessions are all', { hosts: ['full', 'full', 'takes'] }, ['deferred 4.2.0 mx1.example'], 2],
  ['greetings do not count as sessions', { hosts: ['full', 'busy', 'takes'] }, ['sent 2.0.0 mx2.example'], 3],
  [
    'the fallback relay has sessions of its own',
    { hosts: ['full', 'full', 'takes'], fallback: ['takes'] },
    ['sent 2.0.0 mx3.example'],
    3,
  ],
  [
    'the fallback relay comes after all hosts',
    { hosts: ['busy', 'hangs up'], fallback: ['takes'] },
    ['sent 2.0.0 mx2.example'],
    3,
  ],
  [
    'what may have been taken is not sent again',
    { hosts: ['loses the dot', 'takes'] },
    ['deferred 4.4.2 mx0.example'],
    1,
  ],
  [
    'the words of who spoke stay, if the next gives no session',
    { hosts: ['full', 'busy'] },
    ['deferred 4.2.0 mx0.example'],
    2,
  ],
  [
    'each recipient goes its own way',
    { hosts: ['some', 'takes'], recipients: 3 },
    ['sent 2.0.0 mx0.example', 'sent 2.0.0 mx1.example', 'bounced 5.1.1 mx0.example'],
    2,
  ],
  [
    'a domain whose MX is ourselves bounces',
    { hosts: ['is ourselves', 'takes'] },
    ['bounced 5.4.6 mx0.example'],
    1,
  ],
  [
    'a relay host that is ourselves defers',
    { hosts: ['is ourselves'], role: 'relayhost' },
    ['deferred 4.4.6 mx0.example'],
    1,
  ],
  [
    'the dot behind our name changes nothing',
    { hosts: ['is ourselves with a dot'] },
    ['bounced 5.4.6 mx0.example'],
    1,
  ],
  ['a host that only greets as we do gets it', { hosts: ['greets as us'] }, ['sent 2.0.0 mx0.example'], 1],
]

for (const [title, way, expected, connected] of CASES) {
  test(title, async (t) => {
    const [told, connections] = await walk(way)
    t.deepEqual([told, connections], [expected, connected])
  })
}

test('an administrator is told of who says our own name, in whichever of its words', async (t) => {
  const [, , loop] = await walk({ hosts: ['is ourselves'] })
  t.deepEqual(loop, ['mail loops back to myself: mx0.example[127.0.0.1] has my own name'])
  const [, , greeting] = await walk({ hosts: ['greets as us'] })
  t.deepEqual(greeting, ['host mx0.example[127.0.0.1] greets with my own name'])
})
