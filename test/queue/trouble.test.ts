import test from 'ava'
import { brokenResult, localResult, systemText } from '#src/delivery/failure.ts'
import { localDeferral, noRoute } from '#src/queue/outcomes.ts'
import type { RecipientOutcome } from '#src/queue/ports.ts'
import { troubleOf } from '#src/queue/trouble.ts'
import type { TroubleClass } from '#src/queue/trouble.ts'
import { FakeDeliverer, newMessage, scratch, startQueue, until } from './support.ts'

function outcome(of: Pick<RecipientOutcome, 'kind' | 'dsn' | 'reply' | 'source'>): RecipientOutcome {
  return { n: 0, relay: 'none', ...of }
}

function local(dsn: string, reply: string): RecipientOutcome {
  return outcome(localResult('deferred', dsn, reply))
}

const FULL = ['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS'].map((code) => {
  return [
    `connect: ${code}`,
    local('4.4.1', `connect to a[192.0.2.1]:25: ${systemText(code)}`),
    'resource',
  ] as const
})
const route = noRoute(new Error('x'))
const CASES: readonly (readonly [string, RecipientOutcome, TroubleClass | undefined])[] = [
  ...FULL,
  ['no route', localDeferral(0, '4.3.0', route.kind === 'deferred' ? route.reason : ''), 'software'],
  ['no such transport', local('4.3.0', 'mail transport unavailable: "uucp" (…)'), 'software'],
  ['a setting that means nothing', local('4.3.5', 'bad port: x (transport table: …)'), 'software'],
  ['an unreadable policy', local('4.3.5', 'TLS policy table: EACCES'), 'data'],
  ['an unreadable table', local('4.3.0', 'smtp_generic_maps: EACCES'), 'data'],
  ['the directory', local('4.3.0', 'address resolver failure'), 'data'],
  ['the body', outcome(brokenResult('local', 'body', 'a[192.0.2.1]')), 'data'],
  ['a peer that is away', local('4.4.1', 'connect to a[192.0.2.1]:25: Connection refused'), undefined],
  ['a peer that hangs up', outcome(brokenResult('lost', 'data', 'a[192.0.2.1]')), undefined],
  ['a peer with our trouble', { ...local('4.3.0', '451 4.3.0 x'), source: 'remote' }, undefined],
  ['the end of our own process', outcome(brokenResult('cancelled', 'data', 'a[192.0.2.1]')), undefined],
  ['a name server that is silent', local('4.4.3', 'Host or domain name not found'), undefined],
  ['a bounce', outcome(localResult('bounced', '5.4.6', 'mail loops')), undefined],
]

for (const [title, given, which] of CASES) {
  test(`${title}: ${which ?? 'nothing of ours'}`, (t) => t.is(troubleOf(given), which))
}

test('what of ours keeps mail back is told with its message, but not of a notice', async (t) => {
  using paths = scratch()
  const failing = { deliver: () => Promise.reject(new Error('a fault of ours')) }
  const deliverer = Object.assign(new FakeDeliverer(), failing)
  await using queue = await startQueue(paths, { deliverer })
  const notice = newMessage({ sender: '', notice: true })
  const message = newMessage()
  for (const each of [notice, message]) t.is(await queue.client.submit(each), 'queued')
  await until(() => queue.scheduler.activeRecipients === 0 && queue.troubles.length > 0)
  t.deepEqual(queue.troubles, [
    {
      which: 'software',
      id: message.id,
      sender: 'sender@example.test',
      recipient: 'alice@example.test',
      reason: 'delivery failed: a fault of ours',
    },
  ])
})
