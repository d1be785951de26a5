/**
 * Writing DER (ITU-T X.690), as much as a certificate needs. Nothing is read here: certificates of others are read
 * by OpenSSL in node:crypto.
 */

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  utcTime: 0x17,
  time: 0x18,
  sequence: 0x30,
  set: 0x31,
}

function tagged(tag: number, content: Uint8Array): Buffer {
  const length = content.length
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content])
  const digits = Buffer.from(length.toString(16).padStart(length > 0xff ? 4 : 2, '0'), 'hex')
  return Buffer.concat([Buffer.of(tag, 0x80 | digits.length), digits, content])
}

export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return tagged(TAG.sequence, Buffer.concat(parts))
}

export function set(...parts: readonly Uint8Array[]): Buffer {
  return tagged(TAG.set, Buffer.concat(parts))
}

/** A non-negative number given by its bytes, the highest first. */
export function integer(bytes: Uint8Array): Buffer {
  const positive = ((bytes[0] ?? 0) & 0x80) === 0
  return tagged(TAG.integer, positive ? bytes : Buffer.concat([Buffer.of(0), bytes]))
}

export function boolean(value: boolean): Buffer {
  return tagged(TAG.boolean, Buffer.of(value ? 0xff : 0))
}

/** `unused`: how many of the last bits do not count. */
export function bitString(bytes: Uint8Array, unused = 0): Buffer {
  return tagged(TAG.bits, Buffer.concat([Buffer.of(unused), bytes]))
}

export function octetString(bytes: Uint8Array): Buffer {
  return tagged(TAG.octets, bytes)
}

export function utf8String(text: string): Buffer {
  return tagged(TAG.utf8, Buffer.from(text, 'utf8'))
}

/** An object identifier from its dotted form. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return tagged(TAG.oid, Buffer.from([40 * first + second, ...rest.flatMap(base128)]))
}

function base128(value: number): number[] {
  const bytes = [value & 0x7f]
  for (let left = value >>> 7; left > 0; left >>>= 7) bytes.unshift(0x80 | (left & 0x7f))
  return bytes
}

/** RFC 5280 section 4.1.2.5: UTCTime until 2049, GeneralizedTime from then on. */
export function time(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/[-:T]|\.\d+/g, '')
  return date.getUTCFullYear() < 2050
    ? tagged(TAG.utcTime, Buffer.from(digits.slice(2)))
    : tagged(TAG.time, Buffer.from(digits))
}

/** A context-specific tag: `[n]` of ASN.1, with what is inside written out (explicit) or in place of it (implicit). */
export function context(n: number, content: Uint8Array, form: 'explicit' | 'implicit'): Buffer {
  return tagged((form === 'explicit' ? 0xa0 : 0x80) | n, content)
}
