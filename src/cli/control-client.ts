import { connect } from 'node:net'
import { errorCode, errorText } from '#src/base/fault.ts'
import { CommandError } from './usage.ts'

export type ControlReply = Readonly<Record<string, unknown>>

/** A reload of a large signature folder takes its time. */
const ANSWER_MS = 60_000
const ANSWER_CHARS_MAX = 16 * 1024 * 1024

/** Asks the running appliance; undefined where none runs. Throws a CommandError for an answer that says no. */
export async function askMaster(
  socketPath: string,
  command: string,
  words: readonly string[] = [],
): Promise<ControlReply | undefined> {
  const line = await exchange(socketPath, `${JSON.stringify({ command, words })}\n`)
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
  const line = await exchange(socketPath, `${JSON.stringify({ op })}\n`)
  const reply: unknown = line === undefined ? undefined : JSON.parse(line)
  if (typeof reply !== 'object' || reply === null || 'error' in reply) return undefined
  return { ...reply }
}

/** Sends one line and reads one; undefined where nobody listens. */
function exchange(socketPath: string, request: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath)
    let text = ''
    socket.setTimeout(ANSWER_MS, () => {
      socket.destroy(new CommandError(`the appliance does not answer on ${socketPath}`))
    })
    socket.setEncoding('utf8')
    socket.once('connect', () => socket.write(request))
    socket.on('data', (chunk: string) => {
      text += chunk
      if (text.length > ANSWER_CHARS_MAX) socket.destroy(new CommandError('the answer is too long'))
    })
    socket.once('end', () => {
      const [line] = text.split('\n')
      // Master went away with the request in its hands: it no longer runs.
      resolve(line === '' ? undefined : line)
    })
    socket.once('error', (error) => {
      if (['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(errorCode(error))) resolve(undefined)
      else
        reject(error instanceof CommandError ? error : new CommandError(`${socketPath}: ${errorText(error)}`))
    })
  })
}
