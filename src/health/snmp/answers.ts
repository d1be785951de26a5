import { AgentXPdu } from 'net-snmp'
import type { Varbind } from 'net-snmp'
import { HEADER_BYTES, includes } from './frames.ts'
import type { Frame } from './frames.ts'
import type { Instance, Oid, Rows } from './rows.ts'
import type { Value } from './values.ts'

/** Kinds of messages, RFC 2741 section 6.1. */
export const PDU = {
  open: 1,
  close: 2,
  register: 3,
  get: 5,
  getNext: 6,
  getBulk: 7,
  testSet: 8,
  commitSet: 9,
  undoSet: 10,
  cleanupSet: 11,
  notify: 12,
  ping: 13,
  addAgentCaps: 16,
  response: 18,
} as const

/** Kinds of values, section 5.4. */
const TYPES: Readonly<Record<Value['kind'], number>> = {
  integer: 2,
  text: 4,
  oid: 6,
  counter32: 65,
  gauge32: 66,
  ticks: 67,
  counter64: 70,
}
const NO_SUCH_INSTANCE = 129
const END_OF_MIB_VIEW = 130

/** Errors of RFC 3416 section 3 and RFC 2741 section 6.2.16. */
const GENERAL_ERROR = 5
const COMMIT_FAILED = 14
const UNDO_FAILED = 15
const NOT_WRITABLE = 17
const UNSUPPORTED_CONTEXT = 262

/** Values in one answer; of GetBulk fewer than asked for may be given (RFC 2741 section 7.2.3.3). */
const VALUES_MAX = 500

/** One value as the package writes it. */
export function varbindOf({ oid, value }: Instance): Varbind {
  return { oid: oid.join('.'), type: TYPES[value.kind], value: value.value }
}

/** The answer to a question of snmpd's; undefined where none is wanted. Throws for what is no question. */
export function answerTo(frame: Frame, rows: Rows): Buffer | undefined {
  const { header } = frame
  if (header.type === PDU.cleanupSet) return undefined
  if (header.hasContext) return errorAnswer(frame, UNSUPPORTED_CONTEXT)
  switch (header.type) {
    case PDU.get:
    case PDU.getNext:
    case PDU.getBulk:
      return response(frame, { varbinds: found(frame, rows) })
    // Nothing can be set, whatever snmpd's own settings allow.
    case PDU.testSet:
      return errorAnswer(frame, NOT_WRITABLE)
    case PDU.commitSet:
      return errorAnswer(frame, COMMIT_FAILED)
    case PDU.undoSet:
      return errorAnswer(frame, UNDO_FAILED)
    default:
      throw new RangeError(`a message of kind ${header.type} is no question`)
  }
}

/** What is said when the answer could not be made. */
export function failedAnswer(frame: Frame): Buffer {
  return errorAnswer(frame, GENERAL_ERROR)
}

function errorAnswer(frame: Frame, error: number): Buffer {
  return response(frame, { error, index: 1 })
}

function response(
  { header: { sessionId: sessionID, transactionId: transactionID, packetId: packetID } }: Frame,
  body: { readonly varbinds?: readonly Varbind[]; readonly error?: number; readonly index?: number },
): Buffer {
  const pdu = AgentXPdu.createFromVariables({ pduType: PDU.response, sessionID, transactionID, ...body })
  pdu.packetID = packetID
  return pdu.toBuffer()
}

interface Range {
  readonly start: Oid
  readonly end: Oid | undefined
  readonly isIncluded: boolean
}

function found(frame: Frame, rows: Rows): readonly Varbind[] {
  const { header, bytes } = frame
  const isBulk = header.type === PDU.getBulk
  const from = HEADER_BYTES + (isBulk ? 4 : 0)
  const ranges = rangesOf(bytes, from)
  if (header.type === PDU.get) return ranges.map(({ start }) => exact(rows, start))
  if (!isBulk) return ranges.map((range) => next(rows, range).varbind)
  return bulk(rows, ranges, {
    singles: bytes.readUInt16BE(HEADER_BYTES),
    times: bytes.readUInt16BE(HEADER_BYTES + 2),
  })
}

function rangesOf(bytes: Buffer, from: number): readonly Range[] {
  const { searchRangeList = [] } = AgentXPdu.createFromBuffer(bytes)
  const included = includes(bytes, from, searchRangeList.length)
  return searchRangeList.map(({ start, end }, i) => ({
    start: oidOf(start),
    end: end === null ? undefined : oidOf(end),
    isIncluded: included[i] === true,
  }))
}

function oidOf(text: string | null): Oid {
  return text === null ? [0, 0] : text.split('.').map(Number)
}

function exact(rows: Rows, oid: Oid): Varbind {
  const instance = rows.get(oid)
  return instance === undefined
    ? { oid: oid.join('.'), type: NO_SUCH_INSTANCE, value: null }
    : varbindOf(instance)
}

function next(rows: Rows, range: Range): { readonly varbind: Varbind; readonly at: Oid | undefined } {
  const { start, end, isIncluded } = range
  const instance = (isIncluded ? rows.get(start) : undefined) ?? rows.next(start, end)
  if (instance === undefined)
    return { varbind: { oid: start.join('.'), type: END_OF_MIB_VIEW, value: null }, at: undefined }
  return { varbind: varbindOf(instance), at: instance.oid }
}

/** The first `singles` ranges once, the others up to `times` times, in turn. */
function bulk(
  rows: Rows,
  ranges: readonly Range[],
  { singles, times }: { readonly singles: number; readonly times: number },
): readonly Varbind[] {
  const all = ranges.slice(0, singles).map((range) => next(rows, range).varbind)
  let repeated = ranges.slice(singles)
  for (let n = 0; n < times && repeated.length > 0 && all.length + repeated.length <= VALUES_MAX; n += 1) {
    const step = repeated.map((range) => next(rows, range))
    all.push(...step.map(({ varbind }) => varbind))
    if (step.every(({ at }) => at === undefined)) break
    repeated = repeated.map((range, i) => {
      const at = step[i]?.at
      return at === undefined ? range : { start: at, end: range.end, isIncluded: false }
    })
  }
  return all
}
