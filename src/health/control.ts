import { errorText } from '#src/base/fault.ts'
import { isRecord } from '#src/net/frames.ts'
import { askLine } from '#src/net/ask-line.ts'

/** What master or the queue manager says; `reason` where it says nothing. */
export type Told =
  | { readonly kind: 'told'; readonly answer: Readonly<Record<string, unknown>> }
  | { readonly kind: 'silent'; readonly reason: string }

/** A process that is slower than this is told to be silent: whoever looks at a page does not wait longer either. */
const ANSWER_MS = 3000
/** The metrics of a large box are some hundred kilobytes. */
const ANSWER_CHARS_MAX = 8 * 1024 * 1024

/** Asks master over its control socket. Never rejects. */
export async function askControl(
  path: string,
  command: string,
  words: readonly string[] = [],
): Promise<Told> {
  try {
    const line = await askLine(path, JSON.stringify({ command, words }), {
      answerMs: ANSWER_MS,
      charsMax: ANSWER_CHARS_MAX,
    })
    if (line === undefined) return { kind: 'silent', reason: `nobody answers on ${path}` }
    const answer: unknown = JSON.parse(line)
    if (!isRecord(answer)) return { kind: 'silent', reason: 'the answer is no object' }
    if (answer['ok'] !== true) return { kind: 'silent', reason: String(answer['error']) }
    return { kind: 'told', answer }
  } catch (error) {
    return { kind: 'silent', reason: errorText(error) }
  }
}
