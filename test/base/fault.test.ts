import { createServer } from 'node:net'
import { connect } from 'node:tls'
import { once } from 'node:events'
import test from 'ava'
import { errorText } from '#src/base/fault.ts'

test('the text of what was thrown is its message, whatever it is', (t) => {
  t.is(errorText(new Error('no room')), 'no room')
  t.is(errorText('a text'), 'a text')
  t.is(errorText(undefined), 'undefined')
})

test("OpenSSL's errors are told without the address of a thread and a file of its source", async (t) => {
  // A fatal alert, handshake_failure (RFC 8446 section 6).
  const server = createServer((socket) => {
    socket.once('data', () => socket.end(Buffer.from([21, 3, 3, 0, 2, 2, 40])))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  const [error]: unknown[] = await once(socket, 'error').catch((thrown: unknown) => [thrown])
  t.is(errorText(error), 'SSL routines: ssl/tls alert handshake failure')
  socket.destroy()
  server.close()
})
