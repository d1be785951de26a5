import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { ALICE_PASSWORD, giveAlicePassword } from '#test/support/accounts.ts'
import { Appliance } from '#test/support/appliance.ts'
import { installed, run } from '#test/support/run.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const MAIL = Buffer.from('Subject: hello\r\n\r\nfrom alice\r\n')

const SETTINGS = {
  submission: true,
  limits: ['mynetworks = []', 'smtpd_sasl_authenticated_header = true'],
} as const

test('no process would leave mail or passwords in a core dump', async (t) => {
  using folder = tempFolder('cores')
  await using postern = await Appliance.start({ folder: folder.path })
  const family = postern.family()
  t.true(family.length >= 5)
  for (const { pid, command } of family) {
    t.regex(readFileSync(`/proc/${pid}/coredump_filter`, 'utf8'), /^0+\n$/, command)
  }
})

test('on 587 and 465 a user comes in with the password, sends as itself, and its mail says ESMTPSA', async (t) => {
  using folder = tempFolder('submission')
  await using postern = await Appliance.start({ folder: folder.path, ...SETTINGS })
  await giveAlicePassword(postern)
  for (const service of ['submission', 'submissions'] as const) {
    using client = await SmtpClient[service === 'submission' ? 'connect' : 'connectTls'](
      service === 'submission' ? postern.submissionPort : postern.submissionsPort,
    )
    await client.reply()
    await client.command('EHLO client.example')
    if (service === 'submission') {
      t.is(
        (await client.command('MAIL FROM:<alice@example.test>')).text,
        '530 5.7.0 Must issue a STARTTLS command first',
      )
      await client.startTls()
    }
    t.is((await client.command('MAIL FROM:<alice@example.test>')).text, '530 5.7.0 Authentication required')
    t.is((await client.authenticate('alice', 'wrong')).text, '535 5.7.8 Error: authentication failed')
    t.is((await client.authenticate('nobody', 'wrong')).text, '535 5.7.8 Error: authentication failed')
    t.is((await client.authenticate('alice', ALICE_PASSWORD)).code, 235)
    t.is(
      (await client.command('MAIL FROM:<bob@example.test>')).text,
      '553 5.7.1 <bob@example.test>: Sender address rejected: not owned by user alice@example.test',
    )
    t.is((await client.command('MAIL FROM:<alice@elsewhere.test>')).code, 250)
    await client.command('RSET')
    const sent = await client.send({ from: 'alice@example.test', to: ['bob@example.test'], message: MAIL })
    t.is(sent.code, 250)
    t.is((await client.command('MAIL FROM:<>')).code, 250)
    t.is((await client.command('RCPT TO:<x@far.example>')).code, 250)
    await client.quit()
  }
  const mails = await until('both mails are there', () => {
    const files = postern.mailboxFiles()
    return files.length === 2 ? files : undefined
  })
  for (const mail of mails) {
    t.regex(mail, /\(Authenticated sender: alice@example\.test\)\r?\n\tby .* with ESMTPSA id /)
  }
  const log = join(postern.data, 'log', 'postern.log')
  const sasl = /sasl_method=PLAIN, sasl_username=alice@example\.test/
  await until('the log has the sessions', () => sasl.test(readFileSync(log, 'utf8')))
  // No word of a password, in clear or in base64, is anywhere in what the appliance has written or tells.
  const status = await postern.tool('status', '--json')
  const written = globSync('log/*', { cwd: postern.data }).map((name) =>
    readFileSync(join(postern.data, name), 'latin1'),
  )
  const told = [...written, postern.output, status.stdout].join('\n')
  t.regex(told, /SASL PLAIN authentication failed: wrong password, sasl_username=alice/)
  t.regex(told, /sasl_method=PLAIN, sasl_username=alice@example\.test/)
  for (const secret of [
    ALICE_PASSWORD,
    Buffer.from(ALICE_PASSWORD).toString('base64'),
    Buffer.from(`\0alice\0${ALICE_PASSWORD}`).toString('base64'),
  ]) {
    t.false(told.includes(secret))
  }
})

test('without its directory process the appliance answers 454 and never 535, and soon checks passwords again', async (t) => {
  using folder = tempFolder('submission')
  await using postern = await Appliance.start({ folder: folder.path, ...SETTINGS })
  await giveAlicePassword(postern)
  const [pid] = postern.pids('directory')
  if (pid === undefined) throw new Error('no directory process')
  process.kill(pid, 'SIGSTOP')
  using client = await SmtpClient.connectTls(postern.submissionsPort)
  await client.reply()
  await client.command('EHLO client.example')
  const asked = client.authenticate('alice', ALICE_PASSWORD)
  process.kill(pid, 'SIGKILL')
  t.is((await asked).text, '454 4.7.0 Temporary authentication failure')
  await until('passwords are checked again', async () => {
    using again = await SmtpClient.connectTls(postern.submissionsPort)
    await again.reply()
    await again.command('EHLO client.example')
    const { code } = await again.authenticate('alice', ALICE_PASSWORD)
    t.true(code === 235 || code === 454)
    return code === 235
  })
})

