import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { ConsolePassword } from '#src/admin/console-password.ts'
import { systemClock } from '#src/base/clock.ts'
import { Appliance } from '#test/support/appliance.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'
import { ConsoleInPty } from '#test/console/in-terminal.ts'

/** One that no server takes, so that mail to it waits. */
const NOWHERE = ['lmtp_destination_concurrency_limit = 1']

async function sendMail(postern: Appliance, subject: string, to = 'alice@example.test'): Promise<void> {
  using client = await SmtpClient.greeted(postern.smtpPort)
  await client.command('EHLO client.example')
  await client.command('MAIL FROM:<sender@example.org>')
  await client.command(`RCPT TO:<${to}>`)
  await client.command('DATA')
  await client.command(`Subject: ${subject}\r\n\r\nBody ${subject}\r\n.`)
}

test('every page is shown at 80x24 with only what a VT100 has, from start to end, and the console can be left', async (t) => {
  using folder = tempFolder('console')
  await using postern = await Appliance.start({ folder: folder.path, limits: NOWHERE })
  await sendMail(postern, 'Hello')
  await until('it has arrived', () => postern.mailboxFiles().length === 1)
  await using seen = new ConsoleInPty(folder.path)
  await seen.shows(/Postern \d.* runs for/)
  await seen.after('2', /Queue all: 0 messages/)
  await seen.after('3', /The key \/ asks/)
  await seen.after('/', /Which message/)
  await seen.after('alice@example.test\r', /: 1 message$/m)
  await seen.after('\r', /relay=127\.0\.0\.1/)
  await seen.after('4', /postern\.log/)
  await seen.after('5', /message_size_limit/)
  await seen.after('g', /History of the settings/)
  await seen.after('6', /Resolvers: /)
  await seen.after('7', /Postern \d.*, Node 26/)
  await seen.after('8', /test mail, and the way/)
  await seen.after('9', /restart Postern: what is under way/)
  await seen.after('?', /On every page/)
  await seen.after(' 1', /runs for/)
  t.deepEqual(seen.screen.strange, [])
  seen.press('q')
  t.is(await seen.ended(), 0)
})

test('a console on a daemon that is down says so, starts it, and stops it', async (t) => {
  using folder = tempFolder('console')
  await using postern = await Appliance.start({ folder: folder.path })
  await postern.stop()
  await using seen = new ConsoleInPty(folder.path)
  await seen.shows(/Postern does not run/)
  t.regex(seen.text, /\*\*\* DOWN \*\*\*/)
  await seen.after('s', /Start Postern\?/)
  await seen.after('y', /Postern runs\./)
  await seen.after('9', /stop Postern/)
  await seen.after('t', /Stop Postern\?/)
  await seen.after('y', /has stopped/)
})

test('pages but the first want the password, five wrong ones lock, and a right one opens no lock', async (t) => {
  using folder = tempFolder('console')
  await using postern = await Appliance.start({ folder: folder.path })
  t.is((await setPassword(postern, 'short')).code, 1)
  t.is((await setPassword(postern, 'a long password')).code, 0)
  await using seen = new ConsoleInPty(folder.path)
  await seen.shows(/runs for/)
  await seen.after('2', /Password of the console/)
  await seen.after('wrong\r', /4 tries are left/)
  t.notRegex(seen.text, /wrong/)
  await seen.after('2a long password\r', /Queue all/)
  await seen.after('q', /Logged out/)
  for (const left of [4, 3, 2, 1]) await seen.after('2wrong\r', new RegExp(`${left} tr(?:ies are|y is) left`))
  await seen.after('2wrong\r', /locked for/)
  await seen.after('2a long password\r', /locked for/)
  await using again = new ConsoleInPty(folder.path)
  await again.shows(/runs for/)
  await again.after('2a long password\r', /locked for/)
})

test('a mistake in postern.toml opens no page that wants the password', async (t) => {
  for (const mistake of ['workers = "many"\n', 'not TOML\n']) {
    using folder = tempFolder('console')
    mkdirSync(join(folder.path, 'box'))
    await new ConsolePassword(join(folder.path, 'box'), systemClock).set('a long password')
    const file = join(folder.path, 'postern.toml')
    writeFileSync(file, `data = "box"\n${mistake}`)
    await using seen = new ConsoleInPty('/', ['--config', file])
    await seen.shows(/The configuration was not read/)
    await seen.after('2', /Password of the console/)
    t.pass()
  }
})

async function setPassword(postern: Appliance, password: string) {
  return await postern.toolWithInput(['console', '--set-password'], `${password}\n`)
}

test('a line that is held holds nothing: the process goes on, little is kept for it, and then it shows the newest', async (t) => {
  using folder = tempFolder('console')
  await using postern = await Appliance.start({ folder: folder.path })
  await using seen = new ConsoleInPty(folder.path)
  await seen.shows(/runs for/)
  seen.hold(true)
  // Each redraw is a whole screen; the line takes four kilobytes of them.
  for (let n = 0; n < 300; n += 1) seen.press('\u000c')
  seen.press('9')
  await sendMail(postern, 'meanwhile')
  await until('mail goes on', () => postern.mailboxFiles().length === 1)
  seen.hold(false)
  await seen.shows(/stop Postern: no mail/)
  t.deepEqual(seen.screen.strange, [])
})

test('a resize draws the page anew in the new size, larger, smaller, and too small for anything', async (t) => {
  using folder = tempFolder('console')
  await using postern = await Appliance.start({ folder: folder.path })
  t.true(postern.running)
  await using seen = new ConsoleInPty(folder.path)
  await seen.shows(/runs for/)
  seen.resize({ rows: 40, columns: 120 })
  await until('the menu is on the last line', () => seen.screen.lines()[39]?.startsWith('1 Status'))
  seen.resize({ rows: 12, columns: 60 })
  await until('the menu is on the last line', () => seen.screen.lines()[11]?.startsWith('1 Status'))
  seen.resize({ rows: 5, columns: 20 })
  await seen.shows(/too small/)
  t.deepEqual(seen.screen.strange, [])
})
