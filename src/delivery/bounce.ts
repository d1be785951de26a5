import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { systemClock } from '#src/base/clock.ts'
import { parseAddress } from '#src/mail/address.ts'
import { mailDate } from '#src/mail/date.ts'
import { dsnBoundary, formatDsn } from '#src/mail/dsn.ts'
import type { Clock } from '#src/base/clock.ts'
import type { DsnOriginal, DsnRecipient } from '#src/mail/dsn.ts'
import type {
  BodySource,
  BounceComposer,
  QueuedMessage,
  QueuedRecipient,
  RecipientOutcome,
} from '#src/queue/ports.ts'
import type { NewMessage } from '#src/queue/types.ts'

export interface BounceOptions {
  /** myhostname: Reporting-MTA, and the domain of MAILER-DAEMON. */
  readonly hostname: string
  /** A fresh queue id. */
  readonly makeId: () => string
  /** bounce_size_limit, octets: a longer original is returned as its header only. */
  readonly sizeLimit?: number
  readonly clock?: Clock
  /** `length` random octets. */
  readonly random?: (length: number) => Uint8Array
  /** The settings generation that it is written under. */
  readonly generation?: number
}

/** Postfix's bounce_size_limit. */
const BOUNCE_SIZE_LIMIT = 50_000

interface Failure {
  readonly recipient: QueuedRecipient
  readonly outcome: RecipientOutcome
}

/** Makes the composer of queue/ports.ts. What it writes is a new message from the null sender, with a queue id of its own. */
export function createBounceComposer(options: BounceOptions): BounceComposer {
  const {
    hostname,
    makeId,
    sizeLimit = BOUNCE_SIZE_LIMIT,
    clock = systemClock,
    random = randomBytes,
  } = options
  return async (message, failures, body) => {
    // RFC 5321 section 6.1: nothing is ever said to the null reverse-path.
    if (message.sender === '') return undefined
    const told = failures.filter(({ recipient }) => wantsFailure(recipient))
    if (told.length === 0) return undefined
    const nowMs = clock.nowMs()
    const id = makeId()
    const sender = parseAddress(message.sender)?.text ?? message.sender
    const original = await readOriginal(message, body, sizeLimit)
    const dsn = formatDsn({
      from: `MAILER-DAEMON@${hostname}`,
      to: sender,
      subject: 'Undelivered Mail Returned to Sender',
      date: mailDate(nowMs),
      messageId: `<${id}@${hostname}>`,
      boundary: dsnBoundary(random(16)),
      reportingMta: hostname,
      queueId: message.id,
      sender,
      envid: message.envid,
      arrivalDate: mailDate(message.arrivedMs),
      intro: intro(hostname, original.kind),
      recipients: told.map((failure) => report(failure)),
      original,
      international: message.smtpUtf8,
    })
    const bounce: NewMessage = {
      id,
      arrivedMs: nowMs,
      sender: '',
      // RFC 3461 section 6.2: a notification asks for none about itself.
      recipients: [{ address: sender, original: sender, orcpt: '', notify: ['NEVER'] }],
      eightBit: dsn.eightBit,
      smtpUtf8: dsn.international,
      ret: '',
      envid: '',
      origin: { clientAddress: '', clientPort: 0, clientName: '', helo: '', protocol: 'local' },
      prefix: `Received: by ${hostname} (Postern)\r\n\tid ${id}; ${mailDate(nowMs)}\r\n`,
      body: { kind: 'inline', bytes: dsn.bytes },
      bodyCrc32: crc32(dsn.bytes),
      messageId: `<${id}@${hostname}>`,
      verdict: { bounceOf: message.id },
      generation: options.generation ?? 0,
    }
    return bounce
  }
}

/** RFC 3461 section 4.1: nothing said means yes. */
function wantsFailure(recipient: QueuedRecipient): boolean {
  return recipient.notify.length === 0 || recipient.notify.includes('FAILURE')
}

function intro(hostname: string, kind: DsnOriginal['kind']): string {
  const attached = kind === 'message' ? 'The message itself' : 'The header of the message'
  return [
    `This is the mail system at host ${hostname}.`,
    '',
    "I'm sorry to say that your message could not be delivered to one or more",
    `of its recipients. ${attached} is attached below the report.`,
    '',
    'If you need help, please write to postmaster and include this report; your',
    'own text may be left out.',
    '',
    '                   The mail system',
    '',
  ].join('\n')
}

function report({ recipient, outcome }: Failure): DsnRecipient {
  const remote = outcome.source === 'remote'
  const peer = remote ? /^(.*?)(?:\[[^\]]*\])?(?::[0-9]+)?$/.exec(outcome.relay)?.[1] : undefined
  const remoteMta = peer === undefined || peer === 'none' ? '' : peer
  const host = outcome.relay.replace(/:[0-9]+$/, '')
  return {
    address: recipient.address,
    orcpt: recipient.orcpt,
    action: 'failed',
    status: outcome.dsn,
    remoteMta,
    diagnosticType: remote ? 'smtp' : 'x-postern',
    diagnostic: outcome.reply,
    text: remote ? `host ${host} said: ${outcome.reply}` : outcome.reply,
  }
}

/** What of the original goes back: all of it where it was not refused (RET=HDRS) and is short, else its header. */
async function readOriginal(
  message: QueuedMessage,
  body: BodySource,
  sizeLimit: number,
): Promise<DsnOriginal> {
  const prefix = Buffer.from(message.prefix)
  if (message.ret !== 'HDRS' && prefix.length + body.length < sizeLimit) {
    const blocks: Uint8Array[] = [prefix]
    for await (const block of body.blocks()) blocks.push(Buffer.from(block))
    return { kind: 'message', bytes: Buffer.concat(blocks) }
  }
  return { kind: 'headers', bytes: await readHeader(prefix, body, sizeLimit) }
}

const HEADER_END = Buffer.from('\r\n\r\n')

/** The header section without its empty line, at most `sizeLimit` octets, cut behind a line. */
async function readHeader(prefix: Buffer, body: BodySource, sizeLimit: number): Promise<Buffer> {
  let bytes = prefix
  for await (const block of body.blocks()) {
    if (bytes.length >= sizeLimit || bytes.includes(HEADER_END)) break
    bytes = Buffer.concat([bytes, block.subarray(0, sizeLimit)])
  }
  // A body that starts with an empty line has no header of its own, and ours above it has none to end it.
  const end = bytes.indexOf(HEADER_END)
  if (end >= 0 && end + 2 <= sizeLimit) return bytes.subarray(0, end + 2)
  const cut = bytes.lastIndexOf('\r\n', sizeLimit - 2)
  return bytes.subarray(0, cut < 0 ? 0 : cut + 2)
}
