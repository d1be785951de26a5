/**
 * The addresses of a header field's value (RFC 5322 section 3.4): of `Ann <a@b>, "C, D" <c@d> (home), group: e@f;`
 * those of a@b, c@d and e@f. What is no address is left out.
 */
export function headerAddresses(value: string): string[] {
  const addresses: string[] = []
  let bare = ''
  let angle: string | undefined
  const end = (): void => {
    const address = (angle ?? bare).trim()
    if (address !== '' && !/\s/.test(address.replaceAll(/"(?:[^"\\]|\\.)*"/g, 'x'))) addresses.push(address)
    bare = ''
    angle = undefined
  }
  for (const token of tokens(value)) {
    if (token === ',' || token === ';') end()
    else if (token === ':') bare = ''
    else if (token.startsWith('<')) angle = token.slice(1, token.endsWith('>') ? -1 : undefined)
    else bare += token
  }
  end()
  return addresses
}

/** Separators, `<…>`, and everything else as it stands; comments, which nest, become nothing. */
function* tokens(value: string): Generator<string> {
  for (let at = 0; at < value.length;) {
    const char = value.charAt(at)
    let stop = at + 1
    if (char === '"') stop = afterQuoted(value, at)
    else if (char === '(') stop = afterComment(value, at)
    else if (char === '<') stop = afterAngle(value, at)
    if (char !== '(') yield value.slice(at, stop)
    at = stop
  }
}

function afterQuoted(value: string, from: number): number {
  for (let at = from + 1; at < value.length; at++) {
    if (value.charAt(at) === '\\') at++
    else if (value.charAt(at) === '"') return at + 1
  }
  return value.length
}

function afterComment(value: string, from: number): number {
  let depth = 0
  for (let at = from; at < value.length; at++) {
    const char = value.charAt(at)
    if (char === '\\') at++
    else if (char === '(') depth++
    else if (char === ')' && --depth === 0) return at + 1
  }
  return value.length
}

function afterAngle(value: string, from: number): number {
  for (let at = from + 1; at < value.length;) {
    const char = value.charAt(at)
    if (char === '"') at = afterQuoted(value, at)
    else if (char === '>') return at + 1
    else at++
  }
  return value.length
}
