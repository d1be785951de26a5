import test from 'ava'
import type { Appliance } from '#src/console/appliance.ts'
import { QueuesPage } from '#src/console/pages/queues.ts'
import type { Action, ActionResult } from '#src/queue/changes.ts'
import type { ListedMessage } from '#src/queue/listing.ts'
import type { Request } from '#src/queue/control-requests.ts'
import type { QueueAccess, Which } from '#src/queue/tool-access.ts'
import { VirtualClock } from '#test/simulate/virtual-clock.ts'
import { Rig } from './rig.ts'

const NOW_MS = Date.UTC(2026, 10, 22, 12)

function message(id: string, sender: string): ListedMessage {
  return {
    id,
    queue: 'deferred',
    arrivedMs: NOW_MS - 3_600_000,
    sizeBytes: 1234,
    sender,
    recipients: [
      {
        address: 'alice@example.test',
        original: 'alice@example.test',
        state: 'deferred',
        reason: 'busy',
        failed: false,
      },
    ],
    clientAddress: '192.0.2.1',
    clientName: 'client.example',
    subject: `of ${sender}`,
    verdict: ['clean'],
    forcedExpire: false,
  }
}

/** A queue that notes what is done to it; `act` says what was meant, in words. */
function world(ids: readonly string[]) {
  const acted: string[] = []
  const act = (action: Action, which: readonly string[] | null, how?: Which): Promise<ActionResult> => {
    const meant = which === null ? `all of ${JSON.stringify(how?.filter)}` : which.join(' ')
    acted.push(`${action} ${meant}`)
    return Promise.resolve({ count: which?.length ?? 1000, missing: [] })
  }
  const access = {
    running: true,
    act,
    async *pages() {
      yield await Promise.resolve(ids.map((id) => message(id, `${id}@example.org`)))
    },
    async *ask({ op }: Request) {
      await Promise.resolve()
      if (op === 'queues') yield { incoming: 0, active: 0, deferred: ids.length, hold: 0, corrupt: 0 }
      else yield { domains: [{ domain: 'example.test', state: 'deferred', recipients: ids.length }] }
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  } satisfies QueueAccess
  const queue = async <T>(work: (queue: QueueAccess) => Promise<T>): Promise<T> => await work(access)
  // oxlint-disable-next-line no-unsafe-type-assertion -- nothing else of it is asked
  const appliance = { queue } as unknown as Appliance
  const clock = new VirtualClock(NOW_MS)
  const rig = new Rig((desk) => [new QueuesPage({ appliance, desk, clock })], { clock })
  return { rig, acted }
}

for (const [key, action, done] of [
  ['h', 'hold', '1 put on hold'],
  ['r', 'release', '1 released'],
  ['e', 'requeue', '1 requeued'],
  ['d', 'delete', '1 deleted'],
  ['f', 'flush', '1 flushed'],
  ['x', 'expire', '1 returned to their senders'],
] as const)
  test(`the key ${key} does ${action} to the chosen message, after a question that only y answers`, async (t) => {
    const { rig, acted } = world(['first', 'second'])
    using _ = rig
    await rig.app.start()
    await rig.after('\u001b[B', /deferred second/)
    await rig.after(key, new RegExp(`${action} second\\? \\(y/n\\)`))
    await rig.after('\r', /Enter look/)
    await rig.after(key, /\(y\/n\)/)
    await rig.after('n', /Enter look/)
    t.deepEqual(acted, [])
    await rig.after(key, /\(y\/n\)/)
    await rig.after('y', new RegExp(done))
    t.deepEqual(acted, [`${action} second`])
  })

test('what is marked is meant together, and all that a filter means, listed or not', async (t) => {
  const { rig, acted } = world(['first', 'second', 'third'])
  using _ = rig
  await rig.app.start()
  await rig.after('  ', /3 messages, 2 marked/)
  await rig.after('h', /hold 2 messages\? \(y\/n\)/)
  await rig.after('y', /2 put on hold/)
  await rig.after('nnn', /\[deferred 3\]/)
  await rig.after('/', /Which/)
  await rig.after(
    'from:@a-domain-with-a-long-name.example.org to:@another-long-name.example.test\r',
    /a-domain-with/,
  )
  await rig.after('A', /ALL THAT ARE MEANT are marked|~/)
  // However long the words are: the question ends with what answers it.
  await rig.after('d', /delete ALL messages with .*~ \(y\/n\)/)
  await rig.after('y', /1000 deleted/)
  t.deepEqual(acted, [
    'hold first second',
    'delete all of {"senderDomain":"a-domain-with-a-long-name.example.org","recipientDomain":"another-long-name.example.test","queues":["deferred"]}',
  ])
})

test('before the list of domains no key does anything to a message, and Enter shows those of a domain', async (t) => {
  const { rig, acted } = world(['first'])
  using _ = rig
  await rig.app.start()
  await rig.after('s', /recipients state +domain\n +1 deferred +example\.test/)
  rig.press('hdfxer')
  t.notRegex(rig.text, /\(y\/n\)/)
  await rig.after('\r', /Queue deferred: to:@example\.test: 1 message\n/)
  t.deepEqual(acted, [])
})

test('an empty queue says so, and no key asks about nothing', async (t) => {
  const { rig, acted } = world([])
  using _ = rig
  await rig.app.start()
  rig.app.redraw()
  t.regex(rig.text, /There is no such message/)
  rig.press('hd\r ')
  t.notRegex(rig.text, /\(y\/n\)/)
  await rig.after('s', /There is no such message/)
  t.deepEqual(acted, [])
})
