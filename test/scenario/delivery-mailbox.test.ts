import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { body, deliverer, message, never, request } from '#test/delivery/requests.ts'
import { tempFolder } from '#test/support/temp.ts'
import type { ChildProcess } from 'node:child_process'
import type { FromChild } from '#src/main/ipc.ts'
import type { MailboxBoot } from '#src/main/mailbox-boot.ts'

const SCRIPT = join(import.meta.dirname, '../../src/main/mailbox.ts')

function boot(root: string, port = 0): MailboxBoot {
  return {
    hostname: 'store.test',
    address: '127.0.0.1',
    port,
    root,
    messageBytesMax: 0,
    log: { level: 'info', jsonFile: '', textFile: join(root, '..', 'log'), stdout: false },
  }
}

/** The process, booted; its first word. */
async function start(
  settings: MailboxBoot,
): Promise<{ readonly child: ChildProcess; readonly said: FromChild }> {
  const child = fork(SCRIPT, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  child.send({ kind: 'boot', boot: settings })
  const { promise, resolve } = Promise.withResolvers<FromChild>()
  child.once('message', (word: FromChild) => resolve(word))
  return { child, said: await promise }
}

function portOf(said: FromChild): number {
  return said.kind === 'ready' ? Number(said.facts?.['port']) : 0
}

function mails(root: string, mailbox: string): string[] {
  const folder = join(root, mailbox, 'new')
  return existsSync(folder) ? readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8')) : []
}

test('what delivery hands to the store process lies in Maildirs, each message once', async (t) => {
  using folder = tempFolder('store')
  const root = join(folder.path, 'mailboxes')
  const { child, said } = await start(boot(root))
  t.is(said.kind, 'ready')
  await using delivery = deliverer()
  const sizes = [10, 10_000, 1_000_000]
  const outcomes = await Promise.all(
    Array.from({ length: 60 }, (_, i) => {
      const text = `Subject: ${i}\r\n\r\n${'.0123456789\r\n'.repeat((sizes[i % 3] ?? 10) / 10)}`
      return delivery.deliver(
        request(portOf(said), ['Alice@x.test', 'bob@x.test'], {
          message: message({ prefix: '' }),
          body: body(text, 65_536),
        }),
        never,
      )
    }),
  )
  t.true(outcomes.flat().every(({ kind, dsn }) => kind === 'sent' && dsn === '2.1.5'))
  for (const mailbox of ['x.test/alice', 'x.test/bob']) {
    const found = mails(root, mailbox)
    t.is(new Set(found.map((text) => /^Subject: (\d+)$/m.exec(text)?.[1])).size, 60)
    t.is(found.length, 60)
    t.true(
      found.every((text) =>
        /^Return-Path: <sender@example\.org>\nDelivered-To: \w+@x\.test\nSubject: \d+\n\n(?:\.0123456789\n)+$/.test(
          text,
        ),
      ),
    )
  }
  const gone = once(child, 'exit')
  child.send({ kind: 'stop' })
  t.deepEqual(await gone, [0, null])
})

test('the store process ends when master is gone', async (t) => {
  using folder = tempFolder('store')
  const { child } = await start(boot(join(folder.path, 'mailboxes')))
  const gone = once(child, 'exit')
  child.disconnect()
  t.deepEqual(await gone, [0, null])
})

test('the store process says in a sentence why it cannot start', async (t) => {
  using folder = tempFolder('store')
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const address = other.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const { child, said } = await start(boot(join(folder.path, 'mailboxes'), port))
  const gone = child.exitCode === null ? once(child, 'exit') : Promise.resolve([child.exitCode, null])
  t.deepEqual(said, {
    kind: 'failed',
    reason: `The mailbox store cannot listen on 127.0.0.1:${port}: another program does. Stop it, or set another port under [mailbox].`,
  })
  t.deepEqual(await gone, [1, null])
  other.close()
})

test('a store that is killed in the middle of traffic loses nothing that it had taken', async (t) => {
  using folder = tempFolder('store')
  const root = join(folder.path, 'mailboxes')
  const { child, said } = await start(boot(root))
  await using delivery = deliverer()
  let done = 0
  const outcomes = await Promise.all(
    Array.from({ length: 200 }, async (_, i) => {
      const given = request(portOf(said), ['a@x.test'], {
        message: message({ prefix: '' }),
        body: body(`Subject: ${i}\r\n\r\nx\r\n`),
      })
      const [outcome] = await delivery.deliver(given, never)
      done += 1
      if (done === 40) child.kill('SIGKILL')
      return { i, kind: outcome?.kind }
    }),
  )
  const stored = new Map<string, number>()
  for (const text of mails(root, 'x.test/a')) {
    const subject = /^Subject: (\d+)$/m.exec(text)?.[1] ?? ''
    stored.set(subject, (stored.get(subject) ?? 0) + 1)
  }
  const sent = outcomes.filter(({ kind }) => kind === 'sent')
  t.true(sent.length >= 40)
  t.true(sent.every(({ i }) => stored.get(String(i)) === 1))
  t.true(outcomes.every(({ kind }) => kind === 'sent' || kind === 'deferred'))
})
