import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Something that the bench needs and cannot get by itself; the message says what to do. */
export class BenchError extends Error {}

export interface Finished {
  readonly code: number | null
  readonly output: string
}

/** What a command may print before the rest is left out: enough for any error message. */
const OUTPUT_MAX_CHARS = 16_384

/** Runs a command to its end, or kills it after `timeoutMs`. Never rejects for a command that fails. */
export async function run(
  command: readonly string[],
  timeoutMs: number,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Finished> {
  const [file, ...args] = command
  if (file === undefined) throw new BenchError('an empty command')
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env })
  let output = ''
  const keep = (chunk: Buffer): void => {
    if (output.length < OUTPUT_MAX_CHARS) output += chunk.toString('utf8')
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
  const { promise, resolve } = Promise.withResolvers<number | null>()
  child.once('error', (error) => {
    output += error.message
    resolve(null)
  })
  // 'exit', not 'close': a daemon that the command leaves behind may hold the pipes for ever.
  child.once('exit', (code) => resolve(code))
  const code = await promise
  clearTimeout(timer)
  return { code, output: output.trim() }
}

/** Runs a command that must work. */
export async function must(
  command: readonly string[],
  timeoutMs: number,
  env?: NodeJS.ProcessEnv,
): Promise<string> {
  const { code, output } = await run(command, timeoutMs, env)
  if (code !== 0) throw new BenchError(`${command.join(' ')} ended with ${code ?? 'a signal'}: ${output}`)
  return output
}

const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** The full path of a program; Debian's sbin folders are looked at even where they are not in PATH. */
export function findProgram(name: string): string | undefined {
  const folders = new Set([...(process.env['PATH'] ?? '').split(':'), ...SYSTEM_PATH.split(':')])
  for (const folder of folders) {
    const path = `${folder}/${name}`
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // not in this folder
    }
  }
  return undefined
}

/** A port of 127.0.0.1 that nothing listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer()
  const { promise, resolve, reject } = Promise.withResolvers<undefined>()
  server.once('error', reject)
  server.listen(0, '127.0.0.1', () => resolve(undefined))
  await promise
  const address = server.address()
  await server[Symbol.asyncDispose]()
  if (address === null || typeof address === 'string') throw new BenchError('no free port')
  return address.port
}

/** Waits until a server greets with 220 on the port. */
export async function untilGreeted(port: number, withinMs: number): Promise<void> {
  const until = performance.now() + withinMs
  while (performance.now() < until) {
    if (await greets(port)) return
    await sleep(50)
  }
  throw new BenchError(`nothing greets on port ${port} within ${withinMs} ms`)
}

const GREETING_WITHIN_MS = 2000

async function greets(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect({ port, host: '127.0.0.1' })
  socket.setTimeout(GREETING_WITHIN_MS, () => resolve(false))
  socket.once('error', () => resolve(false))
  socket.once('close', () => resolve(false))
  socket.once('data', (chunk: Buffer) => {
    socket.end('QUIT\r\n')
    resolve(chunk.toString('latin1').startsWith('220'))
  })
  const greeted = await promise
  // After QUIT the server has the last word; waiting for it keeps "lost connection" out of its log.
  socket.setTimeout(GREETING_WITHIN_MS, () => socket.destroy())
  socket.on('data', () => {})
  if (!greeted) socket.destroy()
  return greeted
}
