import { connect } from 'node:net'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { systemClock } from '#src/base/clock.ts'
import { DirectoryClient } from '#src/directory/client.ts'
import { DirectoryServer } from '#src/directory/server.ts'
import type { DirectoryHandlers } from '#src/directory/service.ts'
import { encodeFrame } from '#src/net/frames.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const HANDLERS: DirectoryHandlers = {
  recipient: ({ address }) => ({ kind: 'found', deliverTo: [address] }),
  domain: ({ name }) => (name === 'ours.test' ? 'local' : 'foreign'),
  authenticate: ({ user, password }) => {
    if (password !== 'secret') return { kind: 'refused', reason: 'wrong password' }
    return { kind: 'ok', user, addresses: [user] }
  },
  poll: () => {
    throw new Error('LDAP is gone')
  },
  accept: () => ({ kind: 'ok', changed: 3 }),
  status: () => ({ source: 'test' }),
  lockouts: () => ({
    kind: 'ok',
    lockouts: [{ kind: 'account', who: 'a@ours.test', failures: 3, untilMs: null }],
  }),
  forgive: ({ who }) => ({ kind: 'ok', forgiven: who === 'a@ours.test' ? 1 : 0 }),
}

async function connected(path: string): Promise<DirectoryClient> {
  const client = new DirectoryClient(path, systemClock)
  client.start()
  await until('the client is connected', () => client.isConnected)
  return client
}

test('each question gets the answer of its own handler, and one that throws says that nobody knows', async (t) => {
  using folder = tempFolder('directory-service')
  const path = join(folder.path, 'directory.sock')
  const server = new DirectoryServer(HANDLERS)
  await server.listen(path)
  t.is(statSync(path).mode & 0o777, 0o600)
  using client = await connected(path)
  t.deepEqual(await client.ask({ kind: 'recipient', address: 'a@b.test' }), {
    kind: 'found',
    deliverTo: ['a@b.test'],
  })
  t.is(await client.ask({ kind: 'domain', name: 'ours.test' }), 'local')
  const login = {
    kind: 'authenticate',
    user: 'u',
    clientAddress: '::1',
    service: 'smtp',
    mechanism: 'PLAIN',
  } as const
  t.is((await client.ask({ ...login, password: 'secret' })).kind, 'ok')
  t.is((await client.ask({ ...login, password: 'wrong' })).kind, 'refused')
  t.deepEqual(await client.ask({ kind: 'poll' }), { kind: 'unavailable', reason: 'LDAP is gone' })
  t.deepEqual(await client.ask({ kind: 'accept' }), { kind: 'ok', changed: 3 })
  t.deepEqual(await client.ask({ kind: 'status' }), { source: 'test' })
  server.close()
})

test('without the process every answer is that nobody knows, and with a new one it works again', async (t) => {
  using folder = tempFolder('directory-service')
  const path = join(folder.path, 'directory.sock')
  const stuck = new DirectoryServer({ ...HANDLERS, domain: () => new Promise(() => {}) })
  await stuck.listen(path)
  using client = await connected(path)
  const inFlight = client.ask({ kind: 'domain', name: 'ours.test' })
  stuck.close()
  t.is(await inFlight, 'unavailable')
  t.is((await client.ask({ kind: 'recipient', address: 'a@b.test' })).kind, 'unavailable')
  const second = new DirectoryServer(HANDLERS)
  await second.listen(path)
  await until('the client is connected again', () => client.isConnected)
  t.is(await client.ask({ kind: 'domain', name: 'ours.test' }), 'local')
  second.close()
})

for (const [what, bytes] of [
  ['a kind that does not exist', encodeFrame('{"n":1,"kind":"toString"}')],
  ['a field that is missing', encodeFrame('{"n":1,"kind":"recipient"}')],
  ['a request without a number', encodeFrame('{"kind":"status"}')],
  ['no JSON', encodeFrame('recipient')],
  ['a frame that is too long', Buffer.from('ffffffff00000000', 'hex')],
] as const) {
  test(`who sends ${what} is cut off, and nobody else is`, async (t) => {
    using folder = tempFolder('directory-service')
    const path = join(folder.path, 'directory.sock')
    const server = new DirectoryServer(HANDLERS)
    await server.listen(path)
    using client = await connected(path)
    const stranger = connect(path)
    stranger.on('error', () => {})
    const closed = once(stranger, 'close')
    stranger.write(bytes)
    await closed
    t.is(await client.ask({ kind: 'domain', name: 'ours.test' }), 'local')
    server.close()
  })
}
