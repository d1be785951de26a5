import { crc32 } from 'node:zlib'
import { isRecord } from '#src/net/frames.ts'
import type { QueuedMessage, QueuedRecipient } from './ports.ts'
import type { NewMessage, NewRecipient, Notify, Origin, RecipientState } from './types.ts'

/**
 * Rows of queue.db, both ways. What is read back is never believed: a bit may have flipped on the disk, and what
 * does not hold is 'damaged', never half a message.
 */

/** A message with what is needed to find and check its body. */
export interface StoredMessage extends QueuedMessage {
  /** File in spool/, or null where the body lies in its row. */
  readonly spool: string | null
  readonly bodyBytes: number
  readonly bodyCrc32: number
  readonly generation: number
  /** An operator wants it returned to its sender at the next attempt, whatever its age (postsuper -e). */
  readonly forcedExpire: boolean
}

export interface StoredRecipient extends QueuedRecipient {
  readonly lastDsn: string
  /** When its sender was told that it is delayed, wall clock; 0: not yet. */
  readonly delayToldMs: number
}

/** A value that did not pass, and why. */
export class Damage {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

export type MessageParams = readonly [
  seq: number,
  id: string,
  arrivedMs: number,
  sender: string,
  envelope: string,
  prefix: string,
  verdict: string,
  generation: number,
  spool: string | null,
  bodyBytes: number,
  bodyCrc: number,
  rowCrc: number,
]

/** The columns of a message's row, in the order of the table. */
export function messageParams(seq: number, message: NewMessage): MessageParams {
  const { body } = message
  const envelope = JSON.stringify({
    eightBit: message.eightBit,
    smtpUtf8: message.smtpUtf8,
    ret: message.ret,
    envid: message.envid,
    origin: message.origin,
    messageId: message.messageId,
    // Absent where it is not so: JSON.stringify leaves undefined out.
    requireTls: message.requireTls,
    priority: message.priority,
    ...(message.notice === true ? { notice: true } : {}),
  })
  const verdict = JSON.stringify(message.verdict)
  const spool = body.kind === 'spool' ? body.file : null
  const bodyBytes = body.kind === 'spool' ? body.length : body.bytes.length
  const fixed = [
    seq,
    message.id,
    message.arrivedMs,
    message.sender,
    envelope,
    message.prefix,
    verdict,
    message.generation,
    spool,
    bodyBytes,
    message.bodyCrc32,
  ] as const
  return [...fixed, rowCrc(fixed)]
}

/** NUL between the columns: no column can hold one that matters, and none can run into the next. */
function rowCrc(columns: readonly (string | number | null)[]): number {
  return crc32(columns.join('\0'))
}

export function recipientCrc(seq: number, n: number, recipient: NewRecipient, notify: string): number {
  return rowCrc([seq, n, recipient.address, recipient.original, recipient.orcpt, notify])
}

/** One recipient's NOTIFY as it is stored: 'FAILURE,DELAY'. */
export function notifyText(notify: readonly Notify[]): string {
  return notify.length === 0 ? '' : notify.join(',')
}

const NOTIFY: ReadonlySet<string> = new Set<Notify>(['NEVER', 'SUCCESS', 'FAILURE', 'DELAY', 'EXPANDED'])
const STATES: ReadonlySet<string> = new Set<RecipientState>(['incoming', 'deferred', 'hold', 'corrupt'])

export const MESSAGE_COLUMNS =
  'seq, id, arrived_ms, sender, envelope, prefix, verdict, generation, spool, body_bytes, body_crc, row_crc'
export const RECIPIENT_COLUMNS =
  'seq, n, address, original, orcpt, notify, state, due_ms, attempts, last_reply, last_dsn, row_crc'

/** Reads one message row (as an array of its columns, `expire` after those of MESSAGE_COLUMNS). */
export function readMessage(row: readonly unknown[]): StoredMessage | Damage {
  const [
    seq,
    id,
    arrivedMs,
    sender,
    envelopeText,
    prefix,
    verdict,
    generation,
    spool,
    bodyBytes,
    bodyCrc,
    crc,
    expire,
  ] = row
  if (
    !isCount(seq) ||
    !isCount(arrivedMs) ||
    !isCount(generation) ||
    !isCount(bodyBytes) ||
    !isCount(bodyCrc)
  ) {
    return new Damage('a number of the message row is none')
  }
  if (!isText(id) || !isText(sender) || !isText(envelopeText) || !isText(prefix) || !isText(verdict)) {
    return new Damage('a text of the message row is none')
  }
  if (spool !== null && !isText(spool)) return new Damage('the file name of the message row is none')
  const fixed = [
    seq,
    id,
    arrivedMs,
    sender,
    envelopeText,
    prefix,
    verdict,
    generation,
    spool,
    bodyBytes,
    bodyCrc,
  ]
  if (rowCrc(fixed) !== crc) return new Damage('the checksum of the message row does not hold')
  const envelope = parseEnvelope(envelopeText)
  if (envelope === undefined) return new Damage('the envelope of the message row is none')
  return {
    seq,
    id,
    arrivedMs,
    sender,
    ...envelope,
    prefix,
    generation,
    spool,
    bodyBytes,
    bodyCrc32: bodyCrc,
    forcedExpire: expire === 1,
    sizeBytes: Buffer.byteLength(prefix) + bodyBytes,
  }
}

type Envelope = Pick<
  QueuedMessage,
  'eightBit' | 'smtpUtf8' | 'ret' | 'envid' | 'origin' | 'messageId' | 'notice' | 'requireTls' | 'priority'
>

function parseEnvelope(text: string): Envelope | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // Not JSON: the caller says that the row is damaged.
    return undefined
  }
  return readEnvelope(value)
}