test('what EHLO offers is what is set, and [auth] locks an account', async (t) => {
  using folder = tempFolder('submission')
  await using postern = await Appliance.start({
    folder: folder.path,
    ...SETTINGS,
    settings: ['zimbraMtaSaslSmtpdMechList = ["LOGIN"]', 'zimbraMtaBrokenSaslAuthClients = "no"'],
    tables: ['[auth]', 'account_failures = 2'],
  })
  await giveAlicePassword(postern)
  using client = await SmtpClient.connectTls(postern.submissionsPort)
  await client.reply()
  const offered = await client.command('EHLO client.example')
  t.deepEqual(
    offered.lines.filter((line) => line.startsWith('AUTH')),
    ['AUTH LOGIN'],
  )
  const login = async (password: string): Promise<number> => {
    await client.command(`AUTH LOGIN ${Buffer.from('alice').toString('base64')}`)
    return (await client.command(Buffer.from(password).toString('base64'))).code
  }
  t.is(await login('wrong'), 535)
  t.is(await login('wrong'), 535)
  t.is(await login(ALICE_PASSWORD), 535, 'locked')
})

const PYTHON = `
import smtplib, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[3])
context.check_hostname = False
with smtplib.SMTP('127.0.0.1', int(sys.argv[1])) as server:
    server.starttls(context=context)
    server.login('alice', sys.argv[4])
    server.sendmail('alice@example.test', ['bob@example.test'], 'Subject: starttls\\r\\n\\r\\nx\\r\\n')
with smtplib.SMTP_SSL('127.0.0.1', int(sys.argv[2]), context=context) as server:
    server.login('alice@example.test', sys.argv[4])
    server.sendmail('alice@example.test', ['bob@example.test'], 'Subject: implicit\\r\\n\\r\\nx\\r\\n')
`

const withClients = installed('swaks') && installed('curl') && installed('python3') ? test : test.skip

withClients('swaks, curl and Python submit over STARTTLS and over TLS', async (t) => {
  using folder = tempFolder('submission')
  await using postern = await Appliance.start({ folder: folder.path, ...SETTINGS })
  await giveAlicePassword(postern)
  const from = ['--from', 'alice@example.test', '--to', 'bob@example.test']
  const as = ['-au', 'alice', '-ap', ALICE_PASSWORD]
  for (const [mechanism, port, tls] of [
    ['PLAIN', postern.submissionPort, '-tls'],
    ['LOGIN', postern.submissionPort, '-tls'],
    ['PLAIN', postern.submissionsPort, '-tlsc'],
    ['LOGIN', postern.submissionsPort, '-tlsc'],
    // Port 25 takes AUTH too, where zimbraMtaSaslAuthEnable is on, as it is by default.
    ['PLAIN', postern.smtpPort, '-tls'],
  ] as const) {
    const ran = await run('swaks', ['--server', `127.0.0.1:${port}`, tls, '-a', mechanism, ...as, ...from])
    t.is(ran.code, 0, ran.stdout)
  }
  const curl = await run(
    'curl',
    [
      '-sS',
      '-k',
      '--ssl-reqd',
      '--user',
      `alice@example.test:${ALICE_PASSWORD}`,
      '--mail-from',
      'alice@example.test',
      '--mail-rcpt',
      'bob@example.test',
      '-T',
      '-',
      `smtp://127.0.0.1:${postern.submissionPort}`,
    ],
    { input: 'Subject: curl\r\n\r\nx\r\n' },
  )
  t.is(curl.code, 0, curl.stderr)
  const ports = [String(postern.submissionPort), String(postern.submissionsPort)]
  const ca = join(postern.data, 'tls', 'certificate.pem')
  const python = await run('python3', ['-', ...ports, ca, ALICE_PASSWORD], { input: PYTHON })
  t.is(python.code, 0, python.stderr)
  await until('all of it is delivered', () => postern.mailboxFiles().length === 8)
  const wrong = [
    '--server',
    `127.0.0.1:${postern.submissionPort}`,
    '-tls',
    '-a',
    'PLAIN',
    '-au',
    'alice',
    '-ap',
    'wrong',
  ]
  const refused = await run('swaks', [...wrong, ...from])
  t.not(refused.code, 0)
})
