import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { parseSize, sizeText } from './table.ts'

export const SERVERS = ['postern', 'postfix-default', 'postfix-tuned'] as const
export type ServerName = (typeof SERVERS)[number]

/** The three parts of the bench: fill letters, real MIME mail, and fill letters on a disk with slow flushes. */
export const PARTS = ['plain', 'mime', 'slow'] as const
export type Part = (typeof PARTS)[number]

/** One load: what is measured for every server in turn. */
export interface Load {
  readonly part: Part
  readonly sizeBytes: number
  readonly sessions: number
  /** Many messages over one connection, or a new connection for each. */
  readonly reused: boolean
}

export interface Options {
  readonly loads: readonly Load[]
  readonly servers: readonly ServerName[]
  readonly rounds: number
  /** About how long the client sends in one run. */
  readonly seconds: number
  /** About how long every server is sent mail before anything is counted. */
  readonly warmUpSeconds: number
  /** Where queues, logs and compiled helpers lie; a folder of our own is made in it and removed. */
  readonly dir: string
  readonly out: string | undefined
  readonly cpuProf: boolean
  /** How long one flush takes in part 'slow', microseconds. */
  readonly flushUs: number
  /** Leaves the folder with logs, configuration and profiles behind. */
  readonly keep: boolean
}

export const USAGE = `usage: node test/bench/run.ts [options]

  --quick               a choice of loads in about three minutes
  --sizes 1k,10k,...    sizes of the message body
  --sessions 1,20,100   clients at once
  --reuse both|yes|no   many messages over a connection, one, or both
  --parts plain,mime,slow  fill letters; MIME mail with an attachment; a disk with slow flushes
  --slow                the same as --parts slow
  --only NAME,...       servers: postern, postfix-default, postfix-tuned
  --rounds N            rounds, interleaved server by server (3)
  --seconds S           about how long the client sends in a run (2)
  --warm-up S           how long each server is sent mail before it is measured (10)
  --flush-us N          microseconds that a flush takes in part slow (2000)
  --dir DIR             the disk to measure on (/var/tmp)
  --out FILE            every single run as JSON
  --cpu-prof            profile smtpd and qmgr and print where their time goes (Postern alone)
  --keep                leave logs and profiles behind
`

const SIZES = [1024, 10_240, 102_400, 1_048_576]
const SESSIONS = [1, 20, 100]

/** A word of the command line that we do not understand; the message is for the person who typed it. */
export class UsageError extends Error {}

/** The options, or a `UsageError`; undefined where help was asked for. */
export function parseOptions(argv: readonly string[]): Options | undefined {
  const { values } = parse(argv)
  if (values.help === true) return undefined
  const quick = values.quick === true
  const cpuProf = values['cpu-prof'] === true
  return {
    loads: plan(values, quick || cpuProf),
    servers: cpuProf ? ['postern'] : (words(values.only, SERVERS, '--only') ?? SERVERS),
    rounds: number(values.rounds, cpuProf || quick ? 2 : 3, '--rounds'),
    seconds: number(values.seconds, cpuProf ? 5 : quick ? 1.2 : 2, '--seconds'),
    warmUpSeconds: number(values['warm-up'], 10, '--warm-up'),
    dir: values.dir ?? '/var/tmp',
    out: values.out,
    cpuProf,
    flushUs: number(values['flush-us'], 2000, '--flush-us'),
    keep: values.keep === true,
  }
}

const STRING = { type: 'string' } as const
const FLAG = { type: 'boolean' } as const

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        quick: FLAG,
        sizes: STRING,
        sessions: STRING,
        reuse: STRING,
        parts: STRING,
        slow: FLAG,
        only: STRING,
        rounds: STRING,
        seconds: STRING,
        'warm-up': STRING,
        'flush-us': STRING,
        dir: STRING,
        out: STRING,
        'cpu-prof': FLAG,
        keep: FLAG,
        help: FLAG,
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

interface Choice {
  readonly sizes?: string
  readonly sessions?: string
  readonly reuse?: string
  readonly parts?: string
  readonly slow?: boolean
  readonly 'cpu-prof'?: boolean
}

/**
 * Which loads: where none of the axes is named, the short list (quick, profile) or the whole matrix. The slow
 * disk and MIME mail are not crossed with every size: what they show does not depend on it.
 */
