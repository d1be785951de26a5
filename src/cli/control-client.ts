import { errorText } from '#src/base/fault.ts'
import { askLine } from '#src/net/ask-line.ts'
import { CALLED_AS, caller } from './called-as.ts'
import { CommandError } from './usage.ts'

export type ControlReply = Readonly<Record<string, unknown>>

/** A reload of a large signature folder takes its time. */
const ANSWER_MS = 60_000
const ANSWER_CHARS_MAX = 16 * 1024 * 1024
/** What a tool changes it tells master of by then; master may have seen it in the directory before. */
const OWN_CHANGES_MS = 5000

/** Asks the running appliance; undefined where none runs. Throws a CommandError for an answer that says no. */
export async function askMaster(
  socketPath: string,
  command: string,
  words: readonly string[] = [],
  answerMs = ANSWER_MS,
): Promise<ControlReply | undefined> {
  const asker = { by: `${caller()} (${CALLED_AS})`, sinceMs: Date.now() - OWN_CHANGES_MS }
  const line = await exchange(socketPath, JSON.stringify({ command, words, ...asker }), answerMs)
  if (line === undefined) return undefined
  const reply: unknown = JSON.parse(line)
  if (typeof reply !== 'object' || reply === null) throw new CommandError(`master answered with ${line}`)
  const fields = { ...reply } as Record<string, unknown>
  if (fields['ok'] !== true)
    throw new CommandError(typeof fields['error'] === 'string' ? fields['error'] : line)
  return fields
}

/** Asks the queue manager something that has one answer; undefined where none runs, or it cannot tell. */
export async function askQueueManager(socketPath: string, op: string): Promise<ControlReply | undefined> {
  const line = await exchange(socketPath, JSON.stringify({ op }))
  const reply: unknown = line === undefined ? undefined : JSON.parse(line)
  if (typeof reply !== 'object' || reply === null || 'error' in reply) return undefined
  return { ...reply }
}

async function exchange(
  socketPath: string,
  request: string,
  answerMs = ANSWER_MS,
): Promise<string | undefined> {
  try {
    return await askLine(socketPath, request, { answerMs, charsMax: ANSWER_CHARS_MAX })
  } catch (error) {
    throw new CommandError(`the appliance cannot be asked: ${errorText(error)}`)
  }
}
