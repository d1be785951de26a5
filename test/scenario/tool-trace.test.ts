import test from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { plainMail } from '#test/support/mails.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

test('a mail is found by what is known of it while it waits, when it is gone, and with the daemon down', async (t) => {
  using folder = tempFolder('tool-trace')
  await using sink = await LmtpSink.listen({ keep: true })
  await sink.shut()
  await using postern = await Appliance.start({ folder: folder.path, lmtpPort: sink.port })
  const ids: string[] = []
  {
    using client = await SmtpClient.greeted(postern.smtpPort)
    for (const [from, subject] of [
      ['ann@one.example', 'Invoice 4711'],
      ['bob@two.example', 'Lunch'],
    ] as const) {
      const to = ['alice@example.test']
      const reply = await client.send({ from, to, message: plainMail(subject, 'Hello inside.') })
      ids.push(/queued as (\S+)/.exec(reply.text)?.[1] ?? reply.text)
    }
    await client.quit()
  }
  const [first = '', second = ''] = ids
  const refused = [
    '--queue',
    'deferred',
    '--recipient-domain',
    'example.test',
    '--reply',
    'connection refused',
  ] as const
  await until('both wait', async () => {
    return (await postern.tool('queue', 'list', ...refused)).stdout.split('\n').length === 3
  })
  t.is(
    (await postern.tool('queue', 'list', ...refused, '--sender', 'ann@one.example')).stdout.split('\n')
      .length,
    2,
  )
  t.is((await postern.tool('queue', 'list', '--limit', '1')).stdout.split('\n').length, 2)
  t.regex((await postern.tool('queue', 'domains')).stdout, /^ +2 deferred example\.test\n$/)

  const shown = (await postern.tool('queue', 'show', first)).stdout
  t.regex(shown, /Connection refused/)
  t.regex(shown, /^Subject: Invoice 4711$/m)
  t.regex(shown, /^Hello inside\.$/m)
  t.regex(shown, /deferred +to=<alice@example\.test>/)

  const traced = await postern.tool('trace', '--subject', 'invoice 4711')
  t.regex(traced.stdout, new RegExp(`^${first}\n`))
  t.regex(traced.stdout, /now +deferred: <alice@example\.test> deferred/)
  t.false(traced.stdout.includes(second))

  const held = await postern.tool('queue', 'hold', '--sender-domain', 'two.example')
  t.regex(held.stderr, /Placed on hold: 1 message/)
  await sink.open()
  const flushed = await postern.tool('queue', 'flush', ...refused)
  t.regex(flushed.stderr, /Flushed: 1 message/)
  await sink.taken(1)
  await until('the trace tells its end', async () => {
    const { stdout } = await postern.tool('trace', '--sender', 'ann@one.example', '--verdict', 'sent')
    return stdout.includes('not in the queue any more')
  })
  await postern.stop()
  const gone = await postern.tool('trace', '--reply', 'connection refused', '--recipient', 'alice')
  t.true(gone.stdout.indexOf(second) < gone.stdout.indexOf(first), 'the newest first')
  t.regex(gone.stdout, /held +by=/)
  t.regex((await postern.tool('trace', first)).stdout, /sent +to=<alice@example\.test> relay=/)
  const none = await postern.tool('trace', '--sender', 'nobody@one.example')
  t.deepEqual([none.code, none.stdout], [1, ''])
  t.is((await postern.tool('trace')).code, 2)
})
