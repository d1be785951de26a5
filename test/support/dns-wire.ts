/**
 * DNS messages octet by octet, so that a test can say every lie that a server could. Written apart from what it
 * tests: nothing of src/dns is used here.
 */

export type WireType = 'A' | 'NS' | 'CNAME' | 'SOA' | 'PTR' | 'MX' | 'TXT' | 'AAAA' | 'OPT' | 'TLSA'

const TYPES: ReadonlyMap<WireType, number> = new Map([
  ['A', 1],
  ['NS', 2],
  ['CNAME', 5],
  ['SOA', 6],
  ['PTR', 12],
  ['MX', 15],
  ['TXT', 16],
  ['AAAA', 28],
  ['OPT', 41],
  ['TLSA', 52],
])

export const RCODES = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const

export interface WireRecord {
  readonly name: string
  readonly type: WireType | number
  readonly ttl?: number
  readonly class?: number
  readonly data: Buffer
}

export interface WireQuestion {
  readonly name: string
  readonly type: WireType | number
  readonly class?: number
}

export interface WireMessage {
  readonly id: number
  readonly question?: WireQuestion
  readonly answers?: readonly WireRecord[]
  readonly authorities?: readonly WireRecord[]
  readonly additionals?: readonly WireRecord[]
  readonly rcode?: number
  readonly authentic?: boolean
  readonly truncated?: boolean
  /** Default true. */
  readonly response?: boolean
}

export function wireName(name: string): Buffer {
  const labels = name === '.' || name === '' ? [] : name.replace(/\.$/, '').split('.')
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([octet(label.length), Buffer.from(label, 'latin1')])),
    octet(0),
  ])
}

export function wireMessage(message: WireMessage): Buffer {
  const { answers = [], authorities = [], additionals = [], question } = message
  const flags =
    ((message.response ?? true) ? 0x8000 : 0) |
    (message.truncated === true ? 0x0200 : 0) |
    0x0180 |
    (message.authentic === true ? 0x0020 : 0) |
    (message.rcode ?? 0)
  return Buffer.concat([
    words(
      message.id,
      flags,
      question === undefined ? 0 : 1,
      answers.length,
      authorities.length,
      additionals.length,
    ),
    ...(question === undefined ? [] : [wireQuestion(question)]),
    ...[...answers, ...authorities, ...additionals].map(wireRecord),
  ])
}

export function wireRecord(record: WireRecord): Buffer {
  const ttl = Buffer.alloc(4)
  ttl.writeUInt32BE(record.ttl ?? 300)
  return Buffer.concat([
    wireName(record.name),
    words(typeNumber(record.type), record.class ?? 1),
    ttl,
    words(record.data.length),
    record.data,
  ])
}

/** Reads id and question of a query. */
export function readQuery(bytes: Buffer): {
  readonly id: number
  readonly name: string
  readonly type: number
} {
  const labels: string[] = []
  let at = 12
  for (let length = bytes[at] ?? 0; length > 0; length = bytes[at] ?? 0) {
    labels.push(bytes.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { id: bytes.readUInt16BE(0), name: labels.join('.') || '.', type: bytes.readUInt16BE(at + 1) }
}

export function typeNumber(type: WireType | number): number {
  return typeof type === 'number' ? type : (TYPES.get(type) ?? 0)
}

export function wireType(text: string): WireType | undefined {
  return TYPES.keys().find((name) => name === text)
}

export function typeName(number: number): WireType | undefined {
  return TYPES.entries().find(([, value]) => value === number)?.[0]
}

/** The data of a record in the words of a zone file. */
export function wireData(type: WireType, text: string): Buffer {
  const fields = text.split(/\s+/)
  switch (type) {
    case 'A':
      return Buffer.from(text.split('.').map(Number))
    case 'AAAA':
      return ipv6(text)
    case 'NS':
    case 'CNAME':
    case 'PTR':
      return wireName(text)
    case 'MX':
      return Buffer.concat([words(Number(fields[0])), wireName(fields[1] ?? '.')])
    case 'TXT':
      return txt(text.replace(/^"|"$/g, ''))
    case 'TLSA':
      return Buffer.concat([Buffer.from(fields.slice(0, 3).map(Number)), Buffer.from(fields[3] ?? '', 'hex')])
    case 'SOA': {
      const numbers = Buffer.alloc(20)
      fields.slice(2).forEach((field, i) => numbers.writeUInt32BE(Number(field), 4 * i))
      return Buffer.concat([wireName(fields[0] ?? '.'), wireName(fields[1] ?? '.'), numbers])
    }
    case 'OPT':
      return Buffer.from(text, 'hex')
  }
}

export function txt(text: string): Buffer {
  const pieces: Buffer[] = []
  for (let at = 0; at < text.length || at === 0; at += 255) {
    const piece = Buffer.from(text.slice(at, at + 255), 'latin1')
    pieces.push(octet(piece.length), piece)
  }
  return Buffer.concat(pieces)
}

/** An OPT record with extended errors (RFC 8914) in it. */
export function optWithErrors(...codes: readonly number[]): WireRecord {
  return {
    name: '.',
    type: 'OPT',
    class: 1232,
    ttl: 0,
    data: Buffer.concat(codes.map((code) => words(15, 2, code))),
  }
}

export function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(2 * values.length)
  values.forEach((value, i) => bytes.writeUInt16BE(value, 2 * i))
  return bytes
}

function octet(value: number): Buffer {
  return Buffer.from([value])
}

function wireQuestion(question: WireQuestion): Buffer {
  return Buffer.concat([wireName(question.name), words(typeNumber(question.type), question.class ?? 1)])
}

function ipv6(text: string): Buffer {
  const [head = '', tail] = text.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const middle = tail === undefined ? [] : Array.from({ length: 8 - left.length - right.length }, () => '0')
  return words(...[...left, ...middle, ...right].map((group) => Number.parseInt(group, 16)))
}
