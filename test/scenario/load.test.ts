import test from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { installed, run } from '#test/support/run.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const MESSAGES = 1000

/** Postfix's load generator: with -d it keeps connections, without it each message has one of its own. */
const shapes = [
  { title: 'over 20 connections that are kept', args: ['-d'] },
  { title: 'over a connection each', args: [] },
]
const withSource = installed('smtp-source') ? test.serial : test.serial.skip

for (const { title, args } of shapes) {
  withSource(`1,000 messages of smtp-source ${title} are delivered once each`, async (t) => {
    using folder = tempFolder('load')
    await using sink = await LmtpSink.listen({ keep: true })
    await using postern = await Appliance.start({ folder: folder.path, lmtpPort: sink.port, workers: 2 })

    const source = await run('/usr/sbin/smtp-source', [
      ...args,
      ...`-s 20 -m ${MESSAGES} -l 5000 -f sender@client.example -t alice@example.test`.split(' '),
      `127.0.0.1:${postern.smtpPort}`,
    ])
    t.deepEqual({ code: source.code, stderr: source.stderr }, { code: 0, stderr: '' })

    await sink.taken(MESSAGES)
    await until('the queue is empty', async () => (await postern.queue()).length === 0)
    const ids = sink.deliveries.map(
      ({ message }) => / with E?SMTP id (\S+)/.exec(message.toString('latin1'))?.[1],
    )
    t.is(sink.deliveries.length, MESSAGES)
    t.is(new Set(ids).size, MESSAGES)
    // Connections to the mailbox server are used again, and no more of them than it serves at once.
    t.true(sink.connections < MESSAGES / 2, `${sink.connections} connections`)
  })
}
