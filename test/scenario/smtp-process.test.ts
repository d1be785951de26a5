import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { defaultSettings } from '#src/config/defaults.ts'
import type { Settings } from '#src/config/settings.ts'
import { openEntries } from '#src/directory/entries.ts'
import { parseLdif } from '#src/directory/ldif.ts'
import { seedLdif } from '#src/directory/seed.ts'
import type { FromChild } from '#src/main/ipc.ts'
import type { SmtpdBoot } from '#src/main/smtpd-boot.ts'
import { ensureCertificate } from '#src/net/certificate.ts'
import { Talk } from '#test/smtp/support/talk.ts'

const SCRIPT = join(import.meta.dirname, '..', '..', 'src', 'main', 'smtpd.ts')

/** One smtpd with this test in the place of master. No queue manager runs. */
class Smtpd {
  readonly child: ChildProcess
  readonly said: FromChild[] = []
  #wake: (() => void) | undefined

  constructor() {
    this.child = fork(SCRIPT, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    this.child.on('message', (message: FromChild) => {
      this.said.push(message)
      this.#wake?.()
    })
  }

  boot(boot: SmtpdBoot): void {
    this.child.send({ kind: 'boot', boot })
  }

  async hear(kind: FromChild['kind']): Promise<FromChild> {
    for (;;) {
      const found = this.said.findIndex((message) => message.kind === kind)
      const [message] = found < 0 ? [] : this.said.splice(found, 1)
      if (message !== undefined) return message
      const more = Promise.withResolvers<undefined>()
      this.#wake = () => more.resolve(undefined)
      await more.promise
    }
  }

  /** The port that it listens on. */
  async ready(): Promise<number> {
    const message = await this.hear('ready')
    const listeners = message.kind === 'ready' ? message.facts?.['listeners'] : undefined
    return Number(String(listeners).split(':').at(-1))
  }

  async stopped(): Promise<number> {
    if (this.child.exitCode !== null) return this.child.exitCode
    const [code]: unknown[] = await once(this.child, 'exit')
    return Number(code)
  }
}

/** A folder with what master prepares, and the message that names it. */
async function prepare(port = 0): Promise<{ readonly boot: SmtpdBoot; readonly folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-smtpd-'))
  const directoryFile = join(folder, 'directory.db')
  const seed = parseLdif(seedLdif('example.test'))
  using entries = openEntries(directoryFile)
  if (seed.kind !== 'wrong') entries.import(seed.records)
  const certificate = { certificateFile: join(folder, 'smtpd.crt'), keyFile: join(folder, 'smtpd.key') }
  await ensureCertificate(certificate, 'mx.example.test', Date.now())
  const settings: Settings = {
    ...defaultSettings(),
    myHostname: 'mx.example.test',
    myNetworks: ['192.0.2.0/24'],
  }
  const boot: SmtpdBoot = {
    slot: 1,
    generation: 1,
    listeners: [{ address: '127.0.0.1', port, service: 'smtp' }],
    settings,
    postmaster: 'postmaster@example.test',
    notices: {
      classes: [],
      bounce: 'postmaster@example.test',
      doubleBounce: 'postmaster@example.test',
      delay: 'postmaster@example.test',
      error: 'postmaster@example.test',
      postmaster: 'postmaster@example.test',
    },
    certificate: { ...certificate, hostsFolder: join(folder, 'hosts'), legacy: false },
    signatureFolder: join(folder, 'signatures'),
    signatureCache: folder,
    queueSocket: join(folder, 'qmgr.sock'),
    spoolFolder: folder,
    directoryFile,
    isMirror: false,
    directorySocket: join(folder, 'directory.sock'),
    log: { level: 'info', jsonFile: join(folder, 'log.json'), textFile: '', stdout: false },
  }
  return { boot, folder }
}

test('a process greets, counts its clients with master, and answers 451 while there is no queue manager', async (t) => {
  const { boot, folder } = await prepare()
  const smtpd = new Smtpd()
  smtpd.boot(boot)
  const port = await smtpd.ready()
  await using talk = await Talk.open(port)
  const asked = await smtpd.hear('anvil')
  t.like(asked, { kind: 'anvil', address: '127.0.0.1' })
  smtpd.child.send({ kind: 'anvil', n: asked.kind === 'anvil' ? asked.n : 0, admitted: true })
  t.is(await talk.reply(), '220 mx.example.test ESMTP Postern')
  t.regex(await talk.ask('EHLO client.example'), /250-STARTTLS/)
  t.regex(await talk.ask('MAIL FROM:<a@client.example>'), /^451 4\.3\.0/)
  t.regex(await talk.ask('QUIT'), /^221/)
  t.like(await smtpd.hear('gone'), { kind: 'gone', address: '127.0.0.1' })

  await using second = await Talk.open(port)
  const again = await smtpd.hear('anvil')
  smtpd.child.send({ kind: 'anvil', n: again.kind === 'anvil' ? again.n : 0, admitted: false })
  t.regex(await second.rest(), /^421 4\.7\.0 mx\.example\.test Error: too many connections/)

  smtpd.child.send({ kind: 'stop' })
  t.is(await smtpd.stopped(), 0)
  rmSync(folder, { recursive: true })
})

test('a new generation is for the sessions that begin after it', async (t) => {
  const { boot, folder } = await prepare()
  const trusted: SmtpdBoot = { ...boot, settings: { ...boot.settings, myNetworks: ['127.0.0.0/8'] } }
  const smtpd = new Smtpd()
  smtpd.boot(trusted)
  const port = await smtpd.ready()
  await using before = await Talk.open(port)
  await before.reply()
  const settings: Settings = {
    ...trusted.settings,
    messageSizeLimitBytes: 4711,
    smtpdBanner: '$myhostname ESMTP at your service',
    tlsSecurityLevel: 'none',
  }
  smtpd.child.send({ kind: 'settings', boot: { ...trusted, generation: 2, settings } })
  // Messages arrive in order, and a signal-free way to know that this one has: the banner changes.
  for (;;) {
    await using after = await Talk.open(port)
    if ((await after.reply()) !== '220 mx.example.test ESMTP at your service') continue
    const hello = await after.ask('EHLO client.example')
    t.regex(hello, /250-SIZE 4711/)
    t.notRegex(hello, /STARTTLS/)
    break
  }
  t.regex(await before.ask('EHLO client.example'), /250-SIZE 10240000/)
  smtpd.child.disconnect()
  t.regex(await before.rest(), /^421 4\.3\.2 /)
  t.is(await smtpd.stopped(), 0)
  rmSync(folder, { recursive: true })
})

test('two processes share one port', async (t) => {
  const first = await prepare()
  const one = new Smtpd()
  one.boot({ ...first.boot, settings: { ...first.boot.settings, clientConnectionCountLimit: 0 } })
  const port = await one.ready()
  const second = await prepare(port)
  const two = new Smtpd()
  two.boot({
    ...second.boot,
    slot: 2,
    settings: { ...second.boot.settings, clientConnectionCountLimit: 0, smtpdBanner: 'other' },
  })
  t.is(await two.ready(), port)
  const greetings = new Set<string>()
  while (greetings.size < 2) {
    await using talk = await Talk.open(port)
    greetings.add(await talk.reply())
  }
  t.true(greetings.has('220 mx.example.test ESMTP Postern') && greetings.has('220 mx.example.test other'))
  for (const smtpd of [one, two]) {
    smtpd.child.send({ kind: 'stop' })
    t.is(await smtpd.stopped(), 0)
  }
  rmSync(first.folder, { recursive: true })
  rmSync(second.folder, { recursive: true })
})

test('a port that is taken is told in a sentence, and the process ends', async (t) => {
  const taken = createServer()
  taken.listen(0, '127.0.0.1')
  await once(taken, 'listening')
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a TCP server has this kind
  const { port } = taken.address() as AddressInfo
  const { boot, folder } = await prepare(port)
  const smtpd = new Smtpd()
  smtpd.boot(boot)
  const failed = await smtpd.hear('failed')
  t.regex(
    failed.kind === 'failed' ? failed.reason : '',
    new RegExp(`^Another program listens on 127\\.0\\.0\\.1:${port}\\.`),
  )
  t.is(await smtpd.stopped(), 1)
  taken.close()
  rmSync(folder, { recursive: true })
})

test('a certificate that is broken leaves the one before in force', async (t) => {
  const { boot, folder } = await prepare()
  const open: SmtpdBoot = { ...boot, settings: { ...boot.settings, clientConnectionCountLimit: 0 } }
  const smtpd = new Smtpd()
  smtpd.boot(open)
  const port = await smtpd.ready()
  const certificate = { certificateFile: join(folder, 'nothing.crt'), keyFile: join(folder, 'smtpd.key') }
  const settings: Settings = { ...open.settings, smtpdBanner: 'second' }
  smtpd.child.send({ kind: 'settings', boot: { ...open, generation: 2, certificate, settings } })
  for (;;) {
    await using talk = await Talk.open(port)
    if ((await talk.reply()) !== '220 mx.example.test second') continue
    t.regex(await talk.ask('EHLO client.example'), /250-STARTTLS/)
    t.regex(await talk.ask('STARTTLS'), /^220/)
    await talk.startTls()
    t.regex(await talk.ask('EHLO client.example'), /^250-/)
    break
  }
  smtpd.child.kill('SIGTERM')
  t.is(await smtpd.stopped(), 0)
  rmSync(folder, { recursive: true })
})
