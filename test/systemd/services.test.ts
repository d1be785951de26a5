import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import test from 'ava'
import { askLine } from '#src/net/ask-line.ts'
import { REPOSITORY } from '#test/support/appliance.ts'
import { plainMail } from '#test/support/mails.ts'
import { installed, must, run } from '#test/support/run.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { freePorts, tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const UNITS = join(REPOSITORY, 'systemd')
const AS_USER = join(REPOSITORY, 'test', 'systemd', 'as-user.sh')
const isRoot = process.getuid?.() === 0
const tools = ['systemd-sysusers', 'systemd-tmpfiles', 'setpriv', 'unshare']
const canPart = isRoot && tools.every(installed) && (await run('unshare', ['--mount', 'true'])).code === 0
const asRoot = canPart ? test.serial : test.serial.skip
if (!canPart) process.stderr.write('services.test.ts: skipped, it needs root and mount namespaces\n')

type Kind = 'smtpd' | 'qmgr' | 'mailbox' | 'directory' | 'health'

/** Users and groups as the units give them. */
const WHO = {
  master: ['postern'],
  qmgr: ['postern'],
  directory: ['postern'],
  smtpd: ['postern-smtpd', 'postern-tls', 'postern-log'],
  health: ['postern-health', 'postern-tls', 'postern-log'],
  mailbox: ['postern-mailbox', 'postern-log'],
} as const satisfies Readonly<Record<'master' | Kind, readonly string[]>>

/** One service: started again whenever it ends, as Restart=always does. */
class Service {
  readonly #words: readonly string[]
  #child: ChildProcess
  #isOver = false
  output = ''

  constructor(words: readonly string[]) {
    this.#words = words
    this.#child = this.#spawn()
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  #spawn(): ChildProcess {
    const child = spawn(AS_USER, this.#words, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] },
    })
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text
      })
    child.once('exit', () => {
      if (!this.#isOver) this.#child = this.#spawn()
    })
    return child
  }

  /** Resolves when another one has been started in its place. */
  async kill(): Promise<void> {
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }

  async end(): Promise<void> {
    this.#isOver = true
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }
}

/** The appliance as systemd runs it: every process a service, with the users and folders of the package. */
class Services {
  readonly #folder = tempFolder('services')
  readonly #ids = new Map<string, number>()
  readonly running = new Map<string, Service>()
  port = 0

  get root(): string {
    return this.#folder.path
  }

  get data(): string {
    return join(this.root, 'var/lib/postern')
  }

  static async start(): Promise<Services> {
    const made = new Services()
    await made.#prepare()
    made.#run('master', ['--config', join(made.root, 'etc/postern/postern.toml'), '--services', '2'])
    for (const kind of ['qmgr', 'directory', 'mailbox', 'health', 'smtpd'] as const) made.#service(kind, 1)
    made.#service('smtpd', 2)
    await made.ready()
    return made
  }

