import { Buffer } from 'node:buffer'
import type { Reply } from '#src/base/reply.ts'
import type { HeaderAction, HeaderDecision, HeaderKind } from '#src/mail/header-action.ts'
import type { HeaderChecks } from './ports.ts'

const EMPTY = Buffer.alloc(0)
const LF = 0x0a
const CRLF = Buffer.from('\r\n')
/** The first room for a header; it doubles. Most headers have 2 to 8 KiB. */
const ROOM_BYTES = 8192
/** The beginning of a line, to see whether it is a field: names are shorter (998). */
const NAME_BYTES = 1000
/** BCC addresses of one message: more is a table that runs wild. */
const BCC_MAX = 50
const FIELD = /^[!-9;-~]+[ \t]*:/

/** What all the fields of a message together have brought about. */
export interface HeaderOutcome {
  readonly refusal: Reply | undefined
  /** Why it is thrown away or put on hold: the operator's words, perhaps none; undefined where it is not. */
  readonly discard: string | undefined
  readonly hold: string | undefined
  readonly redirect: string | undefined
  readonly bcc: readonly string[]
}

/** Tells of one action: of which field, and what the operator's text is. */
export type TellHeader = (decision: HeaderDecision, kind: HeaderKind, field: string) => void

/**
 * Holds back the header of a message until it is whole, has each field looked at, and lets through what the checks
 * leave of it; then everything passes. Memory: the header's size, at most `header_size_limit`.
 */
export class HeaderGate {
  readonly #checks: HeaderChecks
  readonly #tell: TellHeader
  readonly #bytesMax: number
  #held: Buffer = EMPTY
  #heldBytes = 0
  /** Where the line begins that is not complete yet. */
  #line = 0
  #isOpen = false
  #passes = false
  #refusal: Reply | undefined
  #discard: string | undefined
  #hold: string | undefined
  #redirect: string | undefined
  readonly #bcc: string[] = []
  /** The header as it came, where it was changed: a second look wants the message as it was. */
  #original: Buffer | undefined
  #editedBytes = 0

  constructor(checks: HeaderChecks, bytesMax: number, tell: TellHeader) {
    this.#checks = checks
    this.#bytesMax = bytesMax
    this.#tell = tell
  }

  get outcome(): HeaderOutcome {
    const bcc = [...new Set(this.#bcc)]
    return {
      refusal: this.#refusal,
      discard: this.#discard,
      hold: this.#hold,
      redirect: this.#redirect,
      bcc,
    }
  }

  /** Whether nobody needs the message any more. */
  get isLost(): boolean {
    return this.#refusal !== undefined || this.#discard !== undefined
  }

  /** The next octets; returns those that may be stored now. */
  take(bytes: Buffer): Buffer {
    if (this.#isOpen) return bytes
    this.#keep(bytes)
    const end = this.#findEnd()
    if (end === undefined && this.#heldBytes <= this.#bytesMax) return EMPTY
    return this.#open(end ?? this.#line)
  }

  /** The message is over: what is still held back. */
  end(): Buffer {
    return this.#isOpen ? EMPTY : this.#open(this.#findEnd() ?? this.#heldBytes)
  }

  /** Header text of our own making (Received), lines with CRLF: what the checks leave of it. */
  own(text: string): string {
    return this.#edited(Buffer.from(text)).toString()
  }

  /** The headers of a part; nothing of them can be changed any more. */
  part(kind: 'mime' | 'nested', header: Buffer): void {
    for (const { field } of fieldsOf(header)) {
      if (this.#isDone) return
      this.#decide(kind, field)
    }
  }

  /** The stored octets as the client sent them. */
  async *asSent(stored: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const original = this.#original
    if (original === undefined) {
      yield* stored
      return
    }
    yield original
    let skip = this.#editedBytes
    for await (const piece of stored) {
      if (skip < piece.length) yield piece.subarray(skip)
      skip = Math.max(0, skip - piece.length)
    }
  }

  get #isDone(): boolean {
    return this.#passes || this.isLost
  }

  #keep(bytes: Buffer): void {
    const needed = this.#heldBytes + bytes.length
    if (needed > this.#held.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, ROOM_BYTES, this.#held.length * 2))
      larger.set(this.#held.subarray(0, this.#heldBytes))
      this.#held = larger
    }
    this.#held.set(bytes, this.#heldBytes)
    this.#heldBytes = needed
  }

  /** Where the header ends: at an empty line, or before one that is none of a header. */
  #findEnd(): number | undefined {
    for (;;) {
      const end = this.#held.subarray(0, this.#heldBytes).indexOf(LF, this.#line)
      if (end < 0) return undefined
      const line = this.#held.subarray(this.#line, end)
      if (!isOfHeader(line, this.#line === 0)) return this.#line
      this.#line = end + 1
    }
  }

  #open(end: number): Buffer {
    this.#isOpen = true
    const held = this.#held.subarray(0, this.#heldBytes)
    this.#held = EMPTY
    const header = held.subarray(0, end)
    const edited = this.#edited(header)
    if (edited === header) return held
    this.#original = Buffer.from(header)
    this.#editedBytes = edited.length
    return Buffer.concat([edited, held.subarray(end)])
  }

  /** The very same object where nothing changes. */
  #edited(header: Buffer): Buffer {
    const out: Uint8Array[] = []
    let isChanged = false
    for (const { raw, field } of fieldsOf(header)) {
      const action: HeaderAction = this.#isDone ? { kind: 'keep' } : this.#decide('header', field)
      isChanged ||= action.kind === 'drop' || action.kind === 'replace' || action.kind === 'prepend'
      if (action.kind === 'replace' || action.kind === 'prepend') out.push(Buffer.from(action.text), CRLF)
      if (action.kind !== 'drop' && action.kind !== 'replace') out.push(raw)
    }
    return isChanged ? Buffer.concat(out) : header
  }

  #decide(kind: HeaderKind, field: Buffer): HeaderAction {
    const decision = this.#checks.check(kind, field)
    const { action } = decision
    if (decision.told !== '') this.#tell(decision, kind, field.toString('latin1'))
    switch (action.kind) {
      case 'refuse':
        this.#refusal = action.reply
        break
      case 'discard':
        this.#discard = action.text
        break
      case 'hold':
        this.#hold = action.text
        break
      case 'redirect':
        this.#redirect = action.address
        break
      case 'bcc':
        if (this.#bcc.length < BCC_MAX) this.#bcc.push(action.address)
        break
      case 'pass':
        this.#passes = true
        break
      case 'keep':
      case 'drop':
      case 'replace':
      case 'prepend':
        break
    }
    return action
  }
}

/** mbox leaves a first line `From ` behind; Postfix takes it for one of a header, too. */
function isOfHeader(line: Buffer, isFirst: boolean): boolean {
  const start = line.toString('latin1', 0, NAME_BYTES)
  if (FIELD.test(start)) return true
  if (isFirst) return /^>?From /.test(start)
  return /^[ \t]/.test(start)
}

/** Fields with their folds: as they stand, and with LF alone and no line end behind. */
function* fieldsOf(header: Buffer): Generator<{ readonly raw: Buffer; readonly field: Buffer }> {
  let from = 0
  while (from < header.length) {
    let end = from
    do {
      const lf = header.indexOf(LF, end)
      end = lf < 0 ? header.length : lf + 1
    } while (end < header.length && (header[end] === 0x20 || header[end] === 0x09))
    const raw = header.subarray(from, end)
    const text = raw.toString('latin1').replaceAll('\r\n', '\n').replace(/\n$/, '')
    yield { raw, field: Buffer.from(text, 'latin1') }
    from = end
  }
}
