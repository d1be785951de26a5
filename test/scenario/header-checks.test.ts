import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { plainMail } from '#test/support/mails.ts'
import { Postfix, postfixLacks } from '#test/support/postfix.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { freePorts, tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const real = postfixLacks() === undefined ? test : test.skip

const TABLE = [
  '# What operators write.',
  '/^X-Ledger-Id:/ DUNNO',
  '/^Received: from .*bystander/ REJECT nothing by $0',
  'if /^Subject:/',
  '/lottery (win[a-z]*)/ REJECT 5.7.9 no lottery for $1',
  '/later/ REJECT 4.7.1 come again',
  '/tag me/ PREPEND X-Tagged: yes',
  '/rename/ REPLACE Subject: renamed',
  'endif',
  '/^X-Secret:/ IGNORE',
  '/^X-Strip:/ STRIP told',
  '/^X-Away:/ DISCARD by rule',
  '/^X-Elsewhere: *(.*)$/ REDIRECT ${1}@example.test',
  '/^X-Copy:/ BCC bob@example.test',
  '/^X-Note:/ WARN look at this',
  '!/^[!-9;-~]+[ \t]*:/ REJECT no field',
  '/^Content-(Type|Disposition):.*name[[:space:]]*=[[:space:]]*"?.*[.](lnk|hta)"?/ REJECT a .$2 in a part',
  '/^X-Inner:/ REJECT an inner one',
].join('\n')

const MIME = (type: string, header: string): readonly string[] => [
  'Subject: parts',
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary=b',
  '',
  '--b',
  `Content-Type: ${type}`,
  '',
  header,
  '',
  'text',
  '--b--',
]

/** What it is, and its lines. */
const MESSAGES: readonly (readonly [what: string, lines: readonly string[]])[] = [
  ['nothing in it', ['Subject: hello', 'X-Other: 1', '', 'body']],
  ['a refusal with a group', ['Subject: The LOTTERY Winner', '', 'body']],
  ['a refusal over a fold', ['Subject: the', ' lottery win', '', 'body']],
  ['a refusal for now', ['Subject: come later', '', 'body']],
  ['a field before', ['X-First: 1', 'Subject: tag me', 'X-Last: 2', '', 'body']],
  ['another in its place', ['Subject: rename', '\tand fold', 'To: alice@example.test', '', 'body']],
  ['one taken out', ['X-Secret: a', '\tb', '\tc', 'Subject: kept', 'X-Strip: d', '', 'X-Secret: body']],
  ['one elsewhere', ['Subject: elsewhere', 'X-Elsewhere: carol', '', 'body']],
  ['a copy', ['Subject: copy', 'X-Copy: please', '', 'body']],
  ['a note', ['Subject: note', 'X-Note: 1', '', 'body']],
  ['a name in a part', MIME('application/octet-stream; name="a.LNK"', 'Subject: in a part')],
  ['a name in a fold of a part', MIME('application/x;\r\n\tname=b.hta', 'X')],
  ['a message in a part', MIME('message/rfc822', 'X-Inner: 1')],
  ['the same in a body', ['Subject: body', '', 'X-Inner: 1', 'X-Secret: 2']],
]

/** Our own lines and Postfix's differ; everything else must not. */
function lines(message: Buffer): readonly string[] {
  const text = message.toString('latin1')
  const end = text.indexOf('\r\n\r\n')
  const fields = text
    .slice(0, end)
    .split(/\r\n(?![ \t])/)
    .filter(
      (field) =>
        !/^(?:Received|Message-Id|Date|From|To|Return-Path|Delivered-To|X-Original-To):/i.test(field),
    )
  return [...fields, text.slice(end).trimEnd()]
}

interface Outcome {
  readonly code: number
  readonly delivered: readonly (readonly [recipient: string, lines: readonly string[]])[]
}

async function send(port: number, sink: LmtpSink, what: string, body: readonly string[]): Promise<Outcome> {
  using client = await SmtpClient.greeted(port)
  const mark = what.replaceAll(' ', '-')
  const message = Buffer.from([`X-Ledger-Id: ${mark}`, ...body, ''].join('\r\n'))
  const { code } = await client.send({ from: 'ann@client.example', to: ['alice@example.test'], message })
  const mine = () => sink.deliveries.filter(({ ledgerId }) => ledgerId === mark)
  const wanted = code >= 400 ? 0 : body.some((line) => line.startsWith('X-Copy')) ? 2 : 1
  await until(`${what} arrives`, () => mine().length >= wanted)
  const delivered = mine().map(({ recipient, message: got }) => [recipient, lines(got)] as const)
  return { code, delivered: delivered.toSorted(([a], [b]) => a.localeCompare(b)) }
}

