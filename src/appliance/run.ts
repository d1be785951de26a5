import { spawn } from 'node:child_process'
import { errorText } from '#src/base/fault.ts'

/** What came of a program; `code` is null where it was killed or could not be started, and `stderr` then says why. */
export interface Ran {
  readonly code: number | null
  /** What ended it, where a signal did. */
  readonly signal?: NodeJS.Signals
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program of the image to its end: an absolute path and its words, without a shell. Never rejects. */
export type Runner = (program: string, words: readonly string[], input?: string) => Promise<Ran>

/** None of the programs of the image takes longer but one that hangs. */
const RUN_MS = 120_000
/** Of each stream; what comes beyond is dropped. */
const OUTPUT_CHARS_MAX = 262_144

/** Nothing of our own environment: what is run reads the image's settings alone. */
const ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin', LC_ALL: 'C.UTF-8' }

export const runProgram: Runner = async (program, words, input = '') => {
  const signal = AbortSignal.timeout(RUN_MS)
  const child = spawn(program, words, {
    env: ENVIRONMENT,
    stdio: ['pipe', 'pipe', 'pipe'],
    signal,
    killSignal: 'SIGKILL',
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (stdout.length < OUTPUT_CHARS_MAX) stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (stderr.length < OUTPUT_CHARS_MAX) stderr += text
  })
  // A program that does not read its input closes the pipe.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const { promise, resolve } = Promise.withResolvers<Ran>()
  child.once('error', (error) => {
    const why = signal.aborted ? `no end within ${RUN_MS / 1000} s` : errorText(error)
    resolve({ code: null, stdout, stderr: `${program}: ${why}` })
  })
  child.once('close', (code, ended) => {
    resolve({ code, stdout, stderr, ...(ended === null ? {} : { signal: ended }) })
  })
  return await promise
}

/** Why a program failed, for a sentence: the last line that it said. */
export function whyFailed(program: string, { code, stderr }: Ran): string {
  const said = stderr.trim().split('\n').at(-1) ?? ''
  return `${program}: ${said === '' ? `exit code ${String(code)}` : said}`
}
