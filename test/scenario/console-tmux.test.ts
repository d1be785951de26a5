import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { databasePath } from '#src/queue/paths.ts'
import { openStore } from '#src/store/sqlite.ts'
import { FakeHelper } from '#test/console/fake-helper.ts'
import { ConsoleInTmux } from '#test/console/in-tmux.ts'
import { pictureOf } from '#test/console/picture.ts'
import { Appliance } from '#test/support/appliance.ts'
import { must } from '#test/support/run.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { freePorts, tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

/** Mail that waits for a server that is not there, as an operator finds it. */
const MAILS = [
  ['orders@shop.example', 'alice', 'Your order 4711'],
  ['news@list.example', 'bob', 'What is new in November'],
  ['carol@partner.example', 'alice', 'Minutes of our meeting'],
  ['dave@partner.example', 'postmaster', 'Mail that waits'],
] as const

/** Without one the console of an image asks for its set-up. */
const PASSWORD = 'a long password'

/** An appliance with mail in three of its queues, an alarm, and the helper of an image beside it. */
class Scene implements AsyncDisposable {
  readonly postern: Appliance
  readonly helper: FakeHelper
  readonly ids: string[] = []

  private constructor(postern: Appliance, helper: FakeHelper) {
    this.postern = postern
    this.helper = helper
  }

  static async start(folder: string): Promise<Scene> {
    const socket = join(folder, 'helper.sock')
    // Nobody listens there any more.
    const [lmtpPort = 0] = await freePorts(1)
    const postern = await Appliance.start({
      folder,
      lmtpPort,
      submission: true,
      settings: ['zimbraMtaMyHostname = "mx1.example.test"'],
      tables: ['[console]', `helper = ${JSON.stringify(socket)}`],
    })
    const scene = new Scene(postern, await FakeHelper.start(socket))
    try {
      await scene.#set()
    } catch (error) {
      await scene[Symbol.asyncDispose]()
      throw error
    }
    return scene
  }

  async #set(): Promise<void> {
    const { postern, ids } = this
    for (const mail of MAILS) ids.push(await sendMail(postern, mail))
    await until('all of it waits', async () => (await statesOf(postern)).every((one) => one === 'deferred'))
    const [first = '', second = ''] = ids
    await postern.toolWithInput(['console', '--set-password'], `${PASSWORD}\n`)
    await postern.tool('queue', 'hold', first)
    await spoil(postern, second)
    await endSoon(postern)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.helper.stop()
    await this.postern[Symbol.asyncDispose]()
  }
}

async function sendMail(
  postern: Appliance,
  [sender, local, subject]: (typeof MAILS)[number],
): Promise<string> {
  using client = await SmtpClient.greeted(postern.smtpPort)
  await client.command('EHLO client.example')
  await client.command(`MAIL FROM:<${sender}>`)
  await client.command(`RCPT TO:<${local}@example.test>`)
  await client.command('DATA')
  const text = [
    `From: <${sender}>`,
    `To: <${local}@example.test>`,
    `Subject: ${subject}`,
    '',
    'Good morning.',
  ]
  const { lines } = await client.command(`${text.join('\r\n')}\r\n.`)
  return /queued as (\S+)/.exec(lines.join(' '))?.[1] ?? ''
}

async function statesOf(postern: Appliance): Promise<readonly unknown[]> {
  return (await postern.queue()).map((one) => one['queue_name'])
}

/** The disk has changed a letter of a message: it is set aside when it is read next. */
async function spoil(postern: Appliance, id: string): Promise<void> {
  await postern.stop()
  const store = openStore(databasePath(join(postern.data, 'queue')))
  store.prepare(`UPDATE message SET sender = 'x' || sender WHERE id = ?`).run(id)
  store.close()
  await postern.startAgain()
  await postern.tool('queue', 'flush', id)
  await until('it is set aside', async () => (await statesOf(postern)).includes('corrupt'))
}

/** A certificate of five days in the place of its own: an alarm. */
async function endSoon(postern: Appliance): Promise<void> {
  const tls = join(postern.data, 'tls')
  const files = ['-keyout', join(tls, 'key.pem'), '-out', join(tls, 'certificate.pem')]
  const about = ['-subj', '/CN=mx1.example.test', '-addext', 'subjectAltName=DNS:mx1.example.test']
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '5']
  await must('openssl', ['req', '-x509', ...key, ...about, ...files])
  await postern.tool('reload')
  await until('it is an alarm', async () => (await postern.tool('alarms')).stdout.includes('CERTIFICATE'))
}

/** What is on the screen is whole: nothing beyond 80x24, the keys not cut, the menu on the last line. */
async function isWhole(t: ExecutionContext, tmux: ConsoleInTmux, rows = 24, columns = 80): Promise<void> {
  const lines = await tmux.lines()
  t.is(lines.length, rows)
  const all = lines.join('\n')
  t.true(
    lines.every((line) => /^[ -~]*$/.test(line) && line.length <= columns),
    all,
  )
  t.regex(lines[0] ?? '', /^ Postern {2}\S/, all)
  t.notRegex(lines[rows - 2] ?? '', /~$/, all)
  t.regex(lines[rows - 1] ?? '', /^1 Status 2 Queues .* 9 Power \?$/, all)
}

/** Writes a picture for docs/ where `make pictures` wants them. */
async function picture(tmux: ConsoleInTmux, name: string, title: string): Promise<void> {
  const folder = process.env['POSTERN_PICTURES']
  if (folder === undefined) return
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `console-${name}.svg`), pictureOf(await tmux.styledLines(), 80, title))
}

