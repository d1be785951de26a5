import { Buffer } from 'node:buffer'
import test from 'ava'
import { ScannerPool } from '#src/match/scanner-pool.ts'
import { SignatureSet } from '#src/match/signatures.ts'
import type { BareNewline } from '#src/match/types.ts'
import { Server } from '#src/smtp/server.ts'
import { fakes } from '#test/smtp/support/fakes.ts'
import type { Fakes } from '#test/smtp/support/fakes.ts'
import { Talk } from '#test/smtp/support/talk.ts'

/** What is no end of data, though some server somewhere took it for one. Only CRLF.CRLF is. */
const SEQUENCES = [
  '\n.\n',
  '\n.\r\n',
  '\r\n.\n',
  '\r.\r',
  '\r.\r\n',
  '\r\n.\r',
  '\n.\r',
  '\r.\n',
  '\n\n.\r\n',
  '\n\n.\n',
  '\r\r.\r\r',
  '\r\n.\r\r\n',
  '\r\n\0.\r\n',
  '\r\n.\0\r\n',
  '\r\n.\r\0\n',
  '\r\n. \r\n',
  '\r\n..\r\n',
  '\r\n\t.\r\n',
  '\n\r.\r\n',
  '\r\n.\n\r',
  '\n..\r\n',
  '\r\0\n.\r\n',
  '\u0085.\u0085',
  '\u2028.\r\n',
]

const SMUGGLED =
  'MAIL FROM:<evil@client.example>\r\nRCPT TO:<user@example.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nsmuggled'

interface Real extends Fakes {
  readonly port: number
  readonly server: Server
}

/** The server with the real scanner; policy and queue are in memory. */
async function serve(bareNewline: BareNewline): Promise<Real> {
  const all = fakes({ stopGraceMs: 100, rejectNul: false, bareNewline })
  const limits = { depthMax: 20, partsMax: 100, headerBytesMax: 102_400 }
  const scanners = new ScannerPool(SignatureSet.build([], { engine: 'plain' }), { limits, bareNewline })
  const server = new Server({
    environment: { ...all.environment, scanners },
    service: 'smtp',
    tls: undefined,
  })
  const port = await server.start({ host: '127.0.0.1', port: 0, reusePort: false })
  return { ...all, server, port }
}

async function turn(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve)
  })
}

for (const sequence of SEQUENCES) {
  const shown = JSON.stringify(sequence).replaceAll(
    /[^ -~]/gu,
    (char) => `\\u${char.charCodeAt(0).toString(16)}`,
  )
  const content = Buffer.from(`Subject: one\r\n\r\nfirst${sequence}${SMUGGLED}\r\n`)

  test(`${shown} in DATA is content, wherever it is cut, and leaves with CRLF only`, async (t) => {
    const { server, port, queue } = await serve('normalize')
    const from = content.indexOf('first')
    for (let cut = from; cut < from + sequence.length + 8; cut += 1) {
      await using talk = await Talk.greeted(port)
      talk.write('MAIL FROM:<a@client.example>\r\nRCPT TO:<user@example.test>\r\nDATA\r\n')
      await talk.replies(3)
      await talk.flushed(content.subarray(0, cut))
      await turn()
      await talk.flushed(content.subarray(cut))
      talk.write('.\r\nQUIT\r\n')
      t.regex(await talk.reply(), /^250 2\.0\.0 Ok: queued/)
      t.is(await talk.reply(), '221 2.0.0 Bye')
      t.is(await talk.rest(), '')
    }
    t.is(queue.messages.length, sequence.length + 8)
    for (const n of queue.messages.keys()) {
      const body = queue.body(n).toString('latin1')
      t.notRegex(body.replaceAll('\r\n', ''), /[\r\n]/)
      t.true(body.includes('MAIL FROM:<evil@client.example>'))
      t.is(body, queue.body(0).toString('latin1'))
    }
    await server.stop()
  })

  test(`${shown} in BDAT is content, and leaves with CRLF only`, async (t) => {
    const { server, port, queue } = await serve('normalize')
    const whole = Buffer.concat([content, Buffer.from('.\r\n'), content])
    for (const size of [whole.length, 1, 7]) {
      await using talk = await Talk.greeted(port)
      await talk.askAll('MAIL FROM:<a@client.example>', 'RCPT TO:<user@example.test>')
      for (let at = 0; at < whole.length; at += size) {
        const piece = whole.subarray(at, at + size)
        talk.write(Buffer.concat([Buffer.from(`BDAT ${piece.length}\r\n`), piece]))
      }
      talk.write('BDAT 0 LAST\r\nQUIT\r\n')
      const replies = (await talk.rest()).trimEnd().split('\r\n')
      t.true(
        replies.every((reply) => reply.startsWith('2')),
        replies.find((reply) => !reply.startsWith('2')) ?? '',
      )
      t.regex(replies.at(-2) ?? '', /^250 2\.0\.0 Ok: queued/)
    }
    t.is(queue.messages.length, 3)
    for (const n of queue.messages.keys()) {
      const body = queue.body(n).toString('latin1')
      t.notRegex(body.replaceAll('\r\n', ''), /[\r\n]/)
      t.is(body, queue.body(0).toString('latin1'))
    }
    await server.stop()
  })
}

test('with reject every sequence with a bare CR or LF is refused, and what follows is no command', async (t) => {
  const { server, port, queue } = await serve('reject')
  const bare = SEQUENCES.filter((sequence) => /\r(?!\n)|(?<!\r)\n/.test(sequence))
  for (const sequence of bare) {
    await using talk = await Talk.greeted(port)
    talk.write('MAIL FROM:<a@client.example>\r\nRCPT TO:<user@example.test>\r\nDATA\r\n')
    await talk.replies(3)
    talk.write(`Subject: one\r\n\r\nfirst${sequence}${SMUGGLED}\r\n.\r\nQUIT\r\n`)
    t.regex(await talk.reply(), /^550 5\.5\.2/)
    t.is(await talk.reply(), '221 2.0.0 Bye')
  }
  t.is(queue.messages.length, 0)
  t.true(bare.length > 12)
  await server.stop()
})
