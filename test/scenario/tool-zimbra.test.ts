import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Appliance, REPOSITORY } from '#test/support/appliance.ts'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { plainMail } from '#test/support/mails.ts'
import { run } from '#test/support/run.ts'
import type { Ran } from '#test/support/run.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

function tool(postern: Appliance, name: string, args: readonly string[], input = ''): Promise<Ran> {
  return run(join(REPOSITORY, 'bin', name), args, { cwd: postern.folder, input })
}

/** What Zimbra's administration console accepts as a queue id. */
const ZIMBRA_ID =
  /^(?:[A-F0-9]{6,}|[0-9BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz]{10,}z[0-9BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxy]+)$/

test('Zimbra’s console sees the queues through zmrcd, and moves what is in them', async (t) => {
  using folder = tempFolder('tool-zimbra')
  await using sink = await LmtpSink.listen({ keep: true })
  await sink.shut()
  await using postern = await Appliance.start({
    folder: folder.path,
    lmtpPort: sink.port,
    tables: ['[log]', 'queue = "1s"'],
  })
  const ids: string[] = []
  {
    using client = await SmtpClient.greeted(postern.smtpPort)
    for (const from of ['a@one.example', '']) {
      const to = ['alice@example.test', 'bob@example.test']
      const reply = await client.send({ from, to, message: plainMail('x', 'Hello.') })
      ids.push(/queued as (\S+)/.exec(reply.text)?.[1] ?? reply.text)
    }
    await client.quit()
  }
  const [first = '', second = ''] = ids
  const zmrcd = (line: string) => tool(postern, 'zmrcd', [], `${line}\n`)
  await until('both wait', async () => (await zmrcd('HOST:box zmqstat all')).stdout.includes('deferred=2'))
  t.deepEqual(
    (await zmrcd('HOST:box zmqstat all')).stdout,
    'incoming=0\nactive=0\ndeferred=2\nhold=0\ncorrupt=0\n',
  )
  const [, kilobytes] =
    /^-- (\d+) Kbytes in 2 Requests\.$/m.exec((await tool(postern, 'mailq', [])).stdout) ?? []
  const logged = await tool(postern, 'zmqueuelog', [])
  t.regex(logged.stdout, new RegExp(`^[\\d-]{10} [\\d:]{8}, QUEUE: ${kilobytes} 2\n$`))
  // The same by itself, as cron has it written on a Zimbra server.
  await until('the log tells the size', () =>
    readFileSync(join(folder.path, 'var', 'log', 'postern.log'), 'utf8').includes(
      `, QUEUE: ${kilobytes} 2\n`,
    ),
  )
  const { stdout } = await zmrcd('HOST:box zmqstat deferred')
  t.is(stdout, (await tool(postern, 'zmqstat', ['deferred'])).stdout)
  const [block = '', other = ''] = stdout.split('\n\n')
  t.regex(
    block,
    new RegExp(
      `^id=${first}\ntime=\\d+\nsize=\\d+\nfrom=a@one\\.example\nreceived=127\\.0\\.0\\.1\naddr=127\\.0\\.0\\.1\n` +
        'host=\\S+\nreason=connect to .*Connection refused\nto=alice@example\\.test,bob@example\\.test$',
    ),
  )
  t.regex(other, /^from=MAILER-DAEMON$/m)
  for (const id of ids) t.regex(id, ZIMBRA_ID)

  const held = await zmrcd(`HOST:box zmqaction hold deferred ${first},${second}`)
  const said = `box /opt/zimbra/libexec/zmqaction hold deferred ${first},${second}`
  t.deepEqual(held, { code: 0, stdout: `STARTCMD: ${said}\nENDCMD: ${said}\n`, stderr: '' })
  t.regex((await zmrcd('HOST:box zmqstat all')).stdout, /^hold=2$/m)
  // As RemoteMailQueue of Zimbra's mailboxd sends it: in capitals.
  const released = await zmrcd(`HOST:box zmqaction release hold ${first.toUpperCase()}`)
  t.deepEqual([released.code, released.stderr], [0, ''])
  await until('it waits again', async () => {
    return (await zmrcd('HOST:box zmqstat all')).stdout.includes('deferred=1\nhold=1\n')
  })
  t.is((await tool(postern, 'zmqaction', ['delete', 'hold', 'ALL'])).code, 0)
  const left = await zmrcd('HOST:box showqueue')
  t.true(left.stdout.includes(first) && !left.stdout.includes(second), left.stdout)

  await sink.open()
  t.is((await zmrcd('HOST:box flushqueue')).code, 0)
  await sink.taken(2)

  const traced = await until('the trace knows that it was sent', async () => {
    const { stdout: lines } = await zmrcd('HOST:box msgtrace')
    return lines.includes('status sent') ? lines : undefined
  })
  t.regex(
    traced,
    /^Message ID '.*'\na@one\.example -->\n\talice@example\.test\n\tbob@example\.test\n {2}Recipient alice@example\.test\n {2}\w{3} [ \d]\d [\d:]{8} - \S+ \(127\.0\.0\.1\) --> 127\.0\.0\.1:\d+ \(127\.0\.0\.1:\d+\) status sent\n/m,
  )
  const asked = (...args: readonly string[]) => tool(postern, 'zmmsgtrace', args)
  t.regex(
    (await asked('-s', '^A@one', '--recipient', 'bob', '-D', '127')).stdout,
    /^Tracing messages\n\tfrom \^A@one\n\tto bob\n\tdelivered to host 127\n\nMessage ID [^]*Recipient bob/,
  )
  t.notRegex((await asked('-s', '^A@one', '-r', 'bob')).stdout, /Recipient alice/)
  t.is((await asked('-s', 'nobody', '-t', '20200101,20200102')).stdout.split('\n').length, 5)
  t.is((await asked('-t', 'yesterday')).code, 1)
})

