import test from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { compare, Ledger } from '#test/support/ledger.ts'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { sendLoad } from '#test/support/load.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

test('a queue that was full at the stop is delivered after the start, each message once and byte for byte', async (t) => {
  using folder = tempFolder('restart')
  using ledger = new Ledger(`${folder.path}/ledger`)
  await using sink = await LmtpSink.listen()
  await sink.shut()
  await using postern = await Appliance.start({ folder: folder.path, lmtpPort: sink.port })
  await sendLoad(
    {
      port: postern.smtpPort,
      ledger,
      seed: 4,
      sessions: 4,
      mailsEach: 25,
      recipients: ['alice@example.test', 'bob@example.test'],
      name: 'before',
    },
    AbortSignal.timeout(60_000),
  )
  const accepted = ledger.count('accepted')
  t.is(accepted + ledger.count('refused'), 100)
  t.is(await postern.stop(), 0)

  await sink.open()
  await postern.startAgain()
  t.is((await postern.tool('queue', 'flush', 'ALL')).code, 0)
  await sink.taken(accepted)
  await until('the queue is empty', async () => (await postern.queue()).length === 0)
  t.deepEqual(compare(ledger, sink.deliveries, { elsewhere: new Set(), faults: [] }), {
    lost: [],
    changed: [],
    refusedYetDelivered: [],
    strangers: [],
    doubles: [],
    unexplained: [],
  })
})