  async #prepare(): Promise<void> {
    chmodSync(this.root, 0o755)
    const etc = join(this.root, 'etc')
    mkdirSync(join(etc, 'postern'), { recursive: true })
    mkdirSync(join(this.root, 'program'))
    copyFileSync(join(UNITS, 'postern.sysusers'), join(this.root, 'users.conf'))
    copyFileSync(join(UNITS, 'postern.tmpfiles'), join(this.root, 'folders.conf'))
    await must('systemd-sysusers', [`--root=${this.root}`, join(this.root, 'users.conf')])
    for (const line of readFileSync(join(etc, 'group'), 'utf8').split('\n')) {
      const [name = '', , id] = line.split(':')
      this.#ids.set(name, Number(id))
    }
    const [smtp = 0, mailbox = 0, health = 0] = await freePorts(3)
    this.port = smtp
    const toml = [
      `data = "${this.data}"`,
      '[[listener]]',
      `port = ${smtp}`,
      '[mailbox]',
      `port = ${mailbox}`,
      '[health]',
      'mail = false',
      `listen = "127.0.0.1:${health}"`,
      '[limits]',
      'notify_classes = ""',
      '',
    ]
    writeFileSync(join(etc, 'postern/postern.toml'), toml.join('\n'))
    await must('systemd-tmpfiles', [`--root=${this.root}`, '--create', join(this.root, 'folders.conf')])
    writeFileSync(join(etc, 'postern/directory/password'), 'secret\n', { mode: 0o640 })
    await must('chgrp', [String(this.id('postern')), join(etc, 'postern/directory/password')])
  }

  id(name: string): number {
    return this.#ids.get(name) ?? Number.NaN
  }

  /** The words that run a program as one of the users. */
  words(who: keyof typeof WHO, ...program: readonly string[]): readonly string[] {
    const [user = '', ...groups] = WHO[who].map((name) => String(this.id(name)))
    return [join(this.root, 'program'), user, [user, ...groups].join(','), ...program]
  }

  #run(kind: keyof typeof WHO, words: readonly string[], name: string = kind): void {
    const program = join(this.root, 'program')
    const cache = WHO[kind][0] === 'postern' ? 'compile' : kind
    const node = [
      'env',
      `NODE_COMPILE_CACHE=${this.data}/cache/${cache}`,
      join(program, 'node_modules/.bin/node'),
    ]
    const script = join(program, 'src/main', `${kind}.ts`)
    this.running.set(name, new Service(this.words(kind, ...node, script, ...words)))
  }

  #service(kind: Kind, n: number): void {
    const socket = join(this.data, 'run', kind, 'master.sock')
    this.#run(kind, ['--master', socket, '--number', String(n)], `${kind}/${n}`)
  }

  async status(): Promise<
    readonly { readonly name: string; readonly state: string; readonly pid: number }[]
  > {
    const line = await askLine(join(this.data, 'run/control.sock'), '{"command":"status"}', {
      answerMs: 60_000,
      charsMax: 1_000_000,
    })
    if (line === undefined) return []
    // oxlint-disable-next-line no-unsafe-type-assertion -- what of it is wrong fails the assertion on it
    const { processes } = JSON.parse(line) as {
      processes?: readonly { name: string; state: string; pid: number }[]
    }
    return processes ?? []
  }

  /** Resolves once master has taken on all of them, each the process that runs now. */
  async ready(): Promise<void> {
    await until('all services are ready', async () => {
      const processes = await this.status()
      return (
        processes.length === 6 &&
        processes.every(({ name, state, pid }) => state === 'ready' && pid === this.running.get(name)?.pid)
      )
    }).catch((error: unknown) => {
      throw new Error([...this.running].map(([name, { output }]) => `${name}: ${output}`).join('\n'), {
        cause: error,
      })
    })
  }

  /** What this script writes when it is run as one of the users. */
  async ask(who: keyof typeof WHO, script: string): Promise<string> {
    const node = join(this.root, 'program/node_modules/.bin/node')
    const ran = await run(AS_USER, this.words(who, node, '--input-type=module', '-e', script))
    if (ran.code !== 0) throw new Error(ran.stderr)
    return ran.stdout.trim()
  }

  arrived(): readonly string[] {
    const root = join(this.data, 'mailboxes')
    return readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.parentPath.endsWith('/new'))
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
  }

  async send(subject: string, body: string): Promise<number> {
    using client = await SmtpClient.greeted(this.port)
    const reply = await client.send({
      from: 'me@client.example',
      to: ['alice@example.test'],
      message: plainMail(subject, body),
    })
    return reply.code
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.running.values()].map((service) => service.end()))
    this.#folder[Symbol.dispose]()
  }
}

let started: Promise<Services> | undefined
/** One for all tests, which run one after the other; the last one leaves it without a mailbox store. */
const services = (): Promise<Services> => (started ??= Services.start())
test.after.always(async () => {
  await (await started)?.[Symbol.asyncDispose]()
})

const refused = (reason: string) => JSON.stringify({ kind: 'refused', reason })

/** Too long for the database: it goes through a file of spool/. */
const LARGE = 'A line of a large message that is written into the spool.\r\n'.repeat(20_000)

