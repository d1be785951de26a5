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

/** One of the commands of bin/ by its own name, as a script would call it. */
function tool(postern: Appliance, name: string, args: readonly string[], input = ''): Promise<Ran> {
  return run(join(REPOSITORY, 'bin', name), args, { cwd: postern.folder, input })
}

/** Four mails that cannot be delivered: two senders, one of them null. */
async function deferred(postern: Appliance): Promise<string[]> {
  const ids: string[] = []
  using client = await SmtpClient.greeted(postern.smtpPort)
  for (const from of ['a@one.example', 'b@two.example', 'c@one.example', '']) {
    const message = plainMail(`from <${from}>`, 'Hello.\r\n..dot')
    const reply = await client.send({ from, to: ['alice@example.test', 'bob@example.test'], message })
    ids.push(/queued as (\S+)/.exec(reply.text)?.[1] ?? reply.text)
  }
  await client.quit()
  await until('all wait', async () => {
    const { stdout } = await tool(postern, 'postqueue', ['-j'])
    return stdout.split('delay_reason').length - 1 === 8
  })
  return ids
}

const MODES = [
  { daemon: 'up', title: 'with the daemon up' },
  { daemon: 'down', title: 'with the daemon down' },
] as const

for (const { daemon, title } of MODES) {
  test(`postqueue, postsuper and postcat do what Postfix’s do, ${title}`, async (t) => {
    using folder = tempFolder('tool-postfix')
    await using sink = await LmtpSink.listen({ keep: true })
    await sink.shut()
    await using postern = await Appliance.start({ folder: folder.path, lmtpPort: sink.port })
    const [first = '', second = '', third = '', fourth = ''] = await deferred(postern)
    if (daemon === 'down') await postern.stop()
    const postsuper = (...args: readonly string[]) => tool(postern, 'postsuper', args)

    const mailq = await tool(postern, 'mailq', [])
    t.is(mailq.stdout, (await tool(postern, 'postqueue', ['-p'])).stdout)
    t.regex(mailq.stdout, /^-- \d+ Kbytes in 4 Requests\.$/m)

    t.deepEqual(await postsuper('-h', first), {
      code: 0,
      stdout: '',
      stderr: `postsuper: ${first}: placed on hold\npostsuper: Placed on hold: 1 message\n`,
    })
    t.is((await postsuper('-h', first)).stderr, 'postsuper: Placed on hold: 0 messages\n')
    t.is((await postsuper('-h', 'NOSUCH1234')).stderr, 'postsuper: Placed on hold: 0 messages\n')
    t.is(
      (await postsuper('-d', 'bad/id')).stderr,
      'postsuper: warning: invalid mail queue id: bad/id\npostsuper: Deleted: 0 messages\n',
    )
    const { stdout: json } = await tool(postern, 'postqueue', ['-j'])
    t.regex(
      json,
      new RegExp(
        `^\\{"queue_name": "hold", "queue_id": "${first}", "arrival_time": \\d+, "message_size": \\d+, ` +
          '"forced_expire": false, "sender": "a@one\\.example", "recipients": \\[' +
          '\\{"orig_address": "alice@example\\.test", "address": "alice@example\\.test", ' +
          '"delay_reason": "connect to [^"]+: Connection refused"\\}, ' +
          '\\{"orig_address": "bob@example\\.test", "address": "bob@example\\.test", "delay_reason": "[^"]+"\\}\\]\\}$',
        'm',
      ),
    )
    t.regex(json, /"sender": "MAILER-DAEMON"/)

    t.is((await postsuper('-H', 'ALL')).stderr, 'postsuper: Released from hold: 1 message\n')
    // It is tried at once, and waits in deferred again when the outcome is written.
    await until('all four are deferred', async () => {
      const { stdout } = await tool(postern, 'postqueue', ['-j'])
      return stdout.split('"queue_name": "deferred"').length - 1 === 4
    })
    t.is((await postsuper('-h', 'ALL', 'deferred')).stderr, 'postsuper: Placed on hold: 4 messages\n')
    t.is((await postsuper('-d', 'ALL', 'deferred')).stderr, 'postsuper: Deleted: 0 messages\n')
    t.is((await postsuper('-r', 'ALL', 'hold')).stderr, 'postsuper: Requeued: 4 messages\n')
    t.is(
      (await tool(postern, 'postsuper', ['-d', '-'], `${second}\nNOSUCH1234\n${third}\n`)).stderr,
      `postsuper: ${second}: removed\npostsuper: ${third}: removed\npostsuper: Deleted: 2 messages\n`,
    )
    const wrong = await postsuper('-d', 'ALL', 'nosuch')
    t.deepEqual([wrong.code, wrong.stderr], [1, 'postsuper: fatal: invalid directory name: nosuch\n'])

    await postcatShows(t, postern, first)

    t.is((await postsuper('-d', 'ALL')).stderr, 'postsuper: Deleted: 2 messages\n')
    t.is((await tool(postern, 'mailq', [])).stdout, 'Mail queue is empty\n')
    t.is((await tool(postern, 'postqueue', ['-j'])).stdout, '')
    t.truthy(fourth)
  })
}

