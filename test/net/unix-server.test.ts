import { once } from 'node:events'
import { statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { answerLine } from '#src/net/answer-line.ts'
import { askLine } from '#src/net/ask-line.ts'
import { UnixServer } from '#src/net/unix-server.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const LIMITS = { silenceMs: 60_000, charsMax: 100 }
const ASKED = { answerMs: 60_000, charsMax: 1000 }

/** Says what it was asked. */
function echo(socket: Socket): void {
  answerLine(socket, LIMITS, (line) => {
    socket.write(`${line}!\n`)
    return Promise.resolve()
  })
}

async function listening(serve: (socket: Socket) => void, connectionsMax = 8) {
  const folder = tempFolder('unix-server')
  const path = join(folder.path, 'x.sock')
  // What a process that was killed left behind.
  writeFileSync(path, '')
  const server = new UnixServer(serve, { connectionsMax, answersHalfOpen: true })
  await server.listen(path)
  return {
    path,
    server,
    [Symbol.dispose]: () => {
      server.close()
      folder[Symbol.dispose]()
    },
  }
}

async function connected(path: string): Promise<Socket> {
  const socket = connect(path)
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

test('what a killed process left is replaced, and only its owner may open the socket', async (t) => {
  using open = await listening(echo)
  t.is(statSync(open.path).mode & 0o777, 0o600)
  t.is(await askLine(open.path, 'well', ASKED), 'well!')
})

test('a folder that is not there is an error of listen', async (t) => {
  using folder = tempFolder('unix-server')
  const server = new UnixServer(echo, { connectionsMax: 1 })
  await t.throwsAsync(server.listen(join(folder.path, 'none', 'x.sock')))
})

test('close cuts who is connected; who only stops to listen lets him end', async (t) => {
  const served = Promise.withResolvers<Socket>()
  using open = await listening((socket) => served.resolve(socket))
  const client = await connected(open.path)
  const inside = await served.promise
  open.server.stopListening()
  t.is(await askLine(open.path, 'well', ASKED), undefined)
  t.false(inside.destroyed)
  open.server.close()
  t.true(inside.destroyed)
  client.resume()
  if (!client.closed) await once(client, 'close')
})

test('one connection more than the limit is closed, and there is room again when one ends', async (t) => {
  using open = await listening(echo, 1)
  const first = await connected(open.path)
  t.is(await askLine(open.path, 'well', ASKED), undefined)
  first.end('mine\n')
  const [said] = await once(first, 'data')
  t.is(String(said), 'mine!\n')
  const answer = await until('there is room again', () => askLine(open.path, 'well', ASKED))
  t.is(answer, 'well!')
})

test('what follows the line is not read, and neither half a line nor too long a one is answered', async (t) => {
  using open = await listening(echo)
  for (const [said, heard] of [
    ['one\ntwo\n', 'one!\n'],
    ['half', ''],
    ['', ''],
    ['x'.repeat(101), ''],
  ] as const) {
    const client = await connected(open.path)
    let got = ''
    client.setEncoding('utf8').on('data', (part: string) => {
      got += part
    })
    const closed = once(client, 'close')
    client.end(said)
    await closed
    t.is(got, heard, JSON.stringify(said))
  }
})
