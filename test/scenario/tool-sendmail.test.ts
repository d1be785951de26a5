import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Appliance, REPOSITORY } from '#test/support/appliance.ts'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { run } from '#test/support/run.ts'
import type { Ran } from '#test/support/run.ts'
import { tempFolder } from '#test/support/temp.ts'

function tool(postern: Appliance, name: string, args: readonly string[], input = ''): Promise<Ran> {
  return run(join(REPOSITORY, 'bin', name), args, { cwd: postern.folder, input })
}

test('sendmail sends what it is given, as Postfix’s does, and says with its exit code what came of it', async (t) => {
  using folder = tempFolder('tool-sendmail')
  await using sink = await LmtpSink.listen({ keep: true })
  await using postern = await Appliance.start({
    folder: folder.path,
    lmtpPort: sink.port,
    settings: ['zimbraMtaMyOrigin = "origin.test"'],
  })
  const sent = async (args: readonly string[], input: string) => {
    const before = sink.deliveries.length
    const ran = await tool(postern, 'sendmail', args, input)
    t.deepEqual([ran.code, ran.stderr], [0, ''], args.join(' '))
    await sink.taken(before + 1)
    return sink.deliveries[before]?.message.toString('latin1') ?? ''
  }

  const plain = await sent(
    ['-f', 'me@example.org', 'alice@example.test'],
    'Subject: plain\n\nline\n..dots\n.\nnot sent\n',
  )
  t.regex(plain, /^From: me@example\.org\r\nSubject: plain\r\n/m)
  t.regex(plain, /\r\n\r\nline\r\n\.\.dots\r\n$/)

  // myorigin is the domain of whoever has none.
  t.regex(
    await sent(['-f', 'me', 'alice@example.test'], 'Subject: origin\n\nx\n'),
    /^From: me@origin\.test\r\n/m,
  )

  const dots = await sent(['-i', '-f', 'me@example.org', 'alice@example.test'], 'Subject: dots\n\na\n.\nb')
  t.regex(dots, /\r\n\r\na\r\n\.\r\nb\r\n$/)
  t.is(await sentWith('-oi').then((text) => /\n\.\r\nb/.test(text)), true)
  function sentWith(option: string): Promise<string> {
    return sent([option, '-f', 'me@example.org', 'alice@example.test'], 'Subject: dots\n\na\n.\nb')
  }

  const bcc = await sent(
    ['-t', '-F', 'The "Sender"', '-f', 'me@example.org', '-N', 'never', '-R', 'hdrs', '-V', 'id=1'],
    'To: "A, lice" <alice@example.test> (home)\nBcc: alice@example.test\nSubject: caf\u00e9\n\nh\u00e9\n',
  )
  t.regex(bcc, /^From: "The Sender" <me@example\.org>\r\n/m)
  t.notRegex(bcc, /^Bcc:/im)
  t.true(Buffer.from(bcc, 'latin1').toString().includes('h\u00e9'))

  const dialogue =
    'EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nSubject: bs\r\n\r\nx\r\n.\r\nQUIT\r\n'
  t.regex(
    (await tool(postern, 'sendmail', ['-bs'], dialogue)).stdout,
    /^220 .*\r\n250[^]*\r\n354 .*\r\n250 .* queued as .*\r\n221 /,
  )
  t.is((await tool(postern, 'sendmail', ['-q'])).code, 0)

  const none = await tool(
    postern,
    'sendmail',
    ['-f', 'me@example.org', 'nobody@example.test'],
    'Subject: x\n\nx\n',
  )
  t.is(none.code, 67)
  t.regex(none.stderr, /^sendmail: <nobody@example\.test>: 550 5\.1\.1 /)
  t.is((await tool(postern, 'sendmail', [], 'x\n')).code, 64)
  t.is((await tool(postern, 'sendmail', ['-t'], 'Subject: x\n\nx\n')).code, 65)
  t.is((await tool(postern, 'sendmail', ['a@b.example>\nRSET'], 'x\n')).code, 65)

  t.regex((await tool(postern, 'sendmail', ['-bp'])).stdout, /^Mail queue is empty$|^--/m)
  await postern.stop()
  const away = await tool(postern, 'sendmail', ['alice@example.test'], 'Subject: x\n\nx\n')
  t.is(away.code, 75)
})

test('sendmail reaches everybody, however many they are and however many are not there', async (t) => {
  using folder = tempFolder('tool-sendmail-many')
  await using sink = await LmtpSink.listen({ keep: true })
  const transports = join(folder.path, 'transport')
  writeFileSync(transports, `far.example lmtp:[127.0.0.1]:${sink.port}\n`)
  await using postern = await Appliance.start({
    folder: folder.path,
    lmtpPort: sink.port,
    limits: ['smtpd_recipient_limit = 100', `transport_maps = "texthash:${transports}"`],
  })
  const many = Array.from({ length: 150 }, (_, n) => `u${n}@far.example`)
  const strangers = Array.from({ length: 25 }, (_, n) => `nobody${n}@example.test`)
  const header = `To: ${many.join(',\n ')}\nSubject: many\n\nx\n`
  const ran = await tool(
    postern,
    'sendmail',
    ['-t', '-f', 'a@far.example', 'Bob <bob@example.test>, root@example.test', ...strangers],
    header,
  )
  t.is(ran.code, 67)
  t.is(ran.stderr.match(/^sendmail: <(?:nobody\d+|root)@example\.test>: 550 5\.1\.1 /gm)?.length, 26)
  await sink.taken(151)
  t.deepEqual(
    sink.deliveries.map(({ recipient }) => recipient).toSorted(),
    ['bob@example.test', ...many].toSorted(),
  )

  const asked = await tool(postern, 'sendmail', ['-bv', 'alice@example.test', 'nobody@example.test'])
  t.is(asked.code, 67)
  t.regex(
    asked.stdout,
    /^alice@example\.test\.\.\. deliverable\nnobody@example\.test\.\.\. 550 5\.1\.1 .*\n$/,
  )
  t.is((await tool(postern, 'sendmail', ['-bv', 'Ann <alice@example.test>'])).code, 0)
  // Nothing that is wrong with the message itself is tried recipient by recipient.
  const refused = await tool(postern, 'sendmail', ['-f', 'no domain', ...many], 'x\n')
  t.is(refused.code, 65)
  t.is(sink.deliveries.length, 151)
})
