/** A blocked extension that was found: the name's reading, and the extension as it is written there. */
export interface BlockedName {
  readonly name: string
  readonly extension: string
}

// What a file system, a mail program or a person does not see: control and format characters (soft hyphen, zero-width
// characters, direction marks), halves of characters, and what stands for bytes that could not be read.
const INVISIBLE = /(?!\0)[\p{Cc}\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}\ufffd]/gu
// Junk behind the extension that no program takes for a part of it: Windows drops dots and blanks, the rest is quotes
// and separators that a careless parser left there.
const JUNK = /[\s\p{Cc}\p{Z}."'`´‘’“”«»;:,/\\|<>?*]/u

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
  let end = name.length
  // From the end, and not by a pattern: that would take n² steps for n dots which do not stand at the end.
  while (end > 0 && JUNK.test(name.charAt(end - 1))) end -= 1
  const dot = name.lastIndexOf('.', end - 1)
  // Zimbra's own pattern wants a character before the dot; a file that is called ".exe" runs all the same.
  return end === 0 || dot < 0 ? undefined : name.slice(dot + 1, end)
}