real('header checks do to each message what they do in Postfix', async (t) => {
  using folder = tempFolder('header-checks')
  using stranger = tempFolder('header-checks-postfix')
  const table = join(stranger.path, 'header_checks')
  writeFileSync(table, TABLE)
  const [port = 0] = await freePorts(1)
  await using ours = await LmtpSink.listen({ keep: true })
  await using theirs = await LmtpSink.listen({ keep: true })
  await using postern = await Appliance.start({
    folder: folder.path,
    lmtpPort: ours.port,
    limits: [`header_checks = "regexp:${table}"`],
  })
  await using postfix = await Postfix.start({
    folder: stranger.path,
    port,
    relayPort: 1,
    settings: [
      `default_transport = lmtp:inet:127.0.0.1:${theirs.port}`,
      'relayhost =',
      `header_checks = regexp:${table}`,
    ],
  })
  for (const [what, body] of MESSAGES) {
    const wanted = await send(port, theirs, what, body)
    t.deepEqual(await send(postern.smtpPort, ours, what, body), wanted, what)
  }
  t.regex(postfix.log(), /reject: header X-Inner: 1/, 'Postfix has looked at parts, too')
})

test('a message on hold waits with its reason, one that is thrown away is answered 250, and both are traced', async (t) => {
  using folder = tempFolder('header-hold')
  const table = join(folder.path, 'checks')
  writeFileSync(
    table,
    '/^Subject: hold/ HOLD look at it\n/^Subject: away/ DISCARD spam\n/^Received:.*ESMTP/ IGNORE\n',
  )
  await using sink = await LmtpSink.listen({ keep: true })
  await using postern = await Appliance.start({
    folder: folder.path,
    lmtpPort: sink.port,
    settings: [`zimbraMtaHeaderChecks = ["pcre:${table}"]`],
  })
  using client = await SmtpClient.greeted(postern.smtpPort)
  const to = { from: 'ann@client.example', to: ['alice@example.test'] }
  const ask = async (subject: string) =>
    await client.send({
      ...to,
      message: Buffer.from(`X-Ledger-Id: ${subject}\r\nSubject: ${subject}\r\n\r\nbody\r\n`),
    })
  const held = await ask('hold')
  t.is((await ask('away')).code, 250)
  t.is((await ask('through')).code, 250)
  await until('what passes arrives', () => sink.deliveries.length > 0)
  t.deepEqual(
    sink.deliveries.map(({ ledgerId }) => ledgerId),
    ['through'],
  )
  t.false(
    /^Received:/m.test(sink.deliveries[0]?.message.toString() ?? 'Received:'),
    'our own line is checked too',
  )
  const id = /queued as (\w+)/.exec(held.text)?.[1] ?? ''
  t.regex((await postern.tool('mailq')).stdout, new RegExp(`${id}!`))
  t.regex((await postern.tool('trace', id)).stdout, /held .*header_checks.*look at it/)
  const away = await until('the discarded is traced', async () => {
    const { code, stdout } = await postern.tool('trace', '--subject', 'away')
    return code === 0 ? stdout : undefined
  })
  t.regex(away, /discard/)
  t.is((await postern.tool('queue', 'release', id)).code, 0)
  await until('the released arrives', () => sink.deliveries.some(({ ledgerId }) => ledgerId === 'hold'))
})

test('a table that cannot be read makes clients come again, and is an alarm that names it', async (t) => {
  using folder = tempFolder('header-unread')
  const table = join(folder.path, 'absent')
  await using postern = await Appliance.start({
    folder: folder.path,
    limits: [`header_checks = "pcre:${table}"`],
  })
  using client = await SmtpClient.greeted(postern.smtpPort)
  const mail = {
    from: 'ann@client.example',
    to: ['alice@example.test'],
    message: plainMail('x', 'body'),
  }
  t.is((await client.send(mail)).code, 451)
  const alarm = await until('the alarm is raised', async () => {
    const { stdout } = await postern.tool('alarms')
    return stdout.includes('SETTING_REFUSED') ? stdout : undefined
  })
  t.true(alarm.includes(table))
  writeFileSync(table, '/^X:/ REJECT\n/(/ REJECT\n')
  t.is((await postern.tool('reload')).code, 0)
  using again = await SmtpClient.greeted(postern.smtpPort)
  t.is((await again.send(mail)).code, 250)
  await until('the wrong line is told', async () => (await postern.tool('alarms')).stdout.includes('line 2'))
})
