import { appendFileSync, existsSync, mkdirSync, renameSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { elapsed, systemClock } from '#src/base/clock.ts'
import type { Clock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import { queueTotals } from './mailq.ts'
import type { QueueTotals } from './mailq.ts'
import { print } from './output.ts'
import { runTool, toolConfig, ToolError, toolQueue } from './tool.ts'
import { isoDay, zmstatTime } from '#src/base/local-time.ts'

const USAGE = `Usage: zmstat-mtaqueue [options]
Monitor MTA queue
-i, --interval: output a line every N seconds (default 30)
-l, --log:      log file (default is zmstat/mtaqueue.csv of the data folder)
-c, --console:  output to stdout
--max-qsize:    queue size above which lines come more seldom (default 1000)
--backoff-interval: by how many seconds more seldom with each line (default 30)
--max-interval: the longest interval, seconds (default 600)

The log is renamed to <dir>/YYYY-MM-DD/mtaqueue.csv when the date changes and at SIGHUP.`

const HEADING = 'timestamp, KBytes, requests\n'
/** A day: whoever wants a line more seldom wants none. */
const SECONDS_MOST = 86_400

/** How often, and to where. */
export interface MtaQueueOptions {
  readonly intervalSeconds: number
  /** Messages; with more the interval grows, since counting them costs. */
  readonly sizeMax: number
  readonly backoffSeconds: number
  readonly intervalMaxSeconds: number
  /** '' for standard output. */
  readonly file: string
}

export interface MtaQueueDeps {
  readonly clock: Clock
  /** Counts the queue; rejects where it cannot be opened just now. */
  readonly totals: () => Promise<QueueTotals>
  readonly warn: (text: string) => void
  readonly signal: AbortSignal
}

/** `zmstat-mtaqueue` of Zimbra: the size of the queue as CSV, a line each interval, until it is ended. */
export function zmstatMtaqueue(args: readonly string[]): Promise<number> {
  return runTool('zmstat-mtaqueue', () => run(args), 1)
}

async function run(args: readonly string[]): Promise<number> {
  const { dataFolder } = toolConfig(undefined)
  const options = readOptions(args, join(dataFolder, 'zmstat', 'mtaqueue.csv'))
  const ending = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => ending.abort())
  // Who read the lines has gone.
  process.stdout.once('error', () => ending.abort())
  const monitor = new MtaQueueMonitor(options, {
    clock: systemClock,
    totals: async () => {
      await using queue = await toolQueue(undefined)
      return await queueTotals(queue)
    },
    warn: (text) => process.stderr.write(`${text}\n`),
    signal: ending.signal,
  })
  process.on('SIGHUP', () => monitor.rotate())
  await monitor.run()
  return 0
}

function readOptions(args: readonly string[], file: string): MtaQueueOptions {
  let values
  try {
    values = parseArgs({
      args: [...args],
      options: {
        interval: { type: 'string', short: 'i' },
        log: { type: 'string', short: 'l' },
        console: { type: 'boolean', short: 'c' },
        'max-qsize': { type: 'string' },
        'backoff-interval': { type: 'string' },
        'max-interval': { type: 'string' },
      },
    }).values
  } catch (error) {
    throw new ToolError(`${errorText(error)}\n\n${USAGE}`, 1)
  }
  const isConsole = values.console === true || values.log === '-'
  return {
    intervalSeconds: numberOf(values.interval, 30, SECONDS_MOST),
    sizeMax: numberOf(values['max-qsize'], 1000, Number.MAX_SAFE_INTEGER),
    backoffSeconds: numberOf(values['backoff-interval'], 30, SECONDS_MOST),
    intervalMaxSeconds: numberOf(values['max-interval'], 600, SECONDS_MOST),
    file: isConsole ? '' : resolve(values.log === undefined || values.log === '' ? file : values.log),
  }
}

function numberOf(text: string | undefined, usual: number, most: number): number {
  if (text === undefined) return usual
  const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : 0
  if (value < 1 || value > most)
    throw new ToolError(`"${text}" is not a number from 1 to ${most}\n\n${USAGE}`, 1)
  return value
}

/** Writes the lines; see `zmstatMtaqueue`. */
export class MtaQueueMonitor {
  readonly #options: MtaQueueOptions
  readonly #deps: MtaQueueDeps
  #day = ''
  #headed = false

  constructor(options: MtaQueueOptions, deps: MtaQueueDeps) {
    this.#options = options
    this.#deps = deps
  }

  /** Sets the file aside under its day; the next line begins a new one. */
  rotate(): void {
    const { file } = this.#options
    if (file === '' || this.#day === '' || !existsSync(file)) return
    const folder = join(dirname(file), this.#day)
    mkdirSync(folder, { recursive: true })
    const first = join(folder, basename(file))
    let free = first
    for (let n = 1; existsSync(free); n++) free = `${first}.${n}`
    renameSync(file, free)
  }

  /** Until it is told to end. */
  async run(): Promise<void> {
    const { clock, signal } = this.#deps
    const { intervalSeconds } = this.#options
    let seconds = intervalSeconds
    do {
      const found = await this.#line()
      if (found !== undefined) seconds = this.#next(seconds, found.messages)
    } while (await elapsed(clock, seconds * 1000, signal))
  }

  async #line(): Promise<QueueTotals | undefined> {
    const { clock, totals, warn } = this.#deps
    try {
      const found = await totals()
      const nowMs = clock.nowMs()
      const day = isoDay(nowMs)
      if (this.#day !== '' && this.#day !== day) this.rotate()
      this.#day = day
      await this.#write(`${zmstatTime(nowMs)}, ${found.kilobytes}, ${found.messages}\n`)
      return found
    } catch (error) {
      // A line that says 0 would be a lie; the next one is tried at its time.
      warn(`zmstat-mtaqueue: ${errorText(error)}`)
      return undefined
    }
  }

  async #write(line: string): Promise<void> {
    const { file } = this.#options
    if (file === '') {
      await print([this.#headed ? line : `${HEADING}${line}`])
      this.#headed = true
      return
    }
    mkdirSync(dirname(file), { recursive: true })
    appendFileSync(file, existsSync(file) ? line : `${HEADING}${line}`)
  }

  #next(seconds: number, messages: number): number {
    const { sizeMax, intervalSeconds, backoffSeconds, intervalMaxSeconds } = this.#options
    if (messages <= sizeMax) return intervalSeconds
    return Math.max(intervalSeconds, Math.min(seconds + backoffSeconds, intervalMaxSeconds))
  }
}
