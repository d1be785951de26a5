import { Buffer } from 'node:buffer'
import {
  AUTHENTIC_DATA,
  DNSSEC_OK,
  RECURSION_DESIRED,
  TRUNCATED_RESPONSE,
  a,
  aaaa,
  encode,
  mx,
  ptr,
  soa,
  tlsa,
  txt,
} from 'dns-packet'
import type { Decoding } from 'dns-packet'
import { Frame, HEADER_OCTETS, nameAt, recordPlaces } from './frame.ts'
import { addressSpelling } from './records.ts'
import type { Place } from './frame.ts'
import type { MxRecord, RecordData, RecordType, SoaRecord, TlsaRecord } from './records.ts'

/** One question, as it goes out and must come back. */
export interface Question {
  readonly id: number
  readonly name: string
  readonly type: RecordType
}

/** A record of the answer section that matters: of the type that was asked for, or an alias. */
export interface AnswerRecord {
  readonly owner: string
  readonly type: RecordType
  readonly ttl: number
  readonly data: RecordData[RecordType]
}

/** The SOA of the zone that says so. */
interface Authority {
  readonly owner: string
  readonly ttl: number
  readonly record: SoaRecord
}

/** What a datagram or a TCP message turned out to be. */
export type Message =
  /** No answer to this question: somebody else's, or a forgery. It is as if it had not come. */
  | { readonly kind: 'stray' }
  | { readonly kind: 'malformed'; readonly detail: string }
  /** It did not fit (TC): to be asked again over TCP. */
  | { readonly kind: 'truncated' }
  | {
      readonly kind: 'reply'
      /** With the upper bits from EDNS (RFC 6891 section 6.1.3). */
      readonly rcode: number
      /** The AD bit (RFC 4035 section 3.2.3). */
      readonly authentic: boolean
      readonly answers: readonly AnswerRecord[]
      /** Some records of the type asked for had names that cannot be written down. */
      readonly odd: boolean
      /** The SOA that comes with "there is no such" (RFC 2308 section 3). */
      readonly soa: Authority | undefined
      /** Name servers instead of an answer: the server does not resolve for us. */
      readonly referral: boolean
      /** Extended errors (RFC 8914), info-codes. */
      readonly extendedErrors: readonly number[]
    }

/** RFC 1035 section 3.2.2, RFC 3596, RFC 6698, RFC 6891. */
const TYPE_NUMBERS: ReadonlyMap<RecordType, number> = new Map([
  ['A', 1],
  ['CNAME', 5],
  ['SOA', 6],
  ['PTR', 12],
  ['MX', 15],
  ['TXT', 16],
  ['AAAA', 28],
  ['TLSA', 52],
])
const TYPE_NAMES: ReadonlyMap<number, RecordType> = new Map(
  [...TYPE_NUMBERS].map(([name, number]) => [number, name]),
)
const TYPE_NS = 2
const TYPE_SOA = 6
const TYPE_OPT = 41
const CLASS_IN = 1

/** What UDP carries without fragments nearly everywhere (the DNS flag day of 2020); more comes over TCP. */
const UDP_PAYLOAD_OCTETS = 1232

/** RFC 8914: the option, and how many of them are read. */
const OPTION_EXTENDED_ERROR = 15
const EXTENDED_ERRORS_MAX = 10

const FLAG_RESPONSE = 0x8000
const OPCODE_MASK = 0x7800
const STRAY: Message = { kind: 'stray' }

/**
 * The packet of a question: recursion wanted, AD to say that we look at it (RFC 6840 section 5.7), EDNS0 with DO
 * (RFC 3225) so that the resolver validates even where it does so on demand only.
 */
export function encodeQuestion(question: Question): Buffer {
  return encode({
    type: 'query',
    id: question.id,
    flags: RECURSION_DESIRED | AUTHENTIC_DATA,
    questions: [{ type: question.type, class: 'IN', name: question.name }],
    additionals: [
      { type: 'OPT', name: '.', udpPayloadSize: UDP_PAYLOAD_OCTETS, flags: DNSSEC_OK, options: [] },
    ],
  })
}

/** Reads what came for a question. Never throws, whatever the octets. */
export function readMessage(bytes: Buffer, question: Question): Message {
  if (bytes.length < HEADER_OCTETS || bytes.readUInt16BE(0) !== question.id) return STRAY
  const flags = bytes.readUInt16BE(2)
  if ((flags & FLAG_RESPONSE) === 0 || (flags & OPCODE_MASK) !== 0) return STRAY
  const rcode = flags & 0xf
  const questions = bytes.readUInt16BE(4)
  // A server that could not read the question may send none back; the id has to do.
  if (questions === 0 && rcode !== 0 && rcode !== 3) return bareReply(rcode)
  const frame = new Frame(bytes)
  const questionEnd = questions === 1 ? echoEnd(frame, question) : undefined
  if (questionEnd === undefined) return STRAY
  if ((flags & TRUNCATED_RESPONSE) !== 0) return { kind: 'truncated' }
  const places = recordPlaces(frame, questionEnd)
  if (places === undefined) return { kind: 'malformed', detail: 'records do not fit the message' }
  try {
    return replyOf({ frame, flags, places, question })
  } catch (error) {
    // dns-packet throws for data that it cannot read.
    return { kind: 'malformed', detail: error instanceof Error ? error.message : 'unreadable data' }
  }
}

function bareReply(rcode: number): Message {
  return {
    kind: 'reply',
    rcode,
    authentic: false,
    answers: [],
    odd: false,
    soa: undefined,
    referral: false,
    extendedErrors: [],
  }
}

