/** RFC 3461 section 4: "+" and two hexadecimal digits stand for one character. */
const ESCAPE = /\+([0-9A-Fa-f]{2})/g
const MALFORMED = /\+(?![0-9A-Fa-f]{2})/
const PRINTABLE = /^[ -~]*$/
/** RFC 6533 section 3: the escapes of utf-8-addr-xtext. */
const UNICODE_ESCAPE = /\\x\{([0-9A-Fa-f]{2,6})\}/g

/**
 * The text that xtext stands for; undefined where it is malformed, or would hold a control character: such text
 * ends in notices and logs, and `+0D+0A` must not make a line there.
 */
export function decodeXtext(xtext: string): string | undefined {
  if (MALFORMED.test(xtext)) return undefined
  const text = xtext.replaceAll(ESCAPE, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return PRINTABLE.test(text) ? text : undefined
}

/** Text in xtext; only for printable ASCII. */
export function encodeXtext(text: string): string {
  return text.replaceAll(
    /[^!-*,-<>-~]/g,
    (char) => `+${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
}

/** The address that an ORCPT of type utf-8 stands for; undefined as in `decodeXtext`. */
export function decodeUnicodeXtext(text: string): string | undefined {
  // A backslash that begins no escape is malformed, and would change its meaning at the next reader.
  let valid = !text.replaceAll(UNICODE_ESCAPE, '').includes('\\')
  const plain = text.replaceAll(UNICODE_ESCAPE, (_, hex: string) => {
    const code = Number.parseInt(hex, 16)
    valid &&= code <= 0x10_ff_ff && (code < 0xd8_00 || code > 0xdf_ff)
    return valid ? String.fromCodePoint(code) : ''
  })
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return !valid || /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(plain) ? undefined : plain
}