/** The part of a message that is kept as JSON, checked. Also for a submission, which has the same names. */
export function readEnvelope(value: unknown): Envelope | undefined {
  if (!isRecord(value)) return undefined
  const { eightBit, smtpUtf8, ret, envid, messageId } = value
  const origin = readOrigin(value['origin'])
  if (typeof eightBit !== 'boolean' || typeof smtpUtf8 !== 'boolean' || origin === undefined) return undefined
  if ((ret !== '' && ret !== 'FULL' && ret !== 'HDRS') || !isText(envid) || !isText(messageId))
    return undefined
  const envelope: Envelope = { eightBit, smtpUtf8, ret, envid, messageId, origin }
  return {
    ...envelope,
    ...(value['notice'] === true ? { notice: true } : {}),
    ...(value['requireTls'] === true ? { requireTls: true } : {}),
    ...(isPriority(value['priority']) ? { priority: value['priority'] } : {}),
  }
}

/** RFC 6710 section 4; anything else is 0. */
function isPriority(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= 9 && value !== 0
}

function readOrigin(value: unknown): Origin | undefined {
  if (!isRecord(value)) return undefined
  const { clientAddress, clientPort, clientName, helo, protocol } = value
  if (
    !isText(clientAddress) ||
    !isCount(clientPort) ||
    !isText(clientName) ||
    !isText(helo) ||
    !isText(protocol)
  ) {
    return undefined
  }
  return { clientAddress, clientPort, clientName, helo, protocol }
}

/** Reads one recipient row (as an array of its columns, `delay_told_ms` after those of RECIPIENT_COLUMNS). */
export function readRecipient(row: readonly unknown[]): StoredRecipient | Damage {
  const [
    seq,
    n,
    address,
    original,
    orcpt,
    notifyWords,
    state,
    dueMs,
    attempts,
    lastReply,
    lastDsn,
    crc,
    told,
  ] = row
  if (!isCount(seq) || !isCount(n) || !isCount(attempts) || typeof dueMs !== 'number') {
    return new Damage('a number of a recipient row is none')
  }
  if (!isText(address) || !isText(original) || !isText(orcpt) || !isText(notifyWords)) {
    return new Damage('a text of a recipient row is none')
  }
  if (!isText(lastReply) || !isText(lastDsn)) return new Damage('the last reply of a recipient row is none')
  if (!isState(state)) return new Damage('the state of a recipient row is none')
  if (rowCrc([seq, n, address, original, orcpt, notifyWords]) !== crc) {
    return new Damage('the checksum of a recipient row does not hold')
  }
  const notify = notifyWords === '' ? [] : notifyWords.split(',').filter(isNotify)
  const delayToldMs = isCount(told) ? told : 0
  return { n, address, original, orcpt, notify, state, dueMs, attempts, lastReply, lastDsn, delayToldMs }
}

export function isNotify(word: string): word is Notify {
  return NOTIFY.has(word)
}

function isState(value: unknown): value is RecipientState {
  return typeof value === 'string' && STATES.has(value)
}

export function isText(value: unknown): value is string {
  return typeof value === 'string'
}

/** A whole number from 0 on that JavaScript holds exactly. */
export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
