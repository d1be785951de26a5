import { MessageScanner } from '#src/match/scanner.ts'
import { SignatureSet } from '#src/match/signatures.ts'
import type { ScanLimits, ScanReport, SignatureSource } from '#src/match/types.ts'

export const LIMITS: ScanLimits = { depthMax: 20, partsMax: 1000, headerBytesMax: 102_400 }

/** The test string of eicar.org, put together here so that virus scanners leave this file alone. */
export const EICAR = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$', 'EICAR-STANDARD-ANTIVIRUS', '-TEST-FILE!$H+H*'].join(
  '',
)

export const EICAR_NAME = 'Eicar-Test-Signature'

/** Numbers in [0, 1) that are the same in each run (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** Lines of an .ndb file: random octets, every third with a gap. */
export function generateNdb(count: number, random: () => number): Uint8Array {
  const hex = (bytes: number): string => {
    let out = ''
    for (let i = 0; i < bytes; i++)
      out += Math.floor(random() * 256)
        .toString(16)
        .padStart(2, '0')
    return out
  }
  let text = ''
  for (let i = 0; i < count; i++) {
    text += `Bench.${i}:0:*:${hex(20)}${i % 3 === 0 ? '{-20}' : ''}${hex(12)}\n`
  }
  return Buffer.from(text)
}

export function ndb(...lines: readonly string[]): SignatureSource {
  return { name: 'test.ndb', kind: 'ndb', text: Buffer.from(`${lines.join('\n')}\n`) }
}

export interface Scanned {
  readonly report: ScanReport
  /** What is stored and delivered. */
  readonly output: Buffer
  readonly consumed: number
  readonly ended: boolean
}

export interface ScanOptions {
  readonly framing?: 'data' | 'bdat'
  /** Lengths of the pieces that the message arrives in, used in turn; the whole at once by default. */
  readonly cuts?: readonly number[]
  /** The same for the second look. */
  readonly recheckCuts?: readonly number[]
}

/** Scans a message, with the second look where it is wanted. */
export function scanWith(scanner: MessageScanner, message: Uint8Array, options: ScanOptions = {}): Scanned {
  scanner.begin(options.framing ?? 'data')
  const pieces: Buffer[] = []
  let consumed = 0
  for (const [start, end] of ranges(message.length, options.cuts)) {
    if (scanner.ended) break
    const out = Buffer.alloc(MessageScanner.outputMax(end - start))
    scanner.write(message, start, end, out, 0)
    pieces.push(out.subarray(0, scanner.produced))
    consumed += scanner.consumed
  }
  const output = Buffer.concat(pieces)
  const ended = scanner.ended
  const first = scanner.finish()
  if (!first.needsRecheck) return { report: first, output, consumed, ended }
  scanner.beginRecheck()
  for (const [start, end] of ranges(output.length, options.recheckCuts))
    scanner.recheck(output.subarray(start, end))
  return { report: scanner.finishRecheck(), output, consumed, ended }
}

function* ranges(length: number, cuts: readonly number[] = []): Generator<readonly [number, number]> {
  let at = 0
  for (let i = 0; at < length; i++) {
    const size = cuts.length === 0 ? length : (cuts[i % cuts.length] ?? length)
    const end = Math.min(length, at + Math.max(1, size))
    yield [at, end]
    at = end
  }
}

const plain = SignatureSet.build([])

/** A scan with nothing but EICAR and the usual limits. */
export function scan(message: string | Uint8Array, options: ScanOptions = {}): Scanned {
  using scanner = new MessageScanner(plain, { limits: LIMITS, bareNewline: 'normalize' })
  return scanWith(scanner, typeof message === 'string' ? Buffer.from(message, 'latin1') : message, options)
}

/** The end of DATA after a message in lines, each ended by CRLF. */
export function data(...lines: readonly string[]): string {
  return `${lines.join('\r\n')}\r\n.\r\n`
}

export function base64(text: string | Uint8Array): string {
  return Buffer.from(text).toString('base64')
}

/** One character of six bits. */
const char = (value: number): string => String.fromCodePoint(value === 0 ? 96 : value + 32)

/** As uuencode(1) writes it. */
export function uuencode(name: string, text: string): string[] {
  const lines: string[] = []
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += 45) {
    const chunk = bytes.subarray(at, at + 45)
    let line = char(chunk.length)
    for (let i = 0; i < chunk.length; i += 3) {
      const v = ((chunk[i] ?? 0) << 16) | ((chunk[i + 1] ?? 0) << 8) | (chunk[i + 2] ?? 0)
      line += char((v >> 18) & 63) + char((v >> 12) & 63) + char((v >> 6) & 63) + char(v & 63)
    }
    lines.push(line)
  }
  return [`begin 644 ${name}`, ...lines, '`', 'end']
}
