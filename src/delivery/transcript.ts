import { SESSION_LINE_CHARS_MAX, SessionLines } from '#src/net/session-lines.ts'
import { Handshake } from './handshake.ts'
import { Transaction } from './transaction.ts'
import type { PeerAddress } from './connection.ts'
import type { Dialogue } from './dialogue.ts'
import type { PeerReply } from './replies.ts'

/** A session with a peer in which one side had the protocol wrong. */
export interface PeerTrouble {
  readonly peer: PeerAddress
  /** The dialogue, `In:` and `Out:` before its lines as in Postfix's notices. */
  readonly lines: readonly string[]
}

/** What a peer may put into a reply, and no mail of ours may hold: a bare CR among others. */
const UNSHOWN = /[^\t\u0020-\u007e]/g

/** What a peer and we have said, for postmaster. The message is not in it, and no credentials. */
export class PeerTranscript {
  readonly #peer: PeerAddress
  readonly #tell: (trouble: PeerTrouble) => void
  readonly #lines = new SessionLines()
  #told = false

  constructor(peer: PeerAddress, tell: (trouble: PeerTrouble) => void) {
    this.#peer = peer
    this.#tell = tell
  }

  get lines(): readonly string[] {
    return this.#lines.lines
  }

  /** Whole lines, as they go out. `stage` is what they were said at. */
  said(text: string, stage: Dialogue['stage']): void {
    const known = stage === 'auth' ? (/^AUTH [A-Z]+/.exec(text)?.[0] ?? '[authentication]') : text
    for (const line of known.split('\r\n')) if (line !== '') this.#add(` Out: ${line}`)
  }

  heard({ lines }: PeerReply): void {
    for (const line of lines) this.#add(` In:  ${line.replace(UNSHOWN, '?')}`)
  }

  note(text: string): void {
    this.#add(`[${text}]`)
  }

  /** A part of the session is over: postmaster is told once of each session. */
  ended(dialogue: Dialogue): void {
    if (this.#told || !hasProtocolError(dialogue)) return
    this.#told = true
    this.#tell({ peer: this.#peer, lines: this.lines })
  }

  #add(line: string): void {
    this.#lines.add(line.slice(0, SESSION_LINE_CHARS_MAX))
  }
}

function hasProtocolError(dialogue: Dialogue): boolean {
  if (dialogue instanceof Handshake) return dialogue.failure?.protocolError === true
  if (!(dialogue instanceof Transaction)) return false
  return [...dialogue.results.values()].some(({ protocolError }) => protocolError === true)
}
