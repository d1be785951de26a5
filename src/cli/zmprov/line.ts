/** Characters of one command; a value of an attribute may have a million. */
export const LINE_CHARS_MAX = 4 * 1024 * 1024

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' }

/**
 * The words of one line of a batch, as Zimbra's zmprov reads them: quotes of both kinds round a word, `\n`, `\t`,
 * `\r`, and a backslash before anything else, also inside quotes. A quote inside a word that began without is a
 * letter. A line that begins with # is a comment: it has no words.
 */
export function parseLine(line: string): readonly string[] {
  if (line.trimStart().startsWith('#')) return []
  const words: string[] = []
  let at = 0
  while (at < line.length) {
    if (/\s/.test(line.charAt(at))) {
      at += 1
      continue
    }
    const quote = line.charAt(at)
    const isQuoted = quote === "'" || quote === '"'
    const { word, end } = readWord(line, isQuoted ? at + 1 : at, isQuoted ? quote : '')
    words.push(word)
    at = end
  }
  return words
}

/** `quote`: what ends the word; '' for white space. */
function readWord(
  line: string,
  from: number,
  quote: string,
): { readonly word: string; readonly end: number } {
  let word = ''
  for (let at = from; at < line.length; at += 1) {
    const char = line.charAt(at)
    if (char === '\\' && at + 1 < line.length) {
      at += 1
      const escaped = line.charAt(at)
      word += ESCAPES[escaped] ?? escaped
    } else if (quote === '' ? /\s/.test(char) : char === quote) {
      return { word, end: at + 1 }
    } else {
      word += char
    }
  }
  return { word, end: line.length }
}