/** Debian's tmux (`make install-test`). */
const withTmux = existsSync('/usr/bin/tmux') ? test : test.skip

withTmux('every page of a box with troubles is whole at 80x24 in a terminal that others wrote', async (t) => {
  using folder = tempFolder('console-tmux')
  await using scene = await Scene.start(folder.path)
  const { helper, ids } = scene
  await using tmux = await ConsoleInTmux.start(folder.path)
  const look = async (name: string, title: string): Promise<void> => {
    await isWhole(t, tmux)
    await picture(tmux, name, title)
  }
  await tmux.shows(/CERTIFICATE[\s\S]*ends/)
  await tmux.shows(/deferred +2\n.*hold +1\n.*corrupt +1\n/)
  await tmux.shows(/cores +\[[#-]{10}\]/)
  await look('status', 'The status page of the console: rates, queue, machine, alarms')
  await tmux.after('a', /WARNING CERTIFICATE[\s\S]*since [\s\S]*Renew it/)
  await look('alarms', 'All alarms, with what to do about them')
  await tmux.after('Escape', /deferred +2\n/)
  await tmux.after('2', /Password of the console:/)
  await tmux.type(PASSWORD)
  await tmux.after('Enter', /\[all\] +incoming 0 +active 0 +deferred 2 +hold 1 +corrupt 1/)
  await tmux.after('Down', /why: .*checksum/)
  await look('queues', 'The queues: how many messages in each, and why the chosen one waits')
  await tmux.after('/', /Which/)
  await tmux.type('from:@partner.example')
  await tmux.after('Enter', /from:@partner\.example: 2 messages/)
  await tmux.after('Enter', /subject: Minutes[\s\S]*deferred[\s\S]*Good morning|subject: Minutes[\s\S]*below/)
  await look('message', 'A message from inside, with all that has become of it')
  await tmux.after('h', new RegExp(`hold ${ids[2]}\\? \\(y/n\\)`))
  await look('question', 'Nothing is changed before a question is answered')
  await tmux.after('n', /ESC back/)
  await tmux.after('3', /The key \/ asks/)
  await tmux.after('/', /Which message/)
  await tmux.type('to:alice since:1h')
  await tmux.after('Enter', /: 2 messages/)
  await isWhole(t, tmux)
  await tmux.after('4', /smtpd: /)
  await look('log', 'The live log')
  await tmux.after('5', /message_size_limit/)
  await look('settings', 'The main settings, with where each comes from')
  await tmux.after('g', /History of the settings/)
  await isWhole(t, tmux)
  await tmux.after('6', /eth0: DHCP, 192\.0\.2\.5\/24/)
  await look('network', 'The network of the appliance')
  helper.handlers.progress = () => ({ ok: true, running: true, percent: 60, text: 'root-b is written' })
  await tmux.after('7', /\[#{24}-{16}\] 60%/)
  await look('update', 'An update that is under way')
  await tmux.after('8', /p {3}ping a host/)
  await isWhole(t, tmux)
  await tmux.after('9', /factory reset/)
  await look('power', 'Restart, switching off, factory reset, the password')
  await tmux.after('?', /Power: help[\s\S]*On every page/)
  await isWhole(t, tmux)
  t.deepEqual(helper.asked, [])
})

withTmux(
  'in another terminal too a page is drawn anew in its size: larger, the largest, smaller, and too small for anything',
  async (t) => {
    using folder = tempFolder('console-tmux')
    await using postern = await Appliance.start({ folder: folder.path })
    t.true(postern.running)
    await using tmux = await ConsoleInTmux.start(folder.path)
    await tmux.shows(/runs for/)
    for (const size of [
      { rows: 60, columns: 132 },
      { rows: 30, columns: 100 },
      { rows: 24, columns: 80 },
    ]) {
      await tmux.resize(size)
      await tmux.shows(new RegExp(`^(?:.*\n){${size.rows - 1}}1 Status`))
      await isWhole(t, tmux, size.rows, size.columns)
    }
    for (const page of ['2', '3', '4', '5', '6', '7', '8', '9', '1']) {
      await tmux.resize({ rows: 24, columns: 80 })
      await tmux.type(page)
      await tmux.resize({ rows: 12, columns: 50 })
      // Cut, and all in its place.
      await tmux.shows(/^ Postern {2}(?:.*\n){11}1 Status 2 Queues/)
    }
    await tmux.resize({ rows: 6, columns: 30 })
    await tmux.shows(/too small: 40x10 at least/)
    await tmux.resize({ rows: 24, columns: 80 })
    await tmux.shows(/runs for/)
  },
)

withTmux('a box of the image that nobody has set up asks for its set-up, whole at 80x24', async (t) => {
  using folder = tempFolder('console-tmux')
  const socket = join(folder.path, 'helper.sock')
  const helper = await FakeHelper.start(socket)
  writeFileSync(join(folder.path, 'postern.toml'), `[console]\nhelper = ${JSON.stringify(socket)}\n`)
  try {
    await using tmux = await ConsoleInTmux.start(folder.path)
    await tmux.shows(/This box is not set up/)
    await isWhole(t, tmux)
    await picture(tmux, 'set-up', 'The set-up of a box that nobody has told anything yet')
    await tmux.after('Escape', /Postern does not run/)
    await isWhole(t, tmux)
  } finally {
    helper.stop()
  }
})
