/** One part of a multipart message. */
export interface Part {
  readonly fields: ReadonlyMap<string, string>
  readonly content: string
}

export interface Report {
  readonly fields: ReadonlyMap<string, string>
  readonly parts: readonly Part[]
  /** Groups of a delivery-status part: the message's, then one for each recipient. */
  readonly status: readonly ReadonlyMap<string, string>[]
}

/**
 * Reads a multipart/report strictly: CRLF alone ends lines, none longer than 998 octets, every header line is a
 * field or continues one, no field twice, each boundary at its place and nowhere else. Throws at the first thing that is wrong.
 */
export function readReport(bytes: Uint8Array): Report {
  const text = Buffer.from(bytes).toString('utf8')
  if (/\r(?!\n)|(?<!\r)\n/.test(text)) throw new Error('a bare CR or LF')
  if (!text.endsWith('\r\n')) throw new Error('the last line does not end')
  for (const line of text.split('\r\n'))
    if (Buffer.byteLength(line) > 998) throw new Error('a line of more than 998 octets')
  const { fields, content } = split(text)
  const boundary = /^multipart\/report; report-type=delivery-status; boundary="([^"]+)"$/.exec(
    fields.get('content-type') ?? '',
  )?.[1]
  if (boundary === undefined) throw new Error(`no multipart/report: ${fields.get('content-type') ?? ''}`)
  const pieces = `\r\n${content}`.split(`\r\n--${boundary}`)
  if (pieces.at(-1) !== '--\r\n') throw new Error('no closing boundary, or something behind it')
  const parts = pieces.slice(1, -1).map((piece) => {
    if (!piece.startsWith('\r\n')) throw new Error('a boundary line goes on')
    return split(piece.slice(2))
  })
  if (parts.length !== 3) throw new Error(`${parts.length} parts`)
  const groups = (parts[1]?.content ?? '').replace(/\r\n$/, '').split('\r\n\r\n')
  return { fields, parts, status: groups.map((group) => header(group)) }
}

function split(text: string): Part {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) throw new Error('no empty line behind a header')
  return { fields: header(text.slice(0, end)), content: text.slice(end + 4) }
}

function header(text: string): Map<string, string> {
  const fields = new Map<string, string>()
  for (const line of text.replaceAll(/\r\n[ \t]+(?=\S)/g, ' ').split('\r\n')) {
    const [, name, value] = /^([!-9;-~]+): (.*)$/.exec(line) ?? []
    if (name === undefined || value === undefined) throw new Error(`no header field: ${JSON.stringify(line)}`)
    if (fields.has(name.toLowerCase())) throw new Error(`${name} twice`)
    fields.set(name.toLowerCase(), value)
  }
  return fields
}
