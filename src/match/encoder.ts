import { addon, type NativeEncoder } from './addon.ts'

/**
 * Writes a stored message as it goes over SMTP or LMTP: lines of more than 998 octets folded by CRLF SPACE (Postfix
 * smtp_line_length_limit), a final CRLF where it is missing, and never a bare CR or LF; for DATA with dots stuffed
 * (RFC 5321 section 4.5.2) and the final dot. One per connection; state is kept from block to block.
 */
export class BodyEncoder {
  readonly #native: NativeEncoder = new addon.Encoder()

  /** The octets of room that `write` wants for `length` octets of input. */
  static outputMax(length: number): number {
    return 2 * length + 8
  }

  /** The octets of room that `finish` wants. */
  static readonly finishMax = 8

  /** 'bdat': for chunks, whose length says where they end (RFC 3030 section 2): no dot is stuffed or added. */
  begin(mode: 'data' | 'bdat'): void {
    this.#native.begin(mode === 'bdat')
  }

  /** Encodes input[start, end) to out[outStart, …), which must not overlap it. Returns the octets written. */
  // oxlint-disable-next-line max-params -- one call for each block of mail: an object would be garbage
  write(input: Uint8Array, start: number, end: number, out: Uint8Array, outStart: number): number {
    return this.#native.write(input, start, end, out, outStart)
  }

  /** Ends the last line if need be and, for DATA, writes the final dot. Returns the octets written. */
  finish(out: Uint8Array, outStart: number): number {
    return this.#native.finish(out, outStart)
  }
}