/** What happens when a user opens each of these: '' or the code of the error. */
const opening = (files: readonly string[], flags: string) => `
  import { closeSync, openSync } from 'node:fs'
  console.log(JSON.stringify(${JSON.stringify(files)}.map((file) => {
    try { closeSync(openSync(file, ${JSON.stringify(flags)})); return '' } catch (error) { return error.code }
  })))`

const connecting = (sockets: readonly string[]) => `
  import { connect } from 'node:net'
  const tried = ${JSON.stringify(sockets)}.map((path) => new Promise((resolve) => {
    const socket = connect(path)
    socket.on('connect', () => { socket.destroy(); resolve('') })
    socket.on('error', (error) => resolve(error.code))
  }))
  console.log(JSON.stringify(await Promise.all(tried)))`

asRoot(
  'every process a user of its own: mail goes through, and each that is killed comes back',
  async (t) => {
    t.timeout(300_000)
    const postern = await services()
    t.is(await postern.send('small', 'Hello.'), 250)
    t.is(await postern.send('large', LARGE), 250)
    await until('both have arrived', () => postern.arrived().length === 2)
    for (const [name, service] of postern.running) {
      const [, owner = ''] = Object.entries(WHO).flatMap(([kind, [user]]) =>
        name.startsWith(kind) ? ['', user] : [],
      )
      const user = readFileSync(`/proc/${service.pid}/status`, 'utf8')
      t.regex(user, new RegExp(`^Uid:\\t${postern.id(owner)}\\t`, 'm'), name)
      t.regex(user, /^CapEff:\t0+$/m, name)
    }
    let sent = 2
    for (const [name, service] of postern.running) {
      await service.kill()
      await postern.ready()
      // smtpd may still be looking for the one that is new: 451 until it has found it.
      await until(
        `mail is taken after ${name}`,
        async () => (await postern.send(`after ${name}`, 'Hello.')) === 250,
      )
      sent += 1
    }
    await until('all have arrived', () => postern.arrived().length === sent)
  },
)

asRoot('whoever comes to master as smtpd is believed nothing that smtpd does not say', async (t) => {
  t.timeout(300_000)
  const postern = await services()
  const script = `
    import { connect } from 'node:net'
    import { encodeFrame } from ${JSON.stringify(join(postern.root, 'program/src/net/frames.ts'))}
    const path = ${JSON.stringify(join(postern.data, 'run/smtpd/master.sock'))}
    const hello = (n, version) => JSON.stringify({ kind: 'hello', version, n, pid: 4711 })
    const { VERSION } = await import(${JSON.stringify(join(postern.root, 'program/src/base/version.ts'))})
    const heads = [hello(1, VERSION), hello(99, VERSION), hello(1, '0.0.0'), hello('x', VERSION), '{"kind":"anvil"}', 'nonsense']
    const answers = await Promise.all(heads.map((head) => new Promise((resolve) => {
      const socket = connect(path)
      let said = ''
      socket.on('data', (data) => { said += data.subarray(8) })
      socket.on('close', () => resolve(said))
      socket.on('error', () => {})
      socket.write(encodeFrame(head))
    })))
    console.log(JSON.stringify(answers))`
  const answers: unknown = JSON.parse(await postern.ask('smtpd', script))
  t.true(Array.isArray(answers))
  if (!Array.isArray(answers)) return
  t.is(answers[0], refused('there is one already'))
  t.is(answers[1], '{"kind":"unneeded"}')
  t.regex(String(answers[2]), /it is of release 0\.0\.0, and master of /)
  t.is(answers[3], refused('it does not say which it is'))
  t.is(answers[4], refused('it does not say what it is'))
  t.is(answers[5], '')
  t.is(await postern.send('afterwards', 'Hello.'), 250)
})

/** What lookups read; failed logins lie beside it and are for the directory process alone. */
function isLookup(file: string): boolean {
  return !basename(file).startsWith('attempts.db')
}

