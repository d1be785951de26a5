import type { Content } from './body.ts'

/** Octets of a header section that are read for a field: Postfix's header_size_limit. */
const HEADER_BYTES_MAX = 102_400

/** The header section of a message as one text, octets as Latin-1, at most HEADER_BYTES_MAX of it. */
async function readHeader({ prefix, body }: Content): Promise<string> {
  let text = prefix
  for await (const block of body.blocks()) {
    text += Buffer.from(block.buffer, block.byteOffset, block.byteLength).toString('latin1')
    if (/\r?\n\r?\n/.test(text) || text.length > HEADER_BYTES_MAX) break
  }
  return (text.split(/\r?\n\r?\n/, 1)[0] ?? '').slice(0, HEADER_BYTES_MAX)
}

/**
 * Whether the sender has said that TLS matters less than delivery: `TLS-Required: No`, once, and nothing else (RFC
 * 8689 section 5). A message that cannot be read has said nothing; whoever sends it finds out what is wrong with it.
 */
export async function readTlsRequired(content: Content): Promise<{ readonly optional: boolean }> {
  let header
  try {
    header = await readHeader(content)
  } catch {
    // The store has noted what is wrong with the body.
    return { optional: false }
  }
  const values = [...header.matchAll(/^TLS-Required[ \t]*:((?:[^\r\n]|\r?\n[ \t])*)/gim)].map((match) =>
    (match[1] ?? '').trim().toLowerCase(),
  )
  return { optional: values.length === 1 && values[0] === 'no' }
}
