/**
 * Values as SNMP has them (RFC 2578 section 7). Whatever number or text comes in, what comes out can be sent: this is the
 * one place where that is made sure of.
 */
export type Value =
  | { readonly kind: 'integer' | 'counter32' | 'gauge32' | 'ticks'; readonly value: number }
  | { readonly kind: 'counter64'; readonly value: bigint }
  | { readonly kind: 'text' | 'oid'; readonly value: string }

const INTEGER_MAX = 2_147_483_647
const UNSIGNED_MAX = 4_294_967_295
const UNSIGNED_COUNT = 4_294_967_296
/** SnmpAdminString of RFC 3411. */
const TEXT_CHARS_MAX = 255
/** RFC 2578 section 7.1.3. */
const OID_PARTS_MAX = 128

/** INTEGER, from -2^31 to 2^31-1. */
export function integer(n: number): Value {
  return { kind: 'integer', value: Math.max(-INTEGER_MAX - 1, Math.min(INTEGER_MAX, whole(n))) }
}

/** A gauge that would be larger stays at its largest value (section 7.1.7). */
export function gauge32(n: number): Value {
  return { kind: 'gauge32', value: Math.max(0, Math.min(UNSIGNED_MAX, whole(n))) }
}

/** A counter goes on at 0 (section 7.1.6). */
export function counter32(n: number): Value {
  return { kind: 'counter32', value: Math.max(0, whole(n)) % UNSIGNED_COUNT }
}

export function counter64(n: number): Value {
  return { kind: 'counter64', value: BigInt.asUintN(64, BigInt(Math.max(0, whole(n)))) }
}

/** TimeTicks: hundredths of a second; it goes on at 0 after 497 days (section 7.1.8). */
export function ticks(seconds: number): Value {
  return { kind: 'ticks', value: Math.max(0, whole(seconds * 100)) % UNSIGNED_COUNT }
}

/** TimeInterval of RFC 2579: hundredths of a second, 248 days at most. */
export function interval(seconds: number): Value {
  return integer(Math.max(0, seconds * 100))
}

/** TruthValue of RFC 2579. */
export function truth(is: boolean): Value {
  return integer(is ? 1 : 2)
}

/** One line of ASCII: every monitor can show it, and the package writes the length of a text in characters. */
export function text(given: string): Value {
  return {
    kind: 'text',
    value: given
      .slice(0, TEXT_CHARS_MAX)
      .replaceAll(/\s/gu, ' ')
      .replaceAll(/[^\x20-\x7e]/gu, '?'),
  }
}

/** An OBJECT IDENTIFIER; 0.0 for what is none. */
export function oid(parts: readonly number[]): Value {
  const isOid =
    parts.length >= 2 &&
    parts.length <= OID_PARTS_MAX &&
    parts.every((part) => Number.isInteger(part) && part >= 0 && part <= UNSIGNED_MAX)
  return { kind: 'oid', value: isOid ? parts.join('.') : '0.0' }
}

function whole(n: number): number {
  if (Number.isNaN(n)) return 0
  return Number.isFinite(n) ? Math.trunc(n) : Math.sign(n) * Number.MAX_SAFE_INTEGER
}
