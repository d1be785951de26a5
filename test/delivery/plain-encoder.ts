import type { BodyEncoder } from '#src/delivery/body.ts'

const CR = 13
const LF = 10
const DOT = 46

/** The encoder's contract in a few lines of JavaScript, so that delivery can be tested without the addon. */
export class PlainEncoder implements BodyEncoder {
  #lineLength = 0
  #afterCr = false

  begin(): void {
    this.#lineLength = 0
    this.#afterCr = false
  }

  write(input: Uint8Array, start: number, end: number, out: Uint8Array, outStart: number): number {
    let at = outStart
    for (let i = start; i < end; i += 1) {
      const octet = input[i] ?? 0
      const wasCr = this.#afterCr
      this.#afterCr = octet === CR
      if (octet === LF && wasCr) continue
      if (octet === CR || octet === LF) {
        out[at++] = CR
        out[at++] = LF
        this.#lineLength = 0
        continue
      }
      if (this.#lineLength === 998) {
        out[at++] = CR
        out[at++] = LF
        out[at++] = 32
        this.#lineLength = 1
      }
      if (this.#lineLength === 0 && octet === DOT) out[at++] = DOT
      out[at++] = octet
      this.#lineLength += 1
    }
    return at - outStart
  }

  finish(out: Uint8Array, outStart: number): number {
    const text = this.#lineLength > 0 ? '\r\n.\r\n' : '.\r\n'
    out.set(Buffer.from(text), outStart)
    return text.length
  }
}
