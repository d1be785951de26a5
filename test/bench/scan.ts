/**
 * How fast the scanner is: megabytes of raw mail a second of CPU time, through the addon, in chunks as a socket
 * gives them. Prints a table; asserts nothing. `node test/bench/scan.ts [seconds for each row]`.
 */
import { BodyEncoder } from '#src/match/encoder.ts'
import { MessageScanner } from '#src/match/scanner.ts'
import { SignatureSet } from '#src/match/signatures.ts'
import { generateNdb, seededRandom } from '#test/match/support.ts'

const CHUNK_BYTES = 64 * 1024
const MEGABYTE = 1_000_000
const LIMITS = { depthMax: 20, partsMax: 1000, headerBytesMax: 102_400 }

const random = seededRandom(1)

function words(count: number): string {
  const common =
    'the of and to in is you that it he was for on are as with his they at be this have from or one'.split(
      ' ',
    )
  let out = ''
  let line = 0
  for (let i = 0; i < count; i++) {
    const word =
      random() < 0.6 ? common[Math.floor(random() * common.length)] : Math.floor(random() * 1e9).toString(36)
    out += `${word} `
    line += (word?.length ?? 0) + 1
    if (line > 68) {
      out += '\r\n'
      line = 0
    }
  }
  return out
}

function attachment(bytes: number): string {
  const raw = Buffer.alloc(bytes)
  for (let i = 0; i < bytes; i++) raw[i] = Math.floor(random() * 256)
  return raw.toString('base64').replaceAll(/.{76}/g, '$&\r\n')
}

const HEADER =
  'Received: from a by b\r\nFrom: a@example.test\r\nTo: b@example.test\r\nSubject: bench\r\nDate: now\r\nMessage-ID: <1@x>\r\n'

function plainMail(): string {
  return `${HEADER}\r\n${words(200_000)}\r\n.\r\n`
}

function attachmentMail(): string {
  return `${HEADER}Content-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\n\r\n${words(100)}\r\n--b1\r\nContent-Type: application/pdf; name="a.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\n${attachment(1_500_000)}\r\n--b1--\r\n.\r\n`
}

/** Ten kilobytes: text, HTML in quoted-printable, a small picture. */
function usualMail(): string {
  const html = `<html><body><p>${words(400).replaceAll('\r\n', '<br>=\r\n')}</p></body></html>`
  return `${HEADER}Content-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\nContent-Type: multipart/alternative; boundary=b2\r\n\r\n--b2\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${words(400)}\r\n--b2\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n${html}\r\n--b2--\r\n--b1\r\nContent-Type: image/png; name="=?utf-8?q?a=C3=A4.png?="\r\nContent-Transfer-Encoding: base64\r\n\r\n${attachment(3000)}\r\n--b1--\r\n.\r\n`
}

function scanOne(scanner: MessageScanner, mail: Uint8Array, out: Uint8Array): void {
  scanner.begin('data')
  for (let at = 0; at < mail.length; at += CHUNK_BYTES) {
    scanner.write(mail, at, Math.min(mail.length, at + CHUNK_BYTES), out, 0)
  }
  scanner.finish()
}

/** Megabytes of `mail` a CPU second, gone through by `once` for about `seconds`. */
function rate(mail: Uint8Array, seconds: number, once: () => void): number {
  once()
  const begin = process.cpuUsage()
  let rounds = 0
  let usedMicros = 0
  const batch = Math.ceil((4 * MEGABYTE) / mail.length) // asking for the time costs, too
  while (usedMicros < seconds * 1e6) {
    for (let i = 0; i < batch; i++) once()
    rounds += batch
    const used = process.cpuUsage(begin)
    usedMicros = used.user + used.system
  }
  return (rounds * mail.length) / MEGABYTE / (usedMicros / 1e6)
}

const seconds = Number(process.argv[2] ?? 1)
const out = new Uint8Array(MessageScanner.outputMax(CHUNK_BYTES))
const mails = { plain: plainMail(), attachment: attachmentMail(), usual: usualMail() }
const sets = {
  'EICAR only': SignatureSet.build([]),
  '10,000 signatures': SignatureSet.build([
    { name: 'bench.ndb', kind: 'ndb', text: generateNdb(10_000, random) },
  ]),
  '10,000, plain engine': SignatureSet.build(
    [{ name: 'bench.ndb', kind: 'ndb', text: generateNdb(10_000, random) }],
    {
      engine: 'plain',
    },
  ),
}
const rows: Record<string, Record<string, string>> = {}
for (const [name, text] of Object.entries(mails)) {
  const mail = Buffer.from(text, 'latin1')
  const row: Record<string, string> = { 'size kB': (mail.length / 1000).toFixed(0) }
  for (const [set, signatures] of Object.entries(sets)) {
    using scanner = new MessageScanner(signatures, { limits: LIMITS, bareNewline: 'normalize' })
    row[`${set}, MB/s`] = rate(mail, seconds, () => scanOne(scanner, mail, out)).toFixed(0)
  }
  const encoder = new BodyEncoder()
  row['encoder, MB/s'] = rate(mail, seconds, () => {
    encoder.begin('data')
    for (let at = 0; at < mail.length; at += CHUNK_BYTES) {
      encoder.write(mail, at, Math.min(mail.length, at + CHUNK_BYTES), out, 0)
    }
  }).toFixed(0)
  rows[name] = row
}
// oxlint-disable-next-line no-console -- the table is what this program is for
console.table(rows)
