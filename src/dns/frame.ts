import type { Buffer } from 'node:buffer'
import { name as packetName } from 'dns-packet'

/**
 * Where each record of a message lies. dns-packet decodes what is asked for, but trusts lengths that the sender
 * wrote; so the frame is walked here first, and nothing is decoded that does not lie wholly inside of it.
 */
export interface Place {
  readonly section: 'answer' | 'authority' | 'additional'
  /** Owner in lower case without the last dot, '.' for the root; undefined where it holds odd octets. */
  readonly owner: string | undefined
  readonly type: number
  readonly class: number
  readonly ttl: number
  /** Where the record begins, its owner name first. */
  readonly at: number
  readonly dataAt: number
  readonly dataLength: number
}

/** RFC 1035 section 4.1.1. */
export const HEADER_OCTETS = 12
/** Records in one message; an answer with more is refused whole. A crowded one has some dozens. */
const RECORDS_MAX = 1000
/** Pointers in one name (RFC 1035 section 4.1.4): each useful one leads to a label, and a name has 127 at most. */
const POINTERS_MAX = 127
/** RFC 1035 section 2.3.4: 255 with the last, empty label. */
const NAME_OCTETS_MAX = 254
const LABEL_OCTETS_MAX = 63

/**
 * Labels and pointers that are read for all names of one message. An answer of a hundred records takes some hundred;
 * with pointers 64 KiB can be made to hold a hundred thousand and more, which would take a tenth of a second.
 */
const NAME_STEPS_MAX = 20_000

/** The message, and how much of it was read. */
export class Frame {
  readonly bytes: Buffer
  #stepsLeft = NAME_STEPS_MAX

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  /** One label or pointer more; false where there were too many. */
  step(): boolean {
    this.#stepsLeft -= 1
    return this.#stepsLeft >= 0
  }
}

/** A name where it stands: `end` is the offset behind it. */
export interface NameAt {
  readonly text: string | undefined
  readonly end: number
}

/** Finds every record; undefined where the message is not what its own counts and lengths say. */
export function recordPlaces(frame: Frame, questionEnd: number): readonly Place[] | undefined {
  const { bytes } = frame
  const counts = [bytes.readUInt16BE(6), bytes.readUInt16BE(8), bytes.readUInt16BE(10)] as const
  const total = counts[0] + counts[1] + counts[2]
  if (total > RECORDS_MAX) return undefined
  const places: Place[] = []
  let at = questionEnd
  for (let n = 0; n < total; n++) {
    const section = n < counts[0] ? 'answer' : n < counts[0] + counts[1] ? 'authority' : 'additional'
    const place = recordAt(frame, at, section)
    if (place === undefined) return undefined
    places.push(place)
    at = place.dataAt + place.dataLength
  }
  return places
}

/** RFC 1035 section 4.1.3: owner, type, class, TTL, length of data, data. */
function recordAt(frame: Frame, at: number, section: Place['section']): Place | undefined {
  const { bytes } = frame
  const owner = nameAt(frame, at)
  if (owner === undefined || owner.end + 10 > bytes.length) return undefined
  const dataLength = bytes.readUInt16BE(owner.end + 8)
  const dataAt = owner.end + 10
  if (dataAt + dataLength > bytes.length) return undefined
  const ttl = bytes.readUInt32BE(owner.end + 4)
  return {
    section,
    owner: owner.text,
    type: bytes.readUInt16BE(owner.end),
    class: bytes.readUInt16BE(owner.end + 2),
    // RFC 2181 section 8: with the highest bit set it counts as 0.
    ttl: ttl > 0x7fff_ffff ? 0 : ttl,
    at,
    dataAt,
    dataLength,
  }
}

/**
 * Reads a name. undefined: it runs out of the message, or its pointers lead on, ahead or astray. `text` is
 * undefined for a name that is sound but whose labels hold a dot, a backslash or anything that is not printable
 * ASCII: as text it could be taken for another name.
 */
export function nameAt(frame: Frame, at: number): NameAt | undefined {
  const shape = nameShape(frame, at)
  if (shape === undefined) return undefined
  return { text: shape.plain ? packetName.decode(frame.bytes, at).toLowerCase() : undefined, end: shape.end }
}

function nameShape(
  frame: Frame,
  from: number,
): { readonly end: number; readonly plain: boolean } | undefined {
  const { bytes } = frame
  let at = from
  let lowest = from
  let end: number | undefined
  let octets = 0
  let pointers = 0
  let plain = true
  for (;;) {
    const length = bytes[at]
    if (length === undefined || !frame.step()) return undefined
    if (length === 0) return { end: end ?? at + 1, plain }
    if (length >= 0xc0) {
      const target = pointerAt(bytes, at)
      pointers += 1
      // Only ever backwards: so a circle cannot be.
      if (target === undefined || target >= lowest || pointers > POINTERS_MAX) return undefined
      end ??= at + 2
      at = target
      lowest = target
      continue
    }
    octets += length + 1
    if (length > LABEL_OCTETS_MAX || octets > NAME_OCTETS_MAX || at + length >= bytes.length) return undefined
    plain &&= isPlainLabel(bytes, at + 1, at + 1 + length)
    at += length + 1
  }
}

function pointerAt(bytes: Buffer, at: number): number | undefined {
  return at + 2 > bytes.length ? undefined : bytes.readUInt16BE(at) & 0x3fff
}

function isPlainLabel(bytes: Buffer, from: number, end: number): boolean {
  for (let i = from; i < end; i++) {
    const octet = bytes[i] ?? 0
    // '"', '.' and '\' are what a text form would have to escape (RFC 1035 section 5.1).
    if (octet <= 0x20 || octet >= 0x7f || octet === 0x22 || octet === 0x2e || octet === 0x5c) return false
  }
  return true
}
