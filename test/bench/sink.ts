import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { ProcessGroup } from './cpu.ts'
import { BenchError } from './run-command.ts'

/** What the sink has taken since it was last told what to expect. */
export interface SinkReport {
  readonly messages: number
  /** Different queue ids among them: fewer than `messages` where one came twice. */
  readonly different: number
  /** Messages without a queue id in a Received line, which cannot be told apart. */
  readonly withoutId: number
  /** Message times recipients. */
  readonly deliveries: number
  readonly bytes: number
  /** Different bodies; the client always sends the same. */
  readonly bodies: number
  readonly bodyHash: string
  readonly connections: number
  /** CLOCK_MONOTONIC, as process.hrtime.bigint(). */
  readonly firstNs: bigint
  readonly lastNs: bigint
}

/** The LMTP server that takes everything: see sink.cc. */
export interface Sink {
  readonly port: number
  /** Forgets what came; `whole` resolves as soon as so many messages are in, or undefined after the time. */
  expect(messages: number): { whole(withinMs: number): Promise<SinkReport | undefined> }
  report(): Promise<SinkReport>
  stop(): Promise<void>
}

const ANSWER_WITHIN_MS = 10_000

export async function startSink(program: string, group: ProcessGroup): Promise<Sink> {
  const [file, ...args] = [...group.prefix, program]
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  if (child.pid !== undefined) group.setRoot(child.pid)
  const lines = answers(child)
  const hello: unknown = JSON.parse(await within(lines.next(), ANSWER_WITHIN_MS))
  if (typeof hello !== 'object' || hello === null || !('port' in hello) || typeof hello.port !== 'number') {
    throw new BenchError('the sink did not say its port')
  }
  return {
    port: hello.port,
    expect: (messages) => {
      lines.drop()
      child.stdin.write(`expect ${messages}\n`)
      return {
        whole: async (withinMs) => {
          const line = await Promise.race([lines.next(), after(withinMs)])
          return line === undefined ? undefined : parseReport(line)
        },
      }
    },
    report: async () => {
      lines.drop()
      child.stdin.write('report\n')
      return parseReport(await within(lines.next(), ANSWER_WITHIN_MS))
    },
    stop: async () => {
      const ended = Promise.withResolvers<undefined>()
      child.once('exit', () => ended.resolve(undefined))
      if (child.exitCode === null && child.signalCode === null) {
        child.stdin.end()
        await ended.promise
      }
    },
  }
}

/** The lines of the sink, one reader at a time. */
function answers(child: ChildProcess) {
  const waiting: ((line: string) => void)[] = []
  const early: string[] = []
  if (child.stdout === null) throw new BenchError('the sink has no output')
  createInterface(child.stdout).on('line', (line) => {
    const reader = waiting.shift()
    if (reader === undefined) early.push(line)
    else reader(line)
  })
  return {
    async next(): Promise<string> {
      const line = early.shift()
      if (line !== undefined) return line
      const { promise, resolve } = Promise.withResolvers<string>()
      waiting.push(resolve)
      return promise
    },
    /** Forgets readers that gave up and lines that nobody wanted. */
    drop(): void {
      waiting.length = 0
      early.length = 0
    },
  }
}

async function after(ms: number): Promise<undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>()
  setTimeout(() => resolve(undefined), ms).unref()
  return promise
}

async function within(line: Promise<string>, ms: number): Promise<string> {
  const found = await Promise.race([line, after(ms)])
  if (found === undefined) throw new BenchError(`the sink did not answer within ${ms} ms`)
  return found
}

/** One line of the sink. Times are strings in it, because they do not fit into a double. */
export function parseReport(line: string): SinkReport {
  const raw: unknown = JSON.parse(line)
  if (typeof raw !== 'object' || raw === null) throw new BenchError(`the sink said ${line}`)
  const fields: Readonly<Record<string, unknown>> = { ...raw }
  const number = (name: string): number => {
    const value = fields[name]
    if (typeof value !== 'number') throw new BenchError(`the sink did not say ${name}: ${line}`)
    return value
  }
  const text = (name: string): string => {
    const value = fields[name]
    if (typeof value !== 'string') throw new BenchError(`the sink did not say ${name}: ${line}`)
    return value
  }
  return {
    messages: number('messages'),
    different: number('different'),
    withoutId: number('withoutId'),
    deliveries: number('deliveries'),
    bytes: number('bytes'),
    bodies: number('bodies'),
    bodyHash: text('bodyHash'),
    connections: number('connections'),
    firstNs: BigInt(text('firstNs')),
    lastNs: BigInt(text('lastNs')),
  }
}