test('zmrcd tells whether the appliance runs, stops it and starts it again', async (t) => {
  using folder = tempFolder('tool-zmrcd-stop')
  await using sink = await LmtpSink.listen({ keep: true })
  await using postern = await Appliance.start({ folder: folder.path, lmtpPort: sink.port })
  const zmrcd = (line: string) => tool(postern, 'zmrcd', [], `HOST:box ${line}\n`)
  t.regex((await zmrcd('status')).stdout, /\tmta +Running$/m)
  const stopped = await zmrcd('stop mta')
  t.deepEqual([stopped.code, stopped.stderr], [0, ''])
  t.regex((await zmrcd('status')).stdout, /\tmta +Stopped$/m)
  try {
    const started = await zmrcd('start mta')
    t.deepEqual([started.code, started.stderr], [0, ''])
    t.regex((await zmrcd('status')).stdout, /\tmta +Running$/m)
  } finally {
    await postern.tool('stop')
  }
})

const REFUSED = [
  { line: 'HOST:box rm -rf /', says: 'ERROR: Unknown command: "rm"\n' },
  { line: 'HOST:box zmqstat everything', says: 'ERROR: Unknown command: "zmqstat"\n' },
  { line: 'HOST:$(id) zmqstat all', says: 'ERROR: Invalid hostlist\n' },
  { line: 'box zmqstat all', says: 'ERROR: Invalid hostlist\n' },
  { line: 'HOST:box start antivirus', says: 'ERROR: Unknown command: "start"\n' },
  { line: 'HOST:box msgtrace -s x', says: 'ERROR: Unknown command: "msgtrace"\n' },
  { line: 'HOST:box zmqaction burn deferred ALL', says: 'ERROR: unknown action burn\n' },
  { line: 'HOST:box zmqaction hold nowhere ALL', says: 'ERROR: unknown queue nowhere\n' },
]

for (const { line, says } of REFUSED) {
  test(`zmrcd refuses "${line}"`, async (t) => {
    using folder = tempFolder('tool-zmrcd')
    const ran = await run(join(REPOSITORY, 'bin', 'zmrcd'), [], { cwd: folder.path, input: `${line}\n` })
    t.deepEqual(ran, { code: 1, stdout: '', stderr: says })
  })
}
