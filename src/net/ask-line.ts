import { connect } from 'node:net'
import { errorCode } from '#src/base/fault.ts'

/** How long is waited for an answer, and how long one may be. */
export interface AskLimits {
  readonly answerMs: number
  readonly charsMax: number
}

/** Nobody listens, or whoever did is going away. */
const NOBODY: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'])

/**
 * Sends one line to a Unix socket and reads one: how the processes are asked (ARCHITECTURE.md). undefined where nobody
 * listens, or whoever did went away with the question in its hands. Rejects with an Error that names the socket where
 * no answer came in time, or too long a one.
 */
export async function askLine(path: string, line: string, limits: AskLimits): Promise<string | undefined> {
  return (await askLines(path, line, limits))[0]
}

/** The same, for answers of several lines; none where nobody answers. */
export function askLines(path: string, line: string, limits: AskLimits): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    let text = ''
    const late = setTimeout(() => {
      socket.destroy(new Error(`no answer on ${path} within ${limits.answerMs / 1000} s`))
    }, limits.answerMs)
    socket.setEncoding('utf8')
    socket.once('connect', () => socket.write(`${line}\n`))
    socket.on('data', (chunk: string) => {
      text += chunk
      if (text.length > limits.charsMax) socket.destroy(new Error(`the answer on ${path} is too long`))
    })
    socket.once('end', () => {
      resolve(text.split('\n').filter((one) => one !== ''))
    })
    socket.once('error', (error) => {
      if (NOBODY.has(errorCode(error))) resolve([])
      else reject(error)
    })
    socket.once('close', () => {
      clearTimeout(late)
      resolve([])
    })
  })
}
