import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Appliance, REPOSITORY } from '#test/support/appliance.ts'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { run } from '#test/support/run.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'

/** The programs that run before and after another release is started, against a whole appliance. */

const PROGRAMS = join(REPOSITORY, 'src', 'appliance')

function program(name: 'drain' | 'boot-check', postern: { readonly folder: string }) {
  const boots = join(postern.folder, 'boots')
  const release = join(postern.folder, 'release')
  writeFileSync(release, 'VERSION=2.0.0 ARCH=amd64 BUILD=0\n')
  const words = ['--config', join(postern.folder, 'postern.toml'), '--boots', boots]
  if (name === 'boot-check') words.push('--release', release)
  return run(process.execPath, [join(PROGRAMS, `${name}.ts`), ...words])
}

async function send(port: number, subject: string): Promise<string> {
  using client = await SmtpClient.greeted(port)
  await client.command('MAIL FROM:<bob@far.example>')
  await client.command('RCPT TO:<alice@example.test>')
  await client.command('DATA')
  const reply = await client.command(`Subject: ${subject}\r\n\r\nhello\r\n.`)
  return /queued as (\S+)/.exec(reply.text)?.[1] ?? reply.text
}

test('before another release no new mail is taken, and after its start every message is there and a mail goes through', async (t) => {
  using folder = tempFolder('boot')
  await using sink = await LmtpSink.listen()
  await sink.shut()
  await using postern = await Appliance.start({ folder: folder.path, lmtpPort: sink.port })
  const ids = [await send(postern.smtpPort, 'one'), await send(postern.smtpPort, 'two')]

  using early = await SmtpClient.greeted(postern.smtpPort)
  await early.command('MAIL FROM:<bob@far.example>')
  const drained = await program('drain', postern)
  t.is(drained.code, 0, drained.stderr)
  // What is under way may end, and who comes now is to come again.
  t.is((await early.command('RCPT TO:<alice@example.test>')).code, 250)
  using late = await SmtpClient.connect(postern.smtpPort)
  t.is((await late.reply()).dsn, '4.3.2')
  const [head = '', ...promised] = readFileSync(join(folder.path, 'boots', 'promise'), 'utf8')
    .trim()
    .split('\n')
  t.like(JSON.parse(head), { ran: true, reasons: [] })
  t.deepEqual(promised.toSorted(), ids.toSorted())

  early.destroy()
  await postern.stop()
  await postern.startAgain()
  // One has left the queue since, and the trace says so.
  t.is((await postern.tool('queue', 'delete', ids[0] ?? '')).code, 0)
  const checked = await program('boot-check', postern)
  t.is(checked.code, 0, checked.stderr)
  t.regex(checked.stdout, /the queue has all of 2 messages/)
  t.regex(checked.stdout, /a mail went through/)
  t.false(existsSync(join(folder.path, 'boots', 'promise')))
  t.false(existsSync(join(folder.path, 'boots', '2.0.0.reason')))
  // It leaves nothing behind, and nobody else has got it.
  t.is((await postern.queue()).length, 1)
  t.is(sink.deliveries.length, 0)
})

test('where what waits cannot be noted, it is told why and mail is taken again', async (t) => {
  using folder = tempFolder('boot')
  await using postern = await Appliance.start({ folder: folder.path })
  // The list has nowhere to go: a folder has its name.
  mkdirSync(join(folder.path, 'boots', 'promise.new'), { recursive: true })
  const drained = await program('drain', postern)
  t.is(drained.code, 1)
  t.regex(readFileSync(join(folder.path, 'boots', 'drain.reason'), 'utf8'), /EISDIR/)
  t.false(existsSync(join(folder.path, 'boots', 'promise')))
  using client = await SmtpClient.connect(postern.smtpPort)
  t.is((await client.reply()).code, 220)

  rmSync(join(folder.path, 'boots', 'promise.new'), { recursive: true })
  t.is((await program('drain', postern)).code, 0)
  t.false(existsSync(join(folder.path, 'boots', 'drain.reason')))
  using refused = await SmtpClient.connect(postern.smtpPort)
  t.is((await refused.reply()).dsn, '4.3.2')
})

test('a message that was promised and is not there fails the boot check, with its id', async (t) => {
  using folder = tempFolder('boot')
  await using postern = await Appliance.start({ folder: folder.path })
  t.is((await program('drain', postern)).code, 0)
  await postern.stop()
  await postern.startAgain()
  appendFileSync(join(folder.path, 'boots', 'promise'), '4NoSuchMail\n')
  const checked = await program('boot-check', postern)
  t.is(checked.code, 1)
  const reason = readFileSync(join(folder.path, 'boots', '2.0.0.reason'), 'utf8')
  t.regex(reason, /^1 of \d+ messages are not in the queue any more: 4NoSuchMail\n$/)
})

test('settings that do not load fail the boot check, with their mistake', async (t) => {
  using folder = tempFolder('boot')
  writeFileSync(join(folder.path, 'postern.toml'), 'workers = "many"\n')
  const checked = await program('boot-check', { folder: folder.path })
  t.is(checked.code, 1)
  t.regex(
    readFileSync(join(folder.path, 'boots', '2.0.0.reason'), 'utf8'),
    /the settings have mistakes: .*workers/,
  )
})

test('a box that nobody has set up yet takes no mail, before and after', async (t) => {
  using folder = tempFolder('boot')
  writeFileSync(join(folder.path, 'postern.toml'), '')
  t.is((await program('drain', { folder: folder.path })).code, 0)
  const promise = readFileSync(join(folder.path, 'boots', 'promise'), 'utf8')
  t.like(JSON.parse(promise), { ran: false })
  const checked = await program('boot-check', { folder: folder.path })
  t.is(checked.code, 0, checked.stderr)
})