/** RFC 5452 section 9.1: what comes back must be our question; the offset behind it. */
function echoEnd(frame: Frame, question: Question): number | undefined {
  const { bytes } = frame
  const echoed = nameAt(frame, HEADER_OCTETS)
  if (echoed === undefined || echoed.text !== question.name || echoed.end + 4 > bytes.length) return undefined
  if (bytes.readUInt16BE(echoed.end) !== TYPE_NUMBERS.get(question.type)) return undefined
  return bytes.readUInt16BE(echoed.end + 2) === CLASS_IN ? echoed.end + 4 : undefined
}

interface Framed {
  readonly frame: Frame
  readonly flags: number
  readonly places: readonly Place[]
  readonly question: Question
}

function replyOf(framed: Framed): Message {
  const { frame, flags, places, question } = framed
  const answers: AnswerRecord[] = []
  let odd = false
  for (const place of places) {
    if (place.section !== 'answer' || place.class !== CLASS_IN || place.owner === undefined) continue
    const type = TYPE_NAMES.get(place.type)
    if (type === undefined || (type !== question.type && type !== 'CNAME')) continue
    const data = dataOf(frame, place, type)
    if (data === undefined) odd = true
    else answers.push({ owner: place.owner, type, ttl: place.ttl, data })
  }
  const extra = ednsOf(frame.bytes, places)
  return {
    kind: 'reply',
    rcode: (flags & 0xf) | (extra.rcodeHigh << 4),
    authentic: (flags & AUTHENTIC_DATA) !== 0,
    answers,
    odd,
    soa: authorityOf(frame, places),
    referral: places.some((place) => place.section === 'authority' && place.type === TYPE_NS),
    extendedErrors: extra.errors,
  }
}

function authorityOf(frame: Frame, places: readonly Place[]): Authority | undefined {
  for (const place of places) {
    if (place.section !== 'authority' || place.type !== TYPE_SOA || place.class !== CLASS_IN) continue
    const record = soaOf(frame, place)
    if (place.owner !== undefined && record !== undefined)
      return { owner: place.owner, ttl: place.ttl, record }
  }
  return undefined
}

/** RFC 6891 section 6.1.3 and RFC 8914 section 2. */
function ednsOf(
  bytes: Buffer,
  places: readonly Place[],
): { readonly rcodeHigh: number; readonly errors: number[] } {
  const errors: number[] = []
  const opt = places.find((place) => place.section === 'additional' && place.type === TYPE_OPT)
  if (opt === undefined) return { rcodeHigh: 0, errors }
  const end = opt.dataAt + opt.dataLength
  let at = opt.dataAt
  while (at + 4 <= end && errors.length < EXTENDED_ERRORS_MAX) {
    const length = bytes.readUInt16BE(at + 2)
    if (bytes.readUInt16BE(at) === OPTION_EXTENDED_ERROR && length >= 2 && at + 4 + length <= end) {
      errors.push(bytes.readUInt16BE(at + 4))
    }
    at += 4 + length
  }
  // The upper eight bits stand where other records have the first octet of the TTL.
  return { rcodeHigh: bytes[opt.dataAt - 6] ?? 0, errors }
}

/**
 * The data of one record. undefined: a name in it cannot be written as text. Throws for data that does not fit
 * its own length: then no part of the message is believed.
 */
function dataOf(frame: Frame, place: Place, type: RecordType): RecordData[RecordType] | undefined {
  switch (type) {
    case 'A':
      return decoded(frame, place, a)
    case 'AAAA':
      return addressSpelling(decoded(frame, place, aaaa))
    case 'PTR':
    case 'CNAME':
      return hasPlainName(frame, place, 0) ? decoded(frame, place, ptr).toLowerCase() : undefined
    case 'MX':
      return hasPlainName(frame, place, 2) ? mxOf(decoded(frame, place, mx)) : undefined
    case 'TXT':
      return Buffer.concat(decoded(frame, place, txt)).toString('latin1')
    case 'TLSA':
      return tlsaOf(frame, place)
    case 'SOA':
      return soaOf(frame, place)
  }
}

/** Decodes, and holds what was decoded against the length that the record names. */
function decoded<T>(frame: Frame, place: Place, decoding: Decoding<T>): T {
  const data = decoding.decode(frame.bytes, place.dataAt - 2)
  if (decoding.decode.bytes !== place.dataLength + 2) throw new Error(`${place.dataLength} octets of data`)
  return data
}

/** Whether the name at that offset of the data can be written as text. Throws where it is broken. */
function hasPlainName(frame: Frame, place: Place, offset: number): boolean {
  const name = nameAt(frame, place.dataAt + offset)
  if (name === undefined || name.end > place.dataAt + place.dataLength) throw new Error('a broken name')
  return name.text !== undefined
}

function mxOf(data: { readonly preference: number; readonly exchange: string }): MxRecord {
  return { preference: data.preference, host: data.exchange === '.' ? '' : data.exchange.toLowerCase() }
}

/**
 * RFC 6698 section 2.1: three octets, then the data. Less is broken; with no data it is useless but well-formed.
 * The octets are copied: a slice would keep the whole message in memory for as long as the answer is cached.
 */
function tlsaOf(frame: Frame, place: Place): TlsaRecord {
  if (place.dataLength < 3) throw new Error(`TLSA data of ${place.dataLength} octets`)
  const { usage, selector, matchingType, certificate } = decoded(frame, place, tlsa)
  return { usage, selector, matchingType, data: Uint8Array.from(certificate) }
}

function soaOf(frame: Frame, place: Place): SoaRecord | undefined {
  const primary = nameAt(frame, place.dataAt)
  const mailbox = primary === undefined ? undefined : nameAt(frame, primary.end)
  if (mailbox === undefined) throw new Error('a broken name')
  if (primary?.text === undefined) return undefined
  const data = decoded(frame, place, soa)
  return { primary: primary.text, serial: data.serial, minimumSeconds: data.minimum }
}
