/**
 * A message as people send them: text and HTML with accents (quoted-printable) and a document (base64). The
 * same octets each time, so that every server is given the same work.
 */
export function mimeMessage(sizeBytes: number): string {
  const outer = 'b1_bench_mixed_7f3a'
  const inner = 'b2_bench_alternative_7f3a'
  const textBytes = Math.min(4096, sizeBytes >> 2)
  const head = [
    'From: Anne Weber <anne.weber@src.test>',
    'To: =?UTF-8?Q?Alice_Kov=C3=A1cs?= <alice@example.test>',
    'Subject: =?UTF-8?B?QW5nZWJvdCB1bmQgTGllZmVydGVybWlu?=',
    'Date: Mon, 02 Nov 2026 09:30:00 +0100',
    'Message-ID: <4f1c2d.2026110209@src.test>',
    'MIME-Version: 1.0',
    `Content-Type: multipart/mixed; boundary="${outer}"`,
    '',
    'This is a multi-part message in MIME format.',
    `--${outer}`,
    `Content-Type: multipart/alternative; boundary="${inner}"`,
    '',
    ...textPart(inner, 'plain', textBytes),
    ...textPart(inner, 'html', textBytes),
    `--${inner}--`,
    `--${outer}`,
    'Content-Type: application/pdf; name="Angebot 2026-11.pdf"',
    'Content-Transfer-Encoding: base64',
    `Content-Disposition: attachment; filename*=UTF-8''Angebot%202026%2D11.pdf`,
    '',
  ]
  const tail = ['', `--${outer}--`]
  const left = sizeBytes - octets(head) - octets(tail)
  return [...head, ...documentLines(left), ...tail].join('\n')
}

/** Octets of lines on the wire, CRLF included. */
function octets(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + line.length + 2, 0)
}

const SENTENCES = [
  'Sehr geehrte Damen und Herren, anbei unser Angebot f=C3=BCr die Lieferung.',
  'The delivery date depends on the carrier; we will confirm it by Friday.',
  'Bitte pr=C3=BCfen Sie die Positionen 3 bis 7 und melden Sie sich bei Fragen.',
  'Please find the signed copy attached, and let us know if a page is missing.',
  'Mit freundlichen Gr=C3=BC=C3=9Fen, Anne Weber, Einkauf und Logistik',
]

function textPart(boundary: string, subtype: 'plain' | 'html', bytes: number): string[] {
  const lines = [
    `--${boundary}`,
    `Content-Type: text/${subtype}; charset=utf-8`,
    'Content-Transfer-Encoding: quoted-printable',
    '',
  ]
  let left = bytes
  for (let i = 0; left > 0; i++) {
    const sentence = SENTENCES[i % SENTENCES.length] ?? ''
    const line = subtype === 'html' ? `<p>${sentence.slice(0, 68)}</p>` : sentence
    lines.push(line)
    left -= line.length + 2
  }
  return lines
}

/** Octets of the document in one base64 line of 76 characters. */
const LINE_OCTETS = 57

/** Lines of base64 of about `bytes` octets: a PDF's first octets, then noise, as a packed document is. */
function documentLines(bytes: number): string[] {
  const lines = Math.max(1, Math.floor(bytes / 78))
  const document = Buffer.alloc(lines * LINE_OCTETS)
  let state = 0x2545f491
  for (let i = 0; i < document.length; i++) {
    // xorshift32: any fixed noise will do
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    document[i] = state & 0xff
  }
  document.write('%PDF-1.7\n')
  const text = document.toString('base64')
  return Array.from({ length: lines }, (_, i) => text.slice(i * 76, (i + 1) * 76))
}
