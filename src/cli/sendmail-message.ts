import { headerAddresses } from './header-addresses.ts'

export interface ComposeOptions {
  readonly sender: string
  /** -F: the name in a From line that is made here. */
  readonly fullName: string
  /** -t: recipients are taken from To, Cc and Bcc, and Bcc is taken out. */
  readonly takeRecipients: boolean
}

export interface Composed {
  /** Lines with CRLF. */
  readonly bytes: Buffer
  readonly recipients: readonly string[]
}

const FIELDS: ReadonlySet<string> = new Set(['to', 'cc', 'bcc'])
const RESENT_FIELDS: ReadonlySet<string> = new Set(['resent-to', 'resent-cc', 'resent-bcc'])
const HEADER_LINE = /^[!-9;-~]+[ \t]*:/

/** A message of standard input made one that can be sent: line ends, a From line, and with -t no Bcc. */
export function composed(input: Buffer, options: ComposeOptions): Composed {
  // One character is one octet, whatever the character set.
  const lines = input.toString('latin1').split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  // The line that mbox files have between messages.
  if (lines[0]?.startsWith('From ') === true) lines.shift()
  const end = headerEnd(lines)
  const fields = fieldsOf(lines.slice(0, end))
  const recipients = options.takeRecipients ? recipientsOf(fields) : []
  const kept = fields.filter(
    ({ name }) => !(options.takeRecipients && (name === 'bcc' || name === 'resent-bcc')),
  )
  const from = fields.some(({ name }) => name === 'from') ? [] : [fromLine(options)]
  const body = lines.slice(end)
  if (body[0] !== '') body.unshift('')
  const all = [...from, ...kept.flatMap((field) => field.lines), ...body]
  // A CR that ends no line must not become one on its way (RFC 5321 section 2.3.8).
  const text = all.map((line) => `${line.replaceAll('\r', ' ')}\r\n`).join('')
  return { bytes: Buffer.from(text, 'latin1'), recipients }
}

/** The first line that is none of the header. */
function headerEnd(lines: readonly string[]): number {
  for (const [i, line] of lines.entries()) {
    const goesOn = i > 0 && /^[ \t]/.test(line) && line.trim() !== ''
    if (!HEADER_LINE.test(line) && !goesOn) return i
  }
  return lines.length
}

interface Field {
  readonly name: string
  readonly lines: string[]
}

function fieldsOf(lines: readonly string[]): Field[] {
  const fields: Field[] = []
  for (const line of lines) {
    const last = fields.at(-1)
    if (/^[ \t]/.test(line) && last !== undefined) last.lines.push(line)
    else fields.push({ name: line.slice(0, line.indexOf(':')).trim().toLowerCase(), lines: [line] })
  }
  return fields
}

/** RFC 5322 section 3.6.6: where the message is resent, the Resent fields are meant. */
function recipientsOf(fields: readonly Field[]): string[] {
  const resent = fields.some(({ name }) => RESENT_FIELDS.has(name))
  const meant = resent ? RESENT_FIELDS : FIELDS
  return fields
    .filter(({ name }) => meant.has(name))
    .flatMap(({ lines }) => {
      const whole = lines.join(' ')
      const value = Buffer.from(whole.slice(whole.indexOf(':') + 1), 'latin1').toString()
      return headerAddresses(value)
    })
}

function fromLine({ sender, fullName }: ComposeOptions): string {
  const address = sender === '' ? 'MAILER-DAEMON' : sender
  // oxlint-disable-next-line no-control-regex -- control characters are what is taken out
  const name = fullName.replaceAll(/[\u0000-\u001f\u007f"\\]/g, '').trim()
  const line = name === '' ? `From: ${address}` : `From: "${name}" <${address}>`
  return Buffer.from(line).toString('latin1')
}