async function postcatShows(
  t: { is(a: unknown, b: unknown): unknown; regex(a: string, b: RegExp): unknown },
  postern: Appliance,
  id: string,
): Promise<void> {
  const whole = await tool(postern, 'postcat', ['-q', id])
  t.regex(whole.stdout, new RegExp(`^\\*\\*\\* ENVELOPE RECORDS \\w+/${id} \\*\\*\\*$`, 'm'))
  t.regex(whole.stdout, /^message_size: {1,15}\d+ {15}0 {15}2 {15}0 +\d+ {15}0$/m)
  t.regex(whole.stdout, /^sender: a@one\.example$/m)
  t.regex(whole.stdout, /^named_attribute: client_address=127\.0\.0\.1$/m)
  t.regex(whole.stdout, /^original_recipient: alice@example\.test\nrecipient: alice@example\.test$/m)
  t.regex(whole.stdout, new RegExp(`\\*\\*\\* MESSAGE FILE END \\w+/${id} \\*\\*\\*\\n$`))
  const header = (await tool(postern, 'postcat', ['-hq', id])).stdout
  const body = (await tool(postern, 'postcat', ['-bq', id])).stdout
  t.regex(header, /^Received: from [^\r]*\nSubject: from <a@one\.example>\n/ms)
  t.regex(body, /^\nHello\.\n/)
  t.is((await tool(postern, 'postcat', ['-hbq', id])).stdout, header + body)
  const none = await tool(postern, 'postcat', ['-q', 'NOSUCH1234'])
  t.is(none.code, 1)
  t.is(none.stderr, 'postcat: fatal: open queue file NOSUCH1234: No such file or directory\n')
}

test('postcat shows the envelope as Postfix keeps it, and postsuper counts all that it was given in one line', async (t) => {
  using folder = tempFolder('tool-postcat')
  await using sink = await LmtpSink.listen({ keep: true })
  await sink.shut()
  await using postern = await Appliance.start({ folder: folder.path, lmtpPort: sink.port })
  const ids: string[] = []
  {
    using client = await SmtpClient.greeted(postern.smtpPort)
    for (const sender of ['"odd \\"one"@one.example', 'b@two.example']) {
      await client.command(`MAIL FROM:<${sender}> RET=HDRS ENVID=id+2B1+3D BODY=8BITMIME`)
      await client.command('RCPT TO:<alice@example.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;A+2BB@x.example')
      await client.command('DATA')
      const { text } = await client.command(`${plainMail('odd', 'Hello.').toString()}\r\n.`)
      ids.push(/queued as (\S+)/.exec(text)?.[1] ?? text)
    }
    await client.quit()
  }
  const [first = '', second = ''] = ids
  const { stdout } = await tool(postern, 'postcat', ['-qe', first])
  t.regex(stdout, /^message_arrival_time: \w{3} \w{3} [ \d]\d [\d:]{8} 20\d\d$/m)
  t.regex(
    stdout,
    /^named_attribute: envelope_id=id\+1=\nnamed_attribute: ret_flags=2\nsender: odd "one@one\.example\nnamed_attribute: encoding=8bit$/m,
  )
  t.regex(
    stdout,
    /^named_attribute: notify_flags=10\nnamed_attribute: dsn_orig_rcpt=rfc822;A\+B@x\.example\noriginal_recipient: alice@/m,
  )
  const held = await tool(postern, 'postsuper', ['-h', first, '-h', second])
  t.is(
    held.stderr,
    [
      `postsuper: ${first}: placed on hold`,
      `postsuper: ${second}: placed on hold`,
      'postsuper: Placed on hold: 2 messages',
      '',
    ].join('\n'),
  )
  const wrong = await tool(postern, 'postqueue', ['-x'])
  t.regex(wrong.stderr, /^postqueue: invalid option -- 'x'\npostqueue: fatal: usage: postqueue -f /)
})

test('postqueue has its queue tried: all of it, one message, one domain; its mistakes are Postfix’s', async (t) => {
  using folder = tempFolder('tool-postqueue')
  await using sink = await LmtpSink.listen({ keep: true })
  await sink.shut()
  await using postern = await Appliance.start({ folder: folder.path, lmtpPort: sink.port })
  const [first = ''] = await deferred(postern)
  await sink.open()
  t.is((await tool(postern, 'postqueue', ['-s', 'other.example'])).code, 0)
  t.is((await tool(postern, 'postqueue', ['-i', first])).code, 0)
  await sink.taken(2)
  t.is(sink.deliveries.length, 2, 'its two recipients, and nothing else')
  t.is((await tool(postern, 'postqueue', ['-s', 'EXAMPLE.test'])).code, 0)
  await sink.taken(8)
  await until('the queue is empty', async () => {
    return (await tool(postern, 'postqueue', ['-p'])).stdout === 'Mail queue is empty\n'
  })
  const usage = await tool(postern, 'postqueue', [])
  t.is(usage.code, 69)
  t.regex(usage.stderr, /^postqueue: fatal: usage: postqueue -f \|/)
  const name = await tool(postern, 'postqueue', ['-i', 'bad/'])
  t.deepEqual(
    [name.code, name.stderr],
    [69, 'postqueue: fatal: Cannot flush queue ID - invalid name: "bad/"\n'],
  )
})

test('a message that is force-expired goes back to its sender at once', async (t) => {
  using folder = tempFolder('tool-expire')
  await using sink = await LmtpSink.listen({ keep: true })
  await sink.shut()
  await using postern = await Appliance.start({ folder: folder.path, lmtpPort: sink.port })
  const [first = ''] = await deferred(postern)
  const { stderr } = await tool(postern, 'postsuper', ['-e', first])
  t.is(stderr, `postsuper: ${first}: expired\npostsuper: Force-expired: 1 message\n`)
  await until('it is gone', async () => !(await tool(postern, 'postqueue', ['-j'])).stdout.includes(first))
  const told = new RegExp(`${first}: sender non-delivery notification: \\S+`)
  const log = join(postern.data, 'log', 'postern.log')
  await until('the log tells of its report', () => told.test(readFileSync(log, 'utf8')))
  t.pass()
})
