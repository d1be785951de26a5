import type { Buffer } from 'node:buffer'
import { COMMANDS } from './commands.ts'
import { MECHANISMS } from './sasl.ts'

/** The classes of notify_classes (postconf(5)) that a session can fall into. */
export type SessionErrorClass = 'software' | 'resource' | 'data' | 'policy' | 'protocol' | 'bounce'

/** Lines of a session that are kept: its beginning, and what came last. */
const FIRST_LINES = 20
const LAST_LINES = 80
/** A line as it is kept: as long as a reply may be. */
const LINE_CHARS_MAX = 512

/**
 * What a client and we have said, as it is told to postmaster where something went wrong. Content is not in it, and
 * no credentials: neither of AUTH nor of anything that is no command, for that may be a password out of place.
 */
export class Transcript {
  readonly #classes = new Set<SessionErrorClass>()
  readonly #first: string[] = []
  #last: string[] = []
  #dropped = 0
  /** We have asked for the next part of an AUTH exchange. */
  #secret = false

  get classes(): ReadonlySet<SessionErrorClass> {
    return this.#classes
  }

  /** The lines that are kept, `In:` and `Out:` before them as in Postfix's notices. */
  get lines(): readonly string[] {
    const gap = this.#dropped === 0 ? [] : [`[${this.#dropped} lines are left out here]`]
    return [...this.#first, ...gap, ...this.#last]
  }

  /** A line of the client's, without its CRLF. */
  heard(bytes: Buffer, start: number, end: number): void {
    const text = bytes.toString('latin1', start, Math.min(end, start + LINE_CHARS_MAX))
    this.#add(` In:  ${this.#secret ? '[authentication]' : shown(text)}`)
    this.#secret = false
  }

  /** Whole replies, as they go out. */
  said(replies: string): void {
    for (const line of replies.split('\r\n')) {
      if (line === '') continue
      this.#add(` Out: ${line}`)
      this.#secret = line.startsWith('334')
      const found = classOf(line)
      if (found !== undefined) this.#classes.add(found)
    }
  }

  #add(line: string): void {
    if (this.#first.length < FIRST_LINES) {
      this.#first.push(line)
      return
    }
    this.#last.push(line)
    // Cut now and then, not at each line.
    if (this.#last.length < 2 * LAST_LINES) return
    this.#dropped += LAST_LINES
    this.#last = this.#last.slice(LAST_LINES)
  }
}

function shown(text: string): string {
  const [verb = '', mechanism = ''] = text.split(/[ \t]+/, 2)
  const command = COMMANDS.get(verb.toUpperCase())
  if (command === undefined) return '[no command]'
  if (command.name !== 'auth') return text
  // A client may leave the mechanism out and send what it has.
  return MECHANISMS.some((one) => one === mechanism.toUpperCase()) ? `${verb} ${mechanism}` : verb
}

/** Which class a refusal falls into: the first row that fits. Our own replies are known by their words and status. */
const CLASSES: readonly (readonly [RegExp, SessionErrorClass | undefined])[] = [
  [/^4.. 4\.3\.0 Error: internal error/, 'software'],
  [/^4.. 4\.(?:3\.5|6\.0) /, 'software'],
  [/^4.. 4\.3\.0 Error: queue /, 'resource'],
  [/^4.. 4\.3\.1 /, 'resource'],
  [/^4.. 4\.3\.2 All server ports/, 'resource'],
  // We go down: nothing is wrong.
  [/^4.. 4\.3\.2 /, undefined],
  [/^4.. 4\.(?:3\.0|7\.0 Temporary) /, 'data'],
  [/^5.. 5\.(?:1\.1|3\.4|4\.[06]) /, 'bounce'],
  [/^[45].. [45]\.7\./, 'policy'],
  [/^4.. 4\.5\.3 /, 'policy'],
  [/^5.. 5\.(?:1\.[0378]|5\.\d+|6\.\d+) /, 'protocol'],
  [/^(?:421 4\.4\.2|50[0-9]) /, 'protocol'],
  [/^[45].. /, 'policy'],
]

function classOf(line: string): SessionErrorClass | undefined {
  if (!line.startsWith('4') && !line.startsWith('5')) return undefined
  return CLASSES.find(([form]) => form.test(line))?.[1]
}
