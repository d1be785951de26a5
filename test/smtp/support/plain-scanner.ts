import { Buffer } from 'node:buffer'
import type { ScanReport } from '#src/match/types.ts'
import type { ContentScanner, ScannerPool } from '#src/smtp/ports.ts'

const CR = 0x0d
const LF = 0x0a
const DOT = 0x2e

/**
 * The scanner's contract in the plainest way, one octet at a time: the model that the session tests run on, so
 * that they need no addon. A part is not looked into; `needsRecheck` is asked for by the word RECHECK.
 */
export class PlainScanner implements ContentScanner {
  consumed = 0
  produced = 0
  ended = false
  rechecked = 0
  #data = true
  #lineStart = true
  #cr = false
  #dot: 0 | 1 | 2 = 0
  #bareLf = false
  #bareCr = false
  #nul = false
  #bytes = 0
  #head = ''
  #out: Uint8Array = new Uint8Array(0)
  #at = 0

  begin(mode: 'data' | 'bdat'): void {
    this.#data = mode === 'data'
    this.#lineStart = true
    this.#cr = false
    this.#dot = 0
    this.#bareLf = false
    this.#bareCr = false
    this.#nul = false
    this.#bytes = 0
    this.#head = ''
    this.ended = false
  }

  // oxlint-disable-next-line max-params -- the scanner's contract
  write(input: Uint8Array, start: number, end: number, out: Uint8Array, outStart: number): void {
    this.#out = out
    this.#at = outStart
    let at = start
    while (at < end && !this.ended) {
      this.#octet(input[at] ?? 0)
      at += 1
    }
    this.consumed = at - start
    this.produced = this.#at - outStart
    this.#bytes += this.produced
    if (this.#head.length < 65_536)
      this.#head += Buffer.from(out.subarray(outStart, this.#at)).toString('latin1')
  }

  #octet(octet: number): void {
    if (this.#data && this.#dot === 0 && this.#lineStart && !this.#cr && octet === DOT) {
      this.#dot = 1
      return
    }
    if (this.#dot === 1) {
      if (octet === CR) {
        this.#dot = 2
        return
      }
      this.#dot = 0
      this.#lineStart = false
    } else if (this.#dot === 2) {
      this.#dot = 0
      if (octet === LF) {
        this.ended = true
        return
      }
      this.#lineStart = false
      this.#cr = true
    }
    this.#content(octet)
  }

  #content(octet: number): void {
    if (octet === LF) {
      if (!this.#cr) this.#bareLf = true
      this.#newline()
      this.#lineStart = this.#cr
      this.#cr = false
      return
    }
    if (this.#cr) {
      this.#bareCr = true
      this.#newline()
      this.#lineStart = false
    }
    this.#cr = octet === CR
    if (this.#cr) return
    if (octet === 0) this.#nul = true
    this.#out[this.#at] = octet
    this.#at += 1
    this.#lineStart = false
  }

  #newline(): void {
    this.#out[this.#at] = CR
    this.#out[this.#at + 1] = LF
    this.#at += 2
  }

  finish(): ScanReport {
    const ends = this.#head.indexOf('\r\n\r\n')
    const head = `\r\n${ends < 0 ? this.#head : this.#head.slice(0, ends)}`
    const has = (name: string): boolean => new RegExp(`\r\n${name}[ \t]*:`, 'i').test(head)
    const value = (name: string): string =>
      new RegExp(`\r\n${name}[ \t]*:([^\r]*)`, 'i').exec(head)?.[1]?.trim() ?? ''
    const signed = /[;\s]h=([^;]*)/i.exec(value('DKIM-Signature'))?.[1] ?? ''
    return {
      header: {
        receivedCount: head.split(/\r\nReceived:/i).length - 1,
        hasFrom: has('From'),
        hasDate: has('Date'),
        hasMessageId: has('Message-Id'),
        hasRecipient: has('To') || has('Cc') || has('Bcc'),
        messageId: value('Message-Id'),
        subject: value('Subject'),
        dkimSigned: signed.split(':').map((name) => name.trim().toLowerCase()),
        bytes: ends + 4,
      },
      parts: [],
      hits: [],
      limits: [],
      defects: [],
      needsRecheck: this.#head.includes('RECHECK'),
      bareLf: this.#bareLf,
      bareCr: this.#bareCr,
      nul: this.#nul,
      eightBit: false,
      longestLine: 0,
      bytes: this.#bytes,
    }
  }

  beginRecheck(): void {
    this.rechecked = 0
  }

  recheck(stored: Uint8Array): void {
    this.rechecked += stored.length
  }

  finishRecheck(): ScanReport {
    const report = this.finish()
    if (this.rechecked !== this.#bytes)
      throw new Error(`rechecked ${this.rechecked} of ${this.#bytes} octets`)
    return { ...report, needsRecheck: false, hits: [{ signature: 'Rechecked', path: '1' }] }
  }
}

/** A pool that counts what is out. */
export class PlainScannerPool implements ScannerPool {
  out = 0

  take(): ContentScanner {
    this.out += 1
    return new PlainScanner()
  }

  give(): void {
    this.out -= 1
  }
}
