/** One attribute and value of a relative distinguished name: `uid=alice`. */
export interface NamePart {
  readonly name: string
  /** The meaning, without escapes. */
  readonly value: string
}

/** A relative distinguished name: nearly always one part; `a=1+b=2` has two. */
export type Rdn = readonly NamePart[]

/** RFC 4514 has no limit; no directory nests half as deep. */
const RDNS_MAX = 100
/** Characters of a whole name. */
const DN_CHARS_MAX = 8192

/** What must be escaped inside a value (RFC 4514 section 2.4), `=` too, which may be. */
const SPECIAL = /["+,;<=>\\]/g
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u001f\u007f]/g

/** A value as it stands in a distinguished name: whatever it holds, it stays one value (RFC 4514 section 2.4). */
export function escapeDnValue(value: string): string {
  return value
    .replaceAll(SPECIAL, String.raw`\$&`)
    .replaceAll(CONTROL, (char) => `\\${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
    .replace(/^[ #]/, String.raw`\$&`)
    .replace(/(?<!\\) $/, String.raw`\ `)
}

/** `childDn('uid', 'a,b', 'ou=people,dc=x')` is `uid=a\,b,ou=people,dc=x`; the base is taken as it is. */
export function childDn(name: string, value: string, base: string): string {
  return `${name}=${escapeDnValue(value)}${base === '' ? '' : `,${base}`}`
}

/** A distinguished name in its parts, the entry itself first; undefined where it is none. '' has no parts. */
export function parseDn(text: string): readonly Rdn[] | undefined {
  if (text.length > DN_CHARS_MAX) return undefined
  // The blanks that mean nothing are U+0020 (RFC 4514 section 4); any other is part of a value.
  if (/^ *$/.test(text)) return []
  const rdns: NamePart[][] = [[]]
  let rest = text
  while (rdns.length <= RDNS_MAX) {
    const head = /^ *([A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*) *= */.exec(rest)
    if (head === null) return undefined
    const value = readValue(rest.slice(head[0].length))
    if (value === undefined) return undefined
    rdns.at(-1)?.push({ name: head[1] ?? '', value: value.text })
    rest = value.rest
    if (rest === '') return rdns
    if (!rest.startsWith('+')) rdns.push([])
    rest = rest.slice(1)
  }
  return undefined
}

/** The value that a text begins with, and what follows: '' or a text that begins with its separator. */
function readValue(text: string): { readonly text: string; readonly rest: string } | undefined {
  const bytes: Buffer[] = []
  let at = 0
  /** How much of the value a blank at its end may not be taken from: an escaped one counts. */
  let firm = 0
  let length = 0
  for (; at < text.length; at += 1) {
    const char = text.charAt(at)
    if (',;+'.includes(char)) break
    if ('"<>'.includes(char)) return undefined
    let octets = Buffer.from(char)
    if (char === '\\') {
      const escaped = /^(?:[0-9a-fA-F]{2}|[ "#+,;<=>\\])/.exec(text.slice(at + 1, at + 3))?.[0]
      if (escaped === undefined) return undefined
      octets = escaped.length === 2 ? Buffer.from(escaped, 'hex') : Buffer.from(escaped)
      at += escaped.length
    } else if (char.charCodeAt(0) >= 0xd800 && char.charCodeAt(0) < 0xdc00) {
      // Both halves of a character beyond the basic plane at once: one alone has no UTF-8.
      octets = Buffer.from(text.slice(at, at + 2))
      at += 1
    }
    bytes.push(octets)
    length += octets.length
    if (char !== ' ') firm = length
  }
  return { text: Buffer.concat(bytes).subarray(0, firm).toString('utf8'), rest: text.slice(at) }
}

/** A name from its parts. */
export function formatDn(rdns: readonly Rdn[]): string {
  return rdns
    .map((rdn) => rdn.map(({ name, value }) => `${name}=${escapeDnValue(value)}`).join('+'))
    .join(',')
}

/** The name above; '' for a name of one part and for ''. undefined where `dn` is no name. */
export function parentDn(dn: string): string | undefined {
  const rdns = parseDn(dn)
  return rdns === undefined ? undefined : formatDn(rdns.slice(1))
}
