/** A blocked extension that was found: the name's reading, and the extension as it is written there. */
export interface BlockedName {
  readonly name: string
  readonly extension: string
}

// What a file system, a mail program or a person does not see. Format characters (soft hyphen, zero-width
// characters, direction marks) may stand anywhere in a name; Windows drops dots and blanks from its end.
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const INVISIBLE =
  /[\u0001-\u001f\u007f-\u009f\u00ad\u034f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffd]|\p{Cs}|\u{e0000}[\u{e0001}-\u{e007f}]?/gu
// Junk behind the extension that no program takes for a part of it: dots, blanks of any script, quotes, separators.
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const TRAILING = /[\s\u0000-\u0020\u0085\u00a0."'`´‘’“”«»;:,/\\|<>?*]+$/u

/**
 * The first blocked extension in any of the names; undefined if there is none. `blocked` is in lower case and
 * without dots.
 */
export function blockedName(names: readonly string[], blocked: ReadonlySet<string>): BlockedName | undefined {
  for (const name of names) {
    const extension = blockedExtension(name, blocked)
    if (extension !== undefined) return { name, extension }
  }
  return undefined
}

function blockedExtension(name: string, blocked: ReadonlySet<string>): string | undefined {
  // The common case first: nothing but printable ASCII, and a plain end.
  const plain = ending(name)
  if (plain !== undefined && blocked.has(plain.toLowerCase())) return plain
  for (const reading of readings(name)) {
    const found = ending(reading)
    if (found !== undefined && blocked.has(found.toLowerCase())) return found
  }
  return undefined
}

/** What a program may make of a name: cut at NUL or at the colon of an NTFS stream, folded to its base letters. */
function* readings(name: string): Generator<string> {
  // U+FF0E and its like become full stops here.
  const folded = name.normalize('NFKC').replaceAll(INVISIBLE, '')
  yield folded
  yield folded.replaceAll('\0', '')
  for (const cut of ['\0', ':', ';']) {
    const at = folded.indexOf(cut)
    if (at > 0) yield folded.slice(0, at)
  }
}

/** What stands behind the last dot, once the junk at the end is off. */
function ending(name: string): string | undefined {
  const end = /[A-Za-z0-9]$/.test(name) ? name : name.replace(TRAILING, '')
  const dot = end.lastIndexOf('.')
  // Zimbra's own pattern wants a character before the dot; a file that is called ".exe" runs all the same.
  return dot < 0 || dot === end.length - 1 ? undefined : end.slice(dot + 1)
}
