import { isIP } from 'node:net'
import { mailDate } from '#src/mail/date.ts'
import type { DsnAction, DsnOriginal, DsnRecipient } from '#src/mail/dsn.ts'
import type { Origin } from '#src/queue/types.ts'
import type { Report, ReportOrder, ReportSubject } from '#src/queue/ports.ts'

/** Whom a report is for, and about what. */
export type Sort = `${Report['kind']} ${Report['audience']}`

/** Postfix's subjects (bounce(5)): people sort their mail by them. */
const SUBJECT: Readonly<Record<Sort, string>> = {
  'failed sender': 'Undelivered Mail Returned to Sender',
  'delayed sender': 'Delayed Mail (still being retried)',
  'arrived sender': 'Successful Mail Delivery Report',
  'failed postmaster': 'Postmaster Copy: Undelivered Mail',
  'delayed postmaster': 'Postmaster Warning: Delayed Mail',
  'arrived postmaster': 'Postmaster Copy: Mail Delivery Report',
}

export function subjectOf(sort: Sort): string {
  return SUBJECT[sort]
}

const ORIGINAL_NAME: Readonly<Record<Report['kind'], string>> = {
  failed: 'Undelivered Message',
  delayed: 'Delayed Message',
  arrived: 'Message',
}

export function originalName(kind: Report['kind']): string {
  return ORIGINAL_NAME[kind]
}

/** The paragraphs above the recipients. */
export function introOf(hostname: string, sort: Sort, original: DsnOriginal['kind']): string {
  const attached = original === 'message' ? 'The message itself' : 'The header of the message'
  return [`This is the mail system at host ${hostname}.`, '', ...PARAGRAPHS[sort](attached), ...END].join(
    '\n',
  )
}

const END = ['', '                   The mail system', '']
const HELP = [
  '',
  'If you need help, please write to postmaster and include this report; your',
  'own text may be left out.',
]

const PARAGRAPHS: Readonly<Record<Sort, (attached: string) => readonly string[]>> = {
  'failed sender': (attached) => [
    "I'm sorry to say that your message could not be delivered to one or more",
    `of its recipients. ${attached} is attached below the report.`,
    ...HELP,
  ],
  'delayed sender': (attached) => [
    'THIS IS A WARNING ONLY. You need not send your message again.',
    '',
    'It could not be delivered yet to the recipients below. It is tried further',
    `until the time that the report names. ${attached} is attached.`,
    ...HELP,
  ],
  'arrived sender': (attached) => [
    'You asked to be told: your message went on its way as the report below says.',
    'Where it was delivered, it is in a mailbox, read or not. Where it was relayed,',
    'you may hear no more of it.',
    '',
    `${attached} is attached below the report.`,
  ],
  'failed postmaster': (attached) => [
    'A message could not be delivered. You get this copy because notify_classes',
    `asks for it. ${attached} is attached below the report.`,
  ],
  'delayed postmaster': (attached) => [
    'A message could not be delivered yet. You get this copy because notify_classes',
    `asks for it. ${attached} is attached below the report.`,
  ],
  'arrived postmaster': (attached) => [`${attached} is attached below the report.`],
}

/** What is said of one recipient. */
export function recipientOf(
  { recipient, outcome }: ReportSubject,
  order: Pick<ReportOrder, 'kind' | 'attempted' | 'retryUntilMs'>,
  nowMs: number,
): DsnRecipient {
  const remote = outcome.source === 'remote'
  const peer = remote ? /^(.*?)(?:\[[^\]]*\])?(?::[0-9]+)?$/.exec(outcome.relay)?.[1] : undefined
  // What was said at an earlier attempt, and by whom is not known any more.
  const host = remote && peer !== 'none' ? outcome.relay.replace(/:[0-9]+$/, '') : ''
  return {
    address: recipient.address,
    orcpt: recipient.orcpt,
    action: actionOf(order.kind, outcome.arrival),
    status: outcome.dsn,
    remoteMta: peer === undefined || peer === 'none' ? '' : mtaName(peer),
    diagnosticType: remote ? 'smtp' : 'x-postern',
    diagnostic: outcome.reply,
    // As the log and mailq have it, with the command that was answered.
    text: host === '' ? outcome.reply : (outcome.sentence ?? `host ${host} said: ${outcome.reply}`),
    lastAttempt: order.attempted ? mailDate(nowMs) : '',
    retryUntil: order.kind === 'delayed' ? mailDate(order.retryUntilMs) : '',
  }
}

/** RFC 3464 section 2.3.3; RFC 3461 section 5.2 says which success is which. */
function actionOf(kind: Report['kind'], arrival: ReportSubject['outcome']['arrival']): DsnAction {
  switch (kind) {
    case 'failed':
    case 'delayed':
      return kind
    case 'arrived':
      // 'passed' is told about by the next hop alone.
      return arrival === 'relayed' || arrival === 'expanded' ? arrival : 'delivered'
  }
}

/** A host as RFC 3464 section 2.2.2 wants it: an address is a literal. */
function mtaName(host: string): string {
  switch (isIP(host)) {
    case 4:
      return `[${host}]`
    case 6:
      return `[IPv6:${host}]`
    default:
      return host
  }
}

const DOMAIN = /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?$/

/** Received-From-MTA (RFC 3464 section 2.2.4): the name of HELO where it is one, else the address as a literal. */
export function receivedFrom({ clientAddress, helo, protocol }: Origin): string {
  if (protocol === 'local') return ''
  if (DOMAIN.test(helo)) return helo
  return isIP(clientAddress) === 0 ? '' : mtaName(clientAddress)
}
