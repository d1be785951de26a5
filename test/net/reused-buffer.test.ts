import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import test from 'ava'
import { readIntoReusedBuffer } from '#src/net/reused-buffer.ts'

/** A connection over loopback: our end of it, as a server accepts it, and the client's. */
async function connection(): Promise<{ ours: Socket; client: Socket; close: () => Promise<void> }> {
  const server = createServer({ allowHalfOpen: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const client = connect(typeof address === 'object' ? (address?.port ?? 0) : 0, '127.0.0.1')
  const [ours]: Socket[] = await once(server, 'connection')
  if (ours === undefined) throw new Error('nobody came')
  return {
    ours,
    client,
    close: async () => {
      client.destroy()
      ours.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

test('what is received comes whole and in order, through pauses, and then the end', async (t) => {
  const { ours, client, close } = await connection()
  const sent = randomBytes(3_000_000)
  const hash = createHash('sha256')
  let got = 0
  let calls = 0
  // Begins as a connection does: with 'data' events, and changes over in one of them.
  ours.once('data', (first: Buffer) => {
    hash.update(first)
    got += first.length
    const taken = readIntoReusedBuffer(ours, (bytes) => {
      hash.update(bytes)
      got += bytes.length
      calls += 1
      if (calls % 5 !== 0) return true
      setImmediate(() => ours.resume())
      return false
    })
    t.true(taken, 'this Node keeps onread elsewhere: see src/net/reused-buffer.ts')
  })
  client.end(sent)
  await once(ours, 'end')
  t.is(got, sent.length)
  t.is(hash.digest('hex'), createHash('sha256').update(sent).digest('hex'))
  t.true(calls > 5)
  await close()
})

test('a socket that is paused, or holds octets that came before, is left as it is', async (t) => {
  const { ours, client, close } = await connection()
  ours.pause()
  t.false(readIntoReusedBuffer(ours, () => true))
  client.end('hello')
  const seen: string[] = []
  ours.on('data', (bytes: Buffer) => seen.push(bytes.toString()))
  ours.resume()
  await once(ours, 'end')
  t.deepEqual(seen, ['hello'])
  await close()
})
