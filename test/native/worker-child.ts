/** A thread that is inside of the addon nearly all of the time, until it is terminated. */
import { parentPort } from 'node:worker_threads'
import { MessageScanner } from '#src/match/scanner.ts'
import { SignatureSet } from '#src/match/signatures.ts'

const scanner = new MessageScanner(SignatureSet.build([]), {
  limits: { depthMax: 20, partsMax: 1000, headerBytesMax: 102_400 },
  bareNewline: 'normalize',
})
const line = `${'Content-Type: text/plain; name="=?utf-8?q?a?="; '.repeat(10)}\r\n`
const mail = Buffer.from(
  `X: y\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n${`--b\r\n${line}\r\nx\r\n`.repeat(900)}--b--\r\n.\r\n`,
)
const out = Buffer.alloc(MessageScanner.outputMax(mail.length))
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
parentPort?.postMessage('scanning')
for (;;) {
  scanner.begin('data')
  scanner.write(mail, 0, mail.length, out, 0)
  scanner.finish() // builds thousands of objects: where a termination meets Node-API calls
}
