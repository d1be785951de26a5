import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { systemClock } from '#src/base/clock.ts'
import { parseAddress } from '#src/mail/address.ts'
import { mailDate } from '#src/mail/date.ts'
import { dsnBoundary, formatDsn } from '#src/mail/dsn.ts'
import type { Clock } from '#src/base/clock.ts'
import type { DsnOriginal } from '#src/mail/dsn.ts'
import { wantsArrival, wantsDelay, wantsFailure } from '#src/queue/notify.ts'
import type { QueuedMessage, Report, ReportComposer, ReportOrder, ReportSubject } from '#src/queue/ports.ts'
import type { NewMessage, NewRecipient } from '#src/queue/types.ts'
import { readOriginal } from './original.ts'
import { introOf, originalName, receivedFrom, recipientOf, subjectOf } from './report-text.ts'

/** A class of notify_classes that a report about mail belongs to. */
export type ReportClass = 'bounce' | '2bounce' | 'delay'

export interface ReportOptions {
  /** myhostname: Reporting-MTA, and the domain of MAILER-DAEMON. */
  readonly hostname: string
  /** A fresh queue id. */
  readonly makeId: () => string
  /** bounce_size_limit, octets: a longer original is returned as its header only. */
  readonly sizeLimit?: number
  /**
   * Where a notice of that class goes: addresses as the queue wants them. Empty where notify_classes does not ask
   * for it, which is so for all of them if this is not given.
   */
  readonly postmasters?: (which: ReportClass) => readonly string[]
  /** The mailboxes that an address of ours stands for (a sender may be an alias); the address itself if not given. */
  readonly mailboxes?: (address: string) => readonly string[]
  readonly clock?: Clock
  /** `length` random octets. */
  readonly random?: (length: number) => Uint8Array
  /** The settings generation that it is written under. */
  readonly generation?: number
}

/** Postfix's bounce_size_limit. */
const BOUNCE_SIZE_LIMIT = 50_000

/** One report that is to be written. */
interface Letter {
  readonly audience: Report['audience']
  readonly to: readonly string[]
  readonly about: readonly ReportSubject[]
  readonly original: DsnOriginal['kind']
}

/** Makes the composer of queue/ports.ts. What it writes are new messages from the null sender, with queue ids of their own. */
export function createReportComposer(options: ReportOptions): ReportComposer {
  return async (order) => {
    const reports: Report[] = []
    for (const letter of lettersOf(order, options.postmasters ?? nobody))
      reports.push(await write(order, letter, options))
    return reports
  }
}

function nobody(): readonly string[] {
  return []
}

function lettersOf(order: ReportOrder, postmasters: (which: ReportClass) => readonly string[]): Letter[] {
  const { kind, message, about } = order
  const letters: Letter[] = []
  // RFC 5321 section 6.1: nothing is ever said to the null reverse-path.
  const told = message.sender === '' ? [] : about.filter((subject) => wants(kind, subject))
  if (told.length > 0) {
    const to = [parseAddress(message.sender)?.text ?? message.sender]
    letters.push({ audience: 'sender', to, about: told, original: originalOf(kind, message) })
  }
  const which = classOf(kind, message)
  const to = which === undefined ? [] : postmasters(which)
  // Postmaster's copy has the header alone; of a bounce that came to nothing it is the only one left.
  const original = which === '2bounce' ? originalOf(kind, message) : 'headers'
  if (to.length > 0) letters.push({ audience: 'postmaster', to, about, original })
  return letters
}

function wants(kind: ReportOrder['kind'], { recipient, outcome }: ReportSubject): boolean {
  switch (kind) {
    case 'failed':
      return wantsFailure(recipient.notify)
    case 'delayed':
      return wantsDelay(recipient.notify)
    case 'arrived':
      return wantsArrival(recipient.notify, outcome.arrival)
  }
}

/**
 * RFC 3461 section 4.3: RET is about failures; any other report has the header alone. So has the bounce of a REQUIRETLS
 * message, whatever RET says (RFC 8689 section 5): its way back may be in plaintext.
 */
function originalOf(kind: ReportOrder['kind'], message: QueuedMessage): DsnOriginal['kind'] {
  const isWhole = message.ret !== 'HDRS' && message.requireTls !== true
  return kind === 'failed' && isWhole ? 'message' : 'headers'
}

/** Which class of notify_classes asks for a copy; a notice of ours that fails makes no other one. */
function classOf(kind: ReportOrder['kind'], message: QueuedMessage): ReportClass | undefined {
  if (message.notice === true || kind === 'arrived') return undefined
  if (kind === 'delayed') return 'delay'
  return message.sender === '' ? '2bounce' : 'bounce'
}

async function write(order: ReportOrder, letter: Letter, options: ReportOptions): Promise<Report> {
  const { hostname, sizeLimit = BOUNCE_SIZE_LIMIT, clock = systemClock, random = randomBytes } = options
  const { kind, message, body } = order
  const { audience, to, about } = letter
  const nowMs = clock.nowMs()
  const id = options.makeId()
  const original = await readOriginal({ prefix: message.prefix, body }, letter.original, sizeLimit)
  const messageId = `<${id}@${hostname}>`
  const dsn = formatDsn({
    from: `MAILER-DAEMON@${hostname}`,
    to: to.join(', '),
    subject: subjectOf(`${kind} ${audience}`),
    date: mailDate(nowMs),
    messageId,
    boundary: dsnBoundary(random(16)),
    reportingMta: hostname,
    queueId: message.id,
    sender: parseAddress(message.sender)?.text ?? message.sender,
    envid: message.envid,
    arrivalDate: mailDate(message.arrivedMs),
    receivedFrom: receivedFrom(message.origin),
    intro: introOf(hostname, `${kind} ${audience}`, original.kind),
    recipients: about.map((subject) => recipientOf(subject, order, nowMs)),
    original,
    originalName: originalName(kind),
    international: message.smtpUtf8,
  })
  const report: NewMessage = {
    id,
    arrivedMs: nowMs,
    sender: '',
    // RFC 3461 section 6.2: a notification asks for none about itself.
    recipients: to.flatMap((address) => recipientsAt(address, audience, options)),
    eightBit: dsn.eightBit,
    smtpUtf8: dsn.international,
    ret: '',
    envid: '',
    origin: { clientAddress: '', clientPort: 0, clientName: '', helo: '', protocol: 'local' },
    prefix: `Received: by ${hostname} (Postern)\r\n\tid ${id}; ${mailDate(nowMs)}\r\n`,
    body: { kind: 'inline', bytes: dsn.bytes },
    bodyCrc32: crc32(dsn.bytes),
    messageId,
    verdict: { bounceOf: message.id },
    generation: options.generation ?? 0,
    ...(audience === 'postmaster' ? { notice: true } : {}),
    // RFC 8689 section 5: a report tells what the message held. Where nobody can promise it, it goes all the same (walk.ts).
    ...(message.requireTls === true ? { requireTls: true } : {}),
    ...(message.priority === undefined ? {} : { priority: message.priority }),
  }
  return { kind, audience, about: about.map(({ recipient }) => recipient.n), message: report }
}

/** Postmaster's addresses are mailboxes already. */
function recipientsAt(
  address: string,
  audience: Report['audience'],
  { mailboxes = (one) => [one] }: ReportOptions,
): NewRecipient[] {
  const found = audience === 'sender' ? mailboxes(address) : [address]
  return found.map((mailbox) => {
    return { address: mailbox, original: address, orcpt: '', notify: ['NEVER'] }
  })
}
