import { errorText } from '#src/base/fault.ts'
import { askLine } from '#src/net/ask-line.ts'
import { isRecord } from '#src/net/frames.ts'

/**
 * Run by postern-stick.service when a stick has come: tells the helper, and prints what became of it for the journal.
 * Exit code 0, also where its file was wrong: the console tells that.
 */

const HELPER = '/run/postern-image/helper.sock'
/** Units are started anew meanwhile. */
const ANSWER_MS = 150_000
const ANSWER_CHARS_MAX = 1_048_576

process.title = 'postern: stick'
const { helper = HELPER } = Object.fromEntries(
  process.argv.slice(2).flatMap((word) => (word.startsWith('--helper=') ? [['helper', word.slice(9)]] : [])),
)
try {
  const limits = { answerMs: ANSWER_MS, charsMax: ANSWER_CHARS_MAX }
  const line = await askLine(helper, JSON.stringify({ command: 'provision', words: [] }), limits)
  const answer: unknown = line === undefined ? undefined : JSON.parse(line)
  if (!isRecord(answer)) throw new Error('nobody answers')
  process.stdout.write(`${String(answer['ok'] === true ? answer['text'] : answer['error'])}\n`)
} catch (error) {
  process.stdout.write(`The helper was not told of the stick: ${errorText(error)}\n`)
  process.exitCode = 1
}
