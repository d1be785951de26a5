import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { rmSync } from 'node:fs'
import { createInterface } from 'node:readline'

/** A message of the self-test is a few hundred octets. */
const LINE_CHARS_MAX = 2000
const SILENCE_MS = 60_000

/**
 * Takes the mail of the self-test by LMTP (RFC 2033) on a socket in the file system, and keeps none of it. It is told of each line
 * of the content.
 */
export async function openSink(path: string, onLine: (line: string) => void): Promise<Server> {
  rmSync(path, { force: true })
  const server = createServer((socket) => void serve(socket, onLine))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return server
}

async function serve(socket: Socket, onLine: (line: string) => void): Promise<void> {
  socket.setTimeout(SILENCE_MS, () => socket.destroy())
  // A peer that breaks off is tried again by the queue.
  socket.on('error', () => socket.destroy())
  const say = (reply: string): void => {
    if (!socket.destroyed) socket.write(`${reply}\r\n`)
  }
  say('220 self-test')
  let isData = false
  let recipients = 0
  for await (const line of createInterface({ input: socket, crlfDelay: Infinity })) {
    if (line.length > LINE_CHARS_MAX) return void socket.destroy()
    if (isData && line !== '.') {
      onLine(line)
      continue
    }
    if (isData) {
      isData = false
      // One reply for each recipient (RFC 2033 section 4.2).
      for (; recipients > 0; recipients -= 1) say('250 2.0.0 it has come')
      continue
    }
    const verb = line.slice(0, 4).toUpperCase()
    if (verb === 'RCPT') recipients += 1
    if (verb === 'DATA') {
      isData = true
      say('354 go on')
    } else if (verb === 'QUIT') {
      socket.end('221 2.0.0 bye\r\n')
    } else {
      say('250 2.0.0 ok')
    }
  }
}