function plan(choice: Choice, short: boolean): readonly Load[] {
  const parts = words(choice.slow === true ? 'slow' : choice.parts, PARTS, '--parts')
  if (choice.sizes === undefined && choice.sessions === undefined && choice.reuse === undefined) {
    const all = choice['cpu-prof'] === true && parts === undefined ? PROFILE : short ? QUICK : FULL
    return parts === undefined ? all : all.filter((load) => parts.includes(load.part))
  }
  return cross({
    parts: parts ?? ['plain'],
    sizes: choice.sizes?.split(',').map(size) ?? [10_240],
    sessions: choice.sessions?.split(',').map((text) => count(text)) ?? [20],
    reuse: reuse(choice.reuse),
  })
}

interface Axes {
  readonly parts: readonly Part[]
  readonly sizes: readonly number[]
  readonly sessions: readonly number[]
  readonly reuse: readonly boolean[]
}

function cross(axes: Axes): Load[] {
  return axes.parts.flatMap((part) =>
    axes.sizes.flatMap((sizeBytes) =>
      axes.sessions.flatMap((sessions) =>
        axes.reuse.map((reused) => ({ part, sizeBytes, sessions, reused })),
      ),
    ),
  )
}

const FULL: readonly Load[] = [
  ...cross({ parts: ['plain'], sizes: SIZES, sessions: SESSIONS, reuse: [true, false] }),
  ...cross({ parts: ['mime'], sizes: [10_240, 102_400, 1_048_576], sessions: [20], reuse: [true] }),
  ...cross({ parts: ['slow'], sizes: [10_240], sessions: SESSIONS, reuse: [true] }),
  ...cross({ parts: ['slow'], sizes: [102_400], sessions: [20], reuse: [true] }),
]

const QUICK: readonly Load[] = [
  { part: 'plain', sizeBytes: 10_240, sessions: 20, reused: true },
  { part: 'plain', sizeBytes: 10_240, sessions: 20, reused: false },
  { part: 'plain', sizeBytes: 10_240, sessions: 1, reused: true },
  { part: 'plain', sizeBytes: 102_400, sessions: 20, reused: true },
  { part: 'plain', sizeBytes: 1_048_576, sessions: 20, reused: true },
  { part: 'mime', sizeBytes: 102_400, sessions: 20, reused: true },
  { part: 'slow', sizeBytes: 10_240, sessions: 1, reused: true },
  { part: 'slow', sizeBytes: 10_240, sessions: 20, reused: true },
]

const PROFILE: readonly Load[] = [{ part: 'plain', sizeBytes: 10_240, sessions: 20, reused: true }]

/** `10 KiB, 20 sessions, reused` */
export function loadText(load: Load): string {
  const kind = load.part === 'mime' ? ' MIME' : ''
  const sessions = `${load.sessions} session${load.sessions === 1 ? '' : 's'}`
  return `${sizeText(load.sizeBytes)}${kind}, ${sessions}, ${load.reused ? 'reused' : 'one per connection'}`
}

function words<T extends string>(
  text: string | undefined,
  known: readonly T[],
  option: string,
): T[] | undefined {
  return text?.split(',').map((word) => {
    const found = known.find((name) => name === word)
    if (found === undefined) throw new UsageError(`${option}: ${word} is none of ${known.join(', ')}`)
    return found
  })
}

function reuse(text: string | undefined): boolean[] {
  switch (text) {
    case undefined:
    case 'both':
      return [true, false]
    case 'yes':
      return [true]
    case 'no':
      return [false]
    default:
      throw new UsageError(`--reuse: ${text} is none of both, yes, no`)
  }
}

function size(text: string): number {
  const bytes = parseSize(text)
  if (bytes === undefined || bytes < 1) throw new UsageError(`--sizes: ${text} is no size, such as 10k`)
  return bytes
}

/** smtp-source opens a file descriptor a session; more than this is not what a bench on one box is for. */
const SESSIONS_MAX = 1000

function count(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > SESSIONS_MAX) {
    throw new UsageError(`--sessions: ${text} is not between 1 and ${SESSIONS_MAX}`)
  }
  return value
}

function number(text: string | undefined, otherwise: number, option: string): number {
  if (text === undefined) return otherwise
  const value = Number(text)
  if (!Number.isFinite(value) || value <= 0) throw new UsageError(`${option}: ${text} is no number above 0`)
  return value
}

/** The machine in one line, for the head of the report. */
export function machineText(): string {
  const all = cpus()
  return `${all.length} CPUs, ${all[0]?.model.trim() ?? 'unknown'}`
}
