import test from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { ZoneServer } from '#test/support/dns-zone.ts'
import { freePorts, tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'
import { ConsoleInPty } from '#test/console/in-terminal.ts'

/**
 * Whatever a sender may write to take a terminal over, and what a person may take for another line. A bare CR and NUL
 * are refused by SMTP itself, so they come encoded (RFC 2047).
 */
const HOSTILE = '\u001b[2J\u001b]0;owned\u0007\u009b5n\u000e =?utf-8?q?=0D=0A=00=1B[5nqmgr?= \u202egnp \u00fc'

async function sendMail(postern: Appliance, subject: string, to = 'alice@example.test'): Promise<string> {
  using client = await SmtpClient.greeted(postern.smtpPort)
  await client.command('EHLO client.example')
  await client.command('MAIL FROM:<sender@example.org>')
  await client.command(`RCPT TO:<${to}>`)
  await client.command('DATA')
  const { lines } = await client.command(`Subject: ${subject}\r\n\r\nBody ${subject}\r\n.`)
  return lines.join(' ')
}

test('an operator finds, holds, looks into, releases and deletes what waits; nothing in a mail reaches the terminal', async (t) => {
  using folder = tempFolder('console')
  // Nobody listens there, so mail stays.
  await using postern = await Appliance.start({ folder: folder.path, lmtpPort: 1 })
  t.regex(await sendMail(postern, HOSTILE), /queued as/)
  t.regex(await sendMail(postern, 'Other', 'bob@example.test'), /queued as/)
  await until(
    'both wait',
    async () => (await postern.queue()).filter((one) => one['queue_name'] === 'deferred').length === 2,
  )
  await using seen = new ConsoleInPty(folder.path)
  await seen.shows(/2 messages/)
  await seen.after('2', /Queue all: 2 messages/)
  await seen.after('/', /Which/)
  await seen.after('to:alice@example.test\r', /: 1 message$/m)
  await seen.after('\r', /subject: /)
  t.regex(seen.text, /gnp/)
  t.deepEqual(seen.screen.strange, [], 'no control character came through')
  await seen.after('h', /hold \S+\? \(y\/n\)/)
  await seen.after('n', /ESC back/)
  t.deepEqual(await states(postern), ['deferred', 'deferred'], 'nothing but y does it')
  await seen.after('hy', /1 put on hold/)
  t.deepEqual(await states(postern), ['deferred', 'hold'])
  await seen.after('ry', /1 released/)
  await seen.after('dy', /1 deleted/)
  t.is((await postern.queue()).length, 1)
  await until('the trace tells who it was', async () => {
    const { stdout } = await postern.tool('trace', '--recipient', 'alice@example.test')
    return stdout.includes('(console)')
  })
})

async function states(postern: Appliance): Promise<readonly string[]> {
  return (await postern.queue()).map((one) => String(one['queue_name'])).toSorted()
}

test('a setting is changed as zmprov does it, is in force at once, and a rollback undoes it', async (t) => {
  using folder = tempFolder('console')
  await using postern = await Appliance.start({ folder: folder.path })
  await using seen = new ConsoleInPty(folder.path)
  await seen.shows(/runs for/)
  await seen.after('5', /the main ones/)
  await seen.after('/', /Names that hold/)
  await seen.after('message_size_limit\r', /with "message_size_limit"/)
  await seen.after('e', /message_size_limit = 10240000/)
  await seen.after('\u0015not a number\r', /Set message_size_limit/)
  await seen.after('y', /must be/)
  await seen.after('e', /message_size_limit = /)
  await seen.after('\u00155000000\r', /Set message_size_limit to 5000000/)
  await seen.after('y', /Generation \d+ is in force/)
  using client = await SmtpClient.greeted(postern.smtpPort)
  t.true((await client.command('EHLO client.example')).lines.includes('SIZE 5000000'))
  await seen.after('g', /2 .* \S+ \(console\) +message_size_limit/)
  await seen.after('\u001b[B', /start/)
  await seen.after('r', /Go back to generation 1/)
  await seen.after('y', /Generation 3 is in force/)
})

test('the page of tests tells what the DNS says of us, whom we reach, and which way a mail takes', async (t) => {
  using folder = tempFolder('console')
  await using zone = await ZoneServer.start(
    [
      'mx1.example.test A 192.0.2.5',
      '5.2.0.192.in-addr.arpa PTR other.example.test',
      'example.test MX 10 mx1.example.test',
    ].join('\n'),
  )
  await using postern = await Appliance.start({
    folder: folder.path,
    dnsPort: zone.port,
    settings: ['zimbraMtaMyHostname = "mx1.example.test"'],
  })
  const [nobody = 0] = await freePorts(1)
  await using seen = new ConsoleInPty(folder.path)
  await seen.shows(/runs for/)
  await seen.after('8', /p {3}ping a host/)
  await seen.after('d', /right +A +mx1\.example\.test: 192\.0\.2\.5/)
  t.regex(seen.text, /WRONG +PTR +192\.0\.2\.5: leads to other\.example\.test and not\s+back/)
  t.regex(seen.text, /right +MX +example\.test: 10 mx1\.example\.test/)
  t.regex(seen.text, /MISSING +SPF/)
  await seen.after('r', /Host and port:/)
  await seen.after(`127.0.0.1:${postern.smtpPort}\r`, /connected; it says: 220 mx1\.example\.test/)
  await seen.after('r', /Host and port:/)
  await seen.after(`\u0015127.0.0.1:${nobody}\r`, /no connection: .*ECONNREFUSED/)
  await seen.after('l', /The directory is embedded/)
  await seen.after('m', /Test mail to: postmaster@example\.test/)
  await seen.after('\u0015nobody\r', /"nobody" is no address/)
  await seen.after('m', /Test mail to:/)
  await seen.after('\u0015alice@example.test\r', /Send a test mail to alice@example\.test\? \(y\/n\)/)
  await seen.after('n', /p ping/)
  t.is(postern.mailboxFiles().length, 0)
  await seen.after('m', /Test mail to:/)
  await seen.after('\u0015alice@example.test\r', /Send a test mail/)
  await seen.after('y', /queued as[\s\S]*sent +to=<alice@example\.test>/)
  t.regex(postern.mailboxFiles()[0] ?? '', /Subject: Test mail from the console of Postern/)
  t.deepEqual(seen.screen.strange, [])
})