asRoot(
  "who has taken smtpd over reads neither the queue, nor settings, secrets, mailboxes, nor others' sockets",
  async (t) => {
    t.timeout(300_000)
    const postern = await services()
    const { data, root } = postern
    // Large mail that waits in the queue: nobody takes it.
    await postern.running.get('mailbox/1')?.end()
    t.is(await postern.send('large', LARGE), 250)
    const spool = join(data, 'queue/spool')
    const bodies = readdirSync(spool).filter((name) => statSync(join(spool, name)).size > LARGE.length)
    t.is(bodies.length, 1)
    const files = [
      'queue/queue.db',
      'queue/queue.db-wal',
      'queue/trace.db',
      'settings/generations.db',
      'mailboxes',
      'queue',
      'queue/spool',
      'run/lock-master.db',
      ...bodies.map((name) => `queue/spool/${name}`),
    ].map((file) => join(data, file))
    files.push(join(root, 'etc/postern/postern.toml'), join(root, 'etc/postern/directory/password'))
    const denied = files.map(() => 'EACCES')
    for (const file of files) t.true(existsSync(file), file)
    t.deepEqual(JSON.parse(await postern.ask('smtpd', opening(files, 'r'))), denied)
    const known = readdirSync(join(data, 'directory')).map((name) => join(data, 'directory', name))
    const lookups = known.filter(isLookup)
    t.true(lookups.length >= 1)
    t.true(known.length > lookups.length)
    t.deepEqual(
      JSON.parse(await postern.ask('smtpd', opening(known, 'r'))),
      known.map((file) => (isLookup(file) ? '' : 'EACCES')),
    )
    t.deepEqual(
      JSON.parse(await postern.ask('smtpd', opening(lookups, 'r+'))),
      lookups.map(() => 'EACCES'),
    )

    const key = join(data, 'tls/key.pem')
    t.is(statSync(key).mode & 0o777, 0o640)
    t.deepEqual(JSON.parse(await postern.ask('smtpd', opening([key], 'r'))), [''])
    t.deepEqual(JSON.parse(await postern.ask('smtpd', opening([key], 'r+'))), ['EACCES'])
    t.deepEqual(JSON.parse(await postern.ask('mailbox', opening([key], 'r'))), ['EACCES'])

    const foreign = [
      'run/control.sock',
      'run/qmgr-control.sock',
      'run/directory.sock',
      'run/qmgr/master.sock',
      'run/directory/master.sock',
      'run/health/master.sock',
      'run/health/control.sock',
      'run/mailbox/master.sock',
    ].map((file) => join(data, file))
    for (const socket of foreign) t.true(existsSync(socket), socket)
    t.deepEqual(
      JSON.parse(await postern.ask('smtpd', connecting(foreign))),
      foreign.map(() => 'EACCES'),
    )
    const own = ['qmgr', 'qmgr-trace', 'directory', 'master'].map((name) =>
      join(data, 'run/smtpd', `${name}.sock`),
    )
    t.deepEqual(
      JSON.parse(await postern.ask('smtpd', connecting(own))),
      own.map(() => ''),
    )
    // The health process asks how things are, and can do nothing; the mailbox store is as shut out as smtpd.
    t.deepEqual(JSON.parse(await postern.ask('health', opening(files, 'r'))), denied)
    t.deepEqual(JSON.parse(await postern.ask('mailbox', opening([files[0] ?? '', files[3] ?? ''], 'r'))), [
      'EACCES',
      'EACCES',
    ])
    const asked = `
    import { askLine } from ${JSON.stringify(join(root, 'program/src/net/ask-line.ts'))}
    const limits = { answerMs: 10000, charsMax: 10000000 }
    const say = async (socket, request) => (await askLine(${JSON.stringify(data)} + '/run/health/' + socket, JSON.stringify(request), limits) ?? '').slice(0, 44)
    console.log(JSON.stringify([
      await say('control.sock', { command: 'stop' }), await say('qmgr.sock', { op: 'act', action: 'delete', ids: null }),
      await say('qmgr.sock', { op: 'body', id: 'x' }), (await say('control.sock', { command: 'alarms' })).slice(0, 21)]))`
    t.deepEqual(JSON.parse(await postern.ask('health', asked)), [
      '{"ok":false,"error":"that is not done here"}',
      '{"error":"that is not told here"}',
      '{"error":"that is not told here"}',
      '{"ok":true,"alarms":[',
    ])
  },
)
