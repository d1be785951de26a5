import type { Buffer } from 'node:buffer'
import { SESSION_LINE_CHARS_MAX, SessionLines } from '#src/net/session-lines.ts'
import { COMMANDS } from './commands.ts'
import { MECHANISMS } from './sasl.ts'

/** The classes of notify_classes (postconf(5)) that a session can fall into. */
export type SessionErrorClass = 'software' | 'resource' | 'data' | 'policy' | 'protocol' | 'bounce'

/**
 * What a client and we have said, as it is told to postmaster where something went wrong. Content is not in it, and
 * no credentials: neither of AUTH nor of anything that is no command, for that may be a password out of place.
 */
export class Transcript {
  readonly #classes = new Set<SessionErrorClass>()
  readonly #lines = new SessionLines()
  /** We have asked for the next part of an AUTH exchange. */
  #secret = false

  get classes(): ReadonlySet<SessionErrorClass> {
    return this.#classes
  }

  /** The lines that are kept, `In:` and `Out:` before them as in Postfix's notices. */
  get lines(): readonly string[] {
    return this.#lines.lines
  }

  /** A line of the client's, without its CRLF. */
  heard(bytes: Buffer, start: number, end: number): void {
    const text = bytes.toString('latin1', start, Math.min(end, start + SESSION_LINE_CHARS_MAX))
    this.#lines.add(` In:  ${this.#secret ? '[authentication]' : shown(text)}`)
    this.#secret = false
  }

  /** Whole replies, as they go out. */
  said(replies: string): void {
    for (const line of replies.split('\r\n')) {
      if (line === '') continue
      this.#lines.add(` Out: ${line}`)
      this.#secret = line.startsWith('334')
      const found = classOf(line)
      if (found !== undefined) this.#classes.add(found)
    }
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
