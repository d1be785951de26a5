import { isRecord } from '#src/net/frames.ts'
import { getopt, lastOf } from './getopt.ts'
import type { Given } from './getopt.ts'
import { print } from './output.ts'
import type { QueueAccess } from '#src/queue/tool-access.ts'
import { printable } from '#src/base/printable.ts'
import { decodeXtext } from '#src/mail/xtext.ts'
import { mailqTime } from './queue-format.ts'
import { runTool, ToolError, toolQueue } from './tool.ts'

const USAGE =
  'usage: postcat [-b (body text)] [-c config_dir] [-d (decimal record type)] [-e (envelope records)] [-h (header text)] [-q (access queue)] [-v] [file(s)...]'

interface Parts {
  readonly envelope: boolean
  readonly header: boolean
  readonly body: boolean
}

/** `postcat -q ID…` of Postfix: what a message of the queue holds, its envelope as records. */
export function postcat(args: readonly string[]): Promise<number> {
  return runTool('postcat', () => run(args), 1)
}

async function run(args: readonly string[]): Promise<number> {
  const given = getopt(args, 'bc:dehoqrsv')
  if (typeof given === 'string') {
    process.stderr.write(`postcat: ${given}\n`)
    throw new ToolError(USAGE, 1)
  }
  if (!given.options.some(({ letter }) => letter === 'q') || given.words.length === 0) {
    throw new ToolError(
      `${USAGE}\npostcat: fatal: messages lie in one file here, and are named by their id: postcat -q ID`,
      1,
    )
  }
  await using queue = await toolQueue(lastOf(given, 'c'))
  for (const id of given.words) await print(pieces(queue, id.replace(/[*!#]$/, ''), partsOf(given)), 'latin1')
  return 0
}

function partsOf({ options }: Given): Parts {
  const has = (letter: string): boolean => options.some((one) => one.letter === letter)
  const [envelope, header, body] = [has('e'), has('h'), has('b')]
  return envelope || header || body
    ? { envelope, header, body }
    : { envelope: true, header: true, body: true }
}

async function* pieces(queue: QueueAccess, id: string, parts: Parts): AsyncGenerator<string> {
  const content = new Content(parts)
  let label = id
  for await (const answer of queue.ask({ op: 'body', id })) {
    const { message, inside, chunk } = answer
    if (answer['missing'] === true) throw new ToolError(`open queue file ${id}: No such file or directory`, 1)
    if (isRecord(message) && isRecord(inside)) {
      label = `${String(message['queue'])}/${id}`
      if (parts.envelope) yield octets(envelopeText(label, message, answer))
      yield content.take(Buffer.from(textOf(inside, 'prefix')))
    } else if (typeof chunk === 'string') {
      yield content.take(Buffer.from(chunk, 'base64'))
    } else if (typeof answer['damage'] === 'string' && answer['damage'] !== '') {
      process.stderr.write(`postcat: warning: ${id}: ${answer['damage']}\n`)
    }
  }
  yield content.end()
  if (parts.envelope) {
    yield `*** HEADER EXTRACTED ${label} ***\n*** MESSAGE FILE END ${label} ***\n`
  }
}

/** A message's lines with LF at their ends, those of the parts that were asked for. */
class Content {
  readonly #parts: Parts
  #rest = ''
  #inBody = false

  constructor(parts: Parts) {
    this.#parts = parts
  }

  take(bytes: Buffer): string {
    const lines = (this.#rest + bytes.toString('latin1')).split('\n')
    this.#rest = lines.pop() ?? ''
    return this.#wanted(lines)
  }

  end(): string {
    const rest = this.#rest
    this.#rest = ''
    return rest === '' ? '' : this.#wanted([rest])
  }

  #wanted(lines: readonly string[]): string {
    let out = ''
    for (const line of lines) {
      const bare = line.endsWith('\r') ? line.slice(0, -1) : line
      if (bare === '') this.#inBody = true
      if (this.#inBody ? this.#parts.body : this.#parts.header) out += `${bare}\n`
    }
    return out
  }
}

/** Text as one character for each octet of its UTF-8, like everything else that is printed here. */
function octets(text: string): string {
  return Buffer.from(text).toString('latin1')
}

type Fields = Readonly<Record<string, unknown>>

/** RFC 3461 section 4.1, as Postfix numbers it in `notify_flags`. */
const NOTIFY_FLAGS: ReadonlyMap<unknown, number> = new Map([
  ['NEVER', 1],
  ['SUCCESS', 2],
  ['FAILURE', 4],
  ['DELAY', 8],
])

/** The records that Postfix would have, in its order; what it has no record for is left out. */
function envelopeText(label: string, message: Fields, { envelope, recipients, inside }: Fields): string {
  const known = isRecord(envelope) ? envelope : {}
  const origin = isRecord(known['origin']) ? known['origin'] : {}
  const list = Array.isArray(recipients) ? recipients.filter(isRecord) : []
  const size = Number(message['sizeBytes'])
  const arrivedMs = Number(message['arrivedMs'])
  const time = `${mailqTime(arrivedMs)} ${new Date(arrivedMs).getFullYear()}`
  const sizes = [size, 0, list.length, 0, size, known['smtpUtf8'] === true ? 1 : 0]
  const lines = [
    `*** ENVELOPE RECORDS ${label} ***`,
    `message_size: ${sizes.map((each) => String(each).padStart(15)).join(' ')}`,
    `message_arrival_time: ${time}`,
    `create_time: ${time}`,
    attribute('log_ident', message['id']),
    attribute('rewrite_context', 'remote'),
  ]
  const envid = textOf(known, 'envid')
  if (envid !== '') lines.push(attribute('envelope_id', decodeXtext(envid) ?? envid))
  const ret = known['ret'] === 'FULL' ? 1 : known['ret'] === 'HDRS' ? 2 : 0
  if (ret > 0) lines.push(attribute('ret_flags', ret))
  lines.push(`sender: ${bareAddress(textOf(isRecord(inside) ? inside : message, 'sender'))}`)
  if (known['eightBit'] === true) lines.push(attribute('encoding', '8bit'))
  if (isRecord(envelope)) lines.push(...clientLines(origin))
  for (const recipient of list) lines.push(...recipientLines(recipient))
  return `${lines.join('\n')}\n*** MESSAGE CONTENTS ${label} ***\n`
}

function clientLines(origin: Fields): string[] {
  const name = textOf(origin, 'clientName')
  const address = textOf(origin, 'clientAddress')
  const values: readonly (readonly [string, unknown])[] = [
    ['log_client_name', name],
    ['log_client_address', address],
    ['log_client_port', origin['clientPort']],
    ['log_message_origin', `${name}[${address}]`],
    ['log_helo_name', origin['helo']],
    ['log_protocol_name', origin['protocol']],
    ['client_name', name],
    ['reverse_client_name', name],
    ['client_address', address],
    ['client_port', origin['clientPort']],
    ['helo_name', origin['helo']],
    ['protocol_name', origin['protocol']],
    ['client_address_type', address.includes(':') ? 10 : 2],
  ]
  return values.map(([key, value]) => attribute(key, value))
}

function recipientLines(recipient: Fields): string[] {
  const notify: readonly unknown[] = Array.isArray(recipient['notify']) ? recipient['notify'] : []
  const flags = notify.reduce<number>((sum, word) => sum + (NOTIFY_FLAGS.get(word) ?? 0), 0)
  const lines: string[] = []
  if (flags > 0) lines.push(attribute('notify_flags', flags))
  const orcpt = textOf(recipient, 'orcpt')
  if (orcpt !== '') lines.push(attribute('dsn_orig_rcpt', decodeXtext(orcpt) ?? orcpt))
  lines.push(`original_recipient: ${bareAddress(textOf(recipient, 'original'))}`)
  lines.push(`recipient: ${bareAddress(textOf(recipient, 'address'))}`)
  return lines
}

/** Without the quotes of its local part, as Postfix keeps addresses in its files. */
function bareAddress(address: string): string {
  const quoted = /^"((?:[^"\\]|\\.)*)"(@.*)?$/.exec(address)
  if (quoted === null) return printable(address)
  const [, local = '', domain = ''] = quoted
  return printable(`${local.replaceAll(/\\(.)/g, '$1')}${domain}`)
}

function attribute(key: string, value: unknown): string {
  return `named_attribute: ${key}=${printable(String(value))}`
}

function textOf(fields: Fields, key: string): string {
  const value = fields[key]
  return typeof value === 'string' ? value : ''
}
