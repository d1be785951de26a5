import { appendFileSync, chmodSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import test from 'ava'
import { Appliance, killIfThere, REPOSITORY } from '#test/support/appliance.ts'
import { alive } from '#test/support/faults.ts'
import { plainMail } from '#test/support/mails.ts'
import { run } from '#test/support/run.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { freePorts, tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const POSTERN = join(REPOSITORY, 'bin', 'postern')
const MAIL = { from: 'me@client.example', to: ['alice@example.test'], message: plainMail('one', 'Hello.') }

interface Status {
  readonly running: boolean
  readonly pid: number
  readonly generation: number
  readonly clients: number
  readonly problems: readonly string[]
  readonly processes: readonly {
    readonly name: string
    readonly state: string
    readonly restarts: number
    readonly pid: number
  }[]
}

async function status(postern: Appliance): Promise<Status> {
  const ran = await postern.tool('status', '--json')
  // oxlint-disable-next-line no-unsafe-type-assertion -- what of it is wrong fails the assertion on it
  return JSON.parse(ran.stdout) as Status
}

/** Says EHLO and gives the SIZE that is offered. */
async function sizeOffered(postern: Appliance): Promise<string | undefined> {
  using client = await SmtpClient.greeted(postern.smtpPort)
  const reply = await client.command('EHLO client.example')
  await client.quit()
  return reply.lines.find((line) => line.startsWith('SIZE'))
}

test('after kill -9 of master its processes end by themselves, and a start right then serves with all the mail', async (t) => {
  using folder = tempFolder('master-killed')
  await using postern = await Appliance.start({ folder: folder.path, workers: 2 })
  const before = postern.family().map(({ pid }) => pid)
  using open = await SmtpClient.greeted(postern.smtpPort)
  t.is((await open.send(MAIL)).code, 250)
  process.kill(postern.pid, 'SIGKILL')
  await until('master is gone', () => !postern.running)
  await postern.startAgain()
  t.deepEqual(
    before.filter((pid) => alive(pid)),
    [],
    'nobody of the old ones is left',
  )
  using client = await SmtpClient.greeted(postern.smtpPort)
  t.is((await client.send(MAIL)).code, 250)
  await until('both mails have arrived', () => postern.mailboxFiles().length === 2)
})

test('a mailbox store killed with -9 is replaced, and its mail is delivered', async (t) => {
  using folder = tempFolder('mailbox-killed')
  await using postern = await Appliance.start({ folder: folder.path })
  killIfThere(postern.pids('mailbox')[0] ?? 0)
  const replaced = await until('another one is ready', async () => {
    const now = await status(postern)
    const mailbox = now.processes.find(({ name }) => name === 'mailbox/1')
    return mailbox?.restarts === 1 && mailbox.state === 'ready' && now
  })
  t.deepEqual(
    replaced.processes.map(({ name, restarts }) => `${name} ${restarts}`),
    ['mailbox/1 1', 'directory/1 0', 'qmgr/1 0', 'smtpd/1 0'],
  )
  using client = await SmtpClient.greeted(postern.smtpPort)
  t.is((await client.send(MAIL)).code, 250)
  await until('the mail has arrived', () => postern.mailboxFiles().length === 1)
})

test('connections of one client are counted over all smtpd, and those of a killed smtpd count no more', async (t) => {
  using folder = tempFolder('anvil')
  await using postern = await Appliance.start({
    folder: folder.path,
    workers: 2,
    limits: ['smtpd_client_connection_count_limit = 4', 'mynetworks = "192.0.2.0/24"'],
  })
  await until('the connections of the start have ended', async () => (await status(postern)).clients === 0)
  const clients = await Promise.all(Array.from({ length: 4 }, () => SmtpClient.greeted(postern.smtpPort)))
  using fifth = await SmtpClient.connect(postern.smtpPort)
  const refused = await fifth.reply()
  t.is(refused.code, 421)
  t.is(refused.dsn, '4.7.0')
  t.regex(refused.text, /too many connections from your host/)
  for (const pid of postern.pids('smtpd')) killIfThere(pid)
  await until('nobody is counted', async () => {
    const now = await status(postern)
    return now.clients === 0 && now.processes.every(({ state }) => state === 'ready')
  })
  using client = await SmtpClient.greeted(postern.smtpPort)
  t.is((await client.send(MAIL)).code, 250)
  for (const one of clients) one.destroy()
})

test('reload takes new settings over for new sessions, and a file with mistakes changes nothing', async (t) => {
  using folder = tempFolder('reload')
  await using postern = await Appliance.start({ folder: folder.path })
  const file = join(folder.path, 'postern.toml')
  const good = readFileSync(file, 'utf8')
  using before = await SmtpClient.greeted(postern.smtpPort)
  t.is(await sizeOffered(postern), 'SIZE 10240000')

  writeFileSync(file, good.replace('[limits]', '[limits]\nmessage_size_limit = 5000'))
  const reloaded = await postern.tool('reload')
  t.is(reloaded.code, 0, reloaded.stderr)
  t.regex(reloaded.stdout, /Generation 2/)
  await until('the new size is offered', async () => (await sizeOffered(postern)) === 'SIZE 5000')
  t.is((await before.send(MAIL)).code, 250, 'a session that was there goes on')

  writeFileSync(file, good.replace('[limits]', '[limits]\nmesage_size_limit = 6000'))
  const refused = await postern.tool('reload')
  t.is(refused.code, 1)
  t.regex(
    refused.stderr,
    /postern\.toml:\d+: limits\.mesage_size_limit: is not a known setting; did you mean message_size_limit\?/,
  )
  t.is(await sizeOffered(postern), 'SIZE 5000')

  writeFileSync(file, good.replace(/workers = \d+/, 'workers = 7'))
  t.regex((await postern.tool('reload')).stdout, /workers has changed; that takes hold at the next start/)
})

test('what is imported into the directory holds at once: recipients, settings, and a value that is not allowed is told', async (t) => {
  using folder = tempFolder('import')
  await using postern = await Appliance.start({ folder: folder.path })
  using client = await SmtpClient.greeted(postern.smtpPort)
  await client.command('MAIL FROM:<me@client.example>')
  t.is((await client.command('RCPT TO:<carol@example.test>')).code, 550)
  const file = join(folder.path, 'new.ldif')
  writeFileSync(
    file,
    'dn: uid=carol,ou=people,dc=example,dc=test\nzimbraMailStatus: enabled\nzimbraMailDeliveryAddress: carol@example.test\n',
  )
  const imported = await postern.tool('directory', 'import', file)
  t.is(imported.stdout, '1 added, 0 replaced, 0 modified, 0 deleted\n', imported.stderr)
  t.is((await client.command('RCPT TO:<carol@example.test>')).code, 250)

  const change = (value: string) =>
    writeFileSync(
      file,
      `dn: cn=config,cn=zimbra\nchangetype: modify\nreplace: zimbraMtaMaxMessageSize\nzimbraMtaMaxMessageSize: ${value}\n-\n`,
    )
  change('7000')
  t.is((await postern.tool('directory', 'import', file)).code, 0)
  await until('the new size is offered', async () => (await sizeOffered(postern)) === 'SIZE 7000')
  change('huge')
  t.is((await postern.tool('directory', 'import', file)).code, 0)
  const told = await until('the problem is shown', async () => {
    const { problems } = await status(postern)
    return problems.length > 0 && problems
  })
  t.regex(told[0] ?? '', /^zimbraMtaMaxMessageSize: must be a whole number/)
  t.is(await sizeOffered(postern), 'SIZE 7000')

  writeFileSync(file, 'dn: uid=x\nzimbraMailDeliveryAddress: none\n')
  const wrong = await postern.tool('directory', 'import', file)
  t.is(wrong.code, 1)
  t.regex(wrong.stderr, /new\.ldif:1: zimbraMailDeliveryAddress: "none" is not allowed there/)
  t.regex(
    (await postern.tool('directory', 'export')).stdout,
    /zimbraMailDeliveryAddress: carol@example\.test/,
  )
})

test('start --detach returns when mail is taken, status and stop find it, and stop leaves nothing', async (t) => {
  using folder = tempFolder('detach')
  const [smtp = 0, lmtp = 0] = await freePorts(2)
  writeFileSync(
    join(folder.path, 'postern.toml'),
    `workers = 1\n[health]\nlisten = false\n[[listener]]\nport = ${smtp}\n[mailbox]\nport = ${lmtp}\n`,
  )
  const tool = (...words: readonly string[]) =>
    run(process.execPath, [POSTERN, ...words, '--config', join(folder.path, 'postern.toml')], { cwd: '/' })
  const started = await tool('start', '--detach')
  try {
    t.is(started.code, 0, started.stderr)
    t.regex(started.stdout, new RegExp(`SMTP\\s+127\\.0\\.0\\.1:${smtp}`))
    using client = await SmtpClient.greeted(smtp)
    t.is((await client.send(MAIL)).code, 250)
    const shown = await tool('status')
    t.is(shown.code, 0)
    t.regex(shown.stdout, /^master\s+\d+\s+ready/m)
    t.regex(shown.stdout, /^smtpd\/1\s+\d+\s+ready/m)
    t.regex(shown.stdout, /^ {2}queue {5}messages \d+, incoming \d+, deferred 0, hold 0, corrupt 0$/m)
    // Nobody else may read mail, keys or logs.
    for (const name of ['var', 'var/tls', 'var/queue', 'var/log', 'var/run']) {
      t.is(statSync(join(folder.path, name)).mode & 0o077, 0, name)
    }
  } finally {
    const stopped = await tool('stop')
    t.is(stopped.code, 0, stopped.stderr)
  }
  const gone = await tool('status')
  t.is(gone.code, 3)
  t.regex(gone.stderr, /does not run/)
  t.is((await tool('stop')).code, 3)
  t.is((await tool('reload')).code, 3)
})

for (const [title, spoil, expected] of [
  [
    'a mistake in postern.toml',
    (folder: string) => {
      appendFileSync(join(folder, 'postern.toml'), '[log]\nlevel = "loud"\n')
    },
    /postern\.toml:9: log\.level: must be one of "debug", "info", "warn", "error"/,
  ],
  [
    'a data folder that is a file',
    (folder: string) => {
      writeFileSync(join(folder, 'var'), '')
    },
    /The folder .*\/var.* cannot be used: .*data = "…" in postern\.toml/s,
  ],
  [
    'a key that is not the certificate’s',
    (folder: string) => {
      mkdirSync(join(folder, 'var', 'tls'), { recursive: true })
      writeFileSync(join(folder, 'var', 'tls', 'key.pem'), 'nonsense')
    },
    /TLS_FILES .*key\.pem/s,
  ],
  [
    'a data folder with too long a path',
    (folder: string) => {
      const file = join(folder, 'postern.toml')
      writeFileSync(file, `data = "${'deep/'.repeat(30)}"\n${readFileSync(file, 'utf8')}`)
    },
    /The path of the data folder is too long for the sockets in it/,
  ],
] as const) {
  test(`a start that cannot be says why and leaves nothing running: ${title}`, async (t) => {
    using folder = tempFolder('refused')
    const [smtp = 0, lmtp = 0] = await freePorts(2)
    writeFileSync(
      join(folder.path, 'postern.toml'),
      `workers = 1\n[health]\nlisten = false\n[[listener]]\nport = ${smtp}\n[mailbox]\nport = ${lmtp}\n`,
    )
    spoil(folder.path)
    for (const words of [['start'], ['start', '--detach']]) {
      const ran = await run(process.execPath, [POSTERN, ...words], { cwd: folder.path })
      t.is(ran.code, 1, words.join(' '))
      t.regex(ran.stderr, expected)
      t.notRegex(ran.stderr, /\n\s+at /, 'sentences and no stack')
    }
    t.is((await run(process.execPath, [POSTERN, 'status'], { cwd: folder.path })).code === 0, false)
  })
}

for (const [what, setting] of [
  ['the SMTP port', '[[listener]]'],
  ['the port of the mailbox store', '[mailbox]'],
] as const) {
  test(`where ${what} is taken, the start names the port and where to change it`, async (t) => {
    using folder = tempFolder('port-taken')
    const holder = createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    const address = holder.address()
    const taken = typeof address === 'object' && address !== null ? address.port : 0
    const [free = 0] = await freePorts(1)
    const ports = setting === '[mailbox]' ? [free, taken] : [taken, free]
    writeFileSync(
      join(folder.path, 'postern.toml'),
      `[[listener]]\nport = ${ports[0]}\n[mailbox]\nport = ${ports[1]}\n`,
    )
    const ran = await run(process.execPath, [POSTERN, 'start'], { cwd: folder.path })
    holder.close()
    await once(holder, 'close')
    t.is(ran.code, 1)
    t.true(ran.stderr.includes(`Port ${taken} on 127.0.0.1 is taken by another program`), ran.stderr)
    t.true(ran.stderr.includes(`${setting} port in postern.toml`), ran.stderr)
  })
}

const asUser = process.getuid?.() === 0 ? test.skip : test
asUser('a data folder that may not be written is named', async (t) => {
  using folder = tempFolder('unwritable')
  mkdirSync(join(folder.path, 'var'))
  chmodSync(join(folder.path, 'var'), 0o500)
  const ran = await run(process.execPath, [POSTERN, 'start'], { cwd: folder.path })
  t.is(ran.code, 1)
  t.regex(ran.stderr, /The folder .* cannot be used/)
  chmodSync(join(folder.path, 'var'), 0o700)
  rmSync(join(folder.path, 'var'), { recursive: true })
})
