import type { DsnOriginal } from '#src/mail/dsn.ts'
import type { BodySource } from '#src/queue/ports.ts'

/** A message as it is returned: what we put on top, and what came in. */
export interface OriginalSource {
  readonly prefix: string
  readonly body: BodySource
}

/**
 * What of the original goes back: all of it where that is wanted and it is short, else its header. `sizeLimit` is
 * bounce_size_limit, octets.
 */
export async function readOriginal(
  { prefix, body }: OriginalSource,
  wanted: DsnOriginal['kind'],
  sizeLimit: number,
): Promise<DsnOriginal> {
  const top = Buffer.from(prefix)
  if (wanted === 'message' && top.length + body.length < sizeLimit) {
    const blocks: Uint8Array[] = [top]
    for await (const block of body.blocks()) blocks.push(Buffer.from(block))
    return { kind: 'message', bytes: Buffer.concat(blocks) }
  }
  return { kind: 'headers', bytes: await readHeader(top, body, sizeLimit) }
}

const HEADER_END = Buffer.from('\r\n\r\n')

/** The header section without its empty line, at most `sizeLimit` octets, cut behind a line. */
async function readHeader(prefix: Buffer, body: BodySource, sizeLimit: number): Promise<Buffer> {
  let bytes = prefix
  for await (const block of body.blocks()) {
    if (bytes.length >= sizeLimit || bytes.includes(HEADER_END)) break
    bytes = Buffer.concat([bytes, block.subarray(0, sizeLimit)])
  }
  // A body that starts with an empty line has no header of its own, and ours above it has none to end it.
  const end = bytes.indexOf(HEADER_END)
  if (end >= 0 && end + 2 <= sizeLimit) return bytes.subarray(0, end + 2)
  const cut = bytes.lastIndexOf('\r\n', sizeLimit - 2)
  return bytes.subarray(0, cut < 0 ? 0 : cut + 2)
}
