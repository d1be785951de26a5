import { createServer } from 'node:net'

/**
 * The other side of `delivery.ts`, in a process of its own so that its work is not counted: an LMTP server that
 * takes everything, looks at as little as it can, and keeps nothing.
 */

const HELLO = '250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE\r\n'
const GO = '250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go\r\n'
const DONE = '250 2.0.0 ok\r\n'

const server = createServer({ noDelay: true }, (socket) => {
  let inData = false
  let last = ''
  socket.write('220 sink LMTP\r\n')
  socket.on('error', () => socket.destroy())
  socket.on('data', (bytes) => {
    if (inData) {
      const tail = last + bytes.toString('latin1', Math.max(0, bytes.length - 5))
      if (tail.endsWith('\r\n.\r\n')) {
        inData = false
        last = ''
        socket.write(DONE)
      } else {
        last = tail.slice(-5)
      }
      return
    }
    const text = bytes.toString('latin1')
    if (text.startsWith('LHLO')) socket.write(HELLO)
    else if (text.endsWith('DATA\r\n')) {
      inData = true
      socket.write(GO)
    } else socket.end('221 bye\r\n')
  })
})

server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object' && address !== null) process.send?.(address.port)
})
process.on('disconnect', () => process.exit())
