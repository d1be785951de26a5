import { userInfo } from 'node:os'
import { CommandError } from '#src/admin/command-error.ts'
import { queuePathsOf } from '#src/admin/queue-paths.ts'
import { systemClock } from '#src/base/clock.ts'
import type { Config } from '#src/config/config.ts'
import { pathsOf } from '#src/config/paths.ts'
import { HealthReader } from '#src/health/reader.ts'
import { askLine } from '#src/net/ask-line.ts'
import { isRecord } from '#src/net/frames.ts'
import type { QueueAccess } from '#src/queue/tool-access.ts'

export type Answer = Readonly<Record<string, unknown>>

/** A reload of a large signature folder takes its time. */
const ANSWER_MS = 60_000
const ANSWER_CHARS_MAX = 16 * 1024 * 1024

/** The running appliance, or the files of one that rests, as the pages reach it. */
export class Appliance {
  readonly config: Config
  /** Why the configuration was not read, and defaults stand here; '' where it was. */
  readonly configTrouble: string
  readonly health: HealthReader
  readonly #controlSocket: string

  constructor(config: Config, configTrouble = '') {
    this.config = config
    this.configTrouble = configTrouble
    this.#controlSocket = pathsOf(config.dataFolder).controlSocket
    this.health = new HealthReader(this.#controlSocket, systemClock)
  }

  /** Has master do something; throws a CommandError where it does not, or does not run. */
  async master(command: string, words: readonly string[] = []): Promise<Answer> {
    const reply = await this.masterIfThere(command, words)
    if (reply === undefined) throw new CommandError('Postern does not run; the status page starts it')
    return reply
  }

  /** The same; undefined where none runs. What was changed in the directory since `sinceMs` is this operator's. */
  async masterIfThere(
    command: string,
    words: readonly string[] = [],
    sinceMs?: number,
  ): Promise<Answer | undefined> {
    return await askFor(this.#controlSocket, { command, words, by: actor(), sinceMs })
  }

  /** The queue, with the daemon up or down; for one question, since without a daemon it is locked meanwhile. */
  async queue<T>(work: (queue: QueueAccess) => Promise<T>): Promise<T> {
    // Loaded when it is wanted: a status page needs neither SQLite nor the writer of the queue.
    const { openQueue } = await import('#src/queue/tool-access.ts')
    await using access = await openQueue(queuePathsOf(this.config))
    return await work(access)
  }
}

/** Who acts, for the trace of what is done. */
export function actor(): string {
  try {
    return `${userInfo().username} (console)`
  } catch {
    // A number without a name.
    return 'console'
  }
}

/** Asks whoever listens on a socket of our kind; undefined where nobody does. Throws a CommandError with its words. */
export async function askFor(
  socket: string,
  request: {
    readonly command: string
    readonly words: readonly string[]
    readonly by?: string
    readonly sinceMs?: number | undefined
  },
  answerMs = ANSWER_MS,
): Promise<Answer | undefined> {
  const limits = { answerMs, charsMax: ANSWER_CHARS_MAX }
  const line = await askLine(socket, JSON.stringify(request), limits)
  if (line === undefined) return undefined
  const reply: unknown = JSON.parse(line)
  if (!isRecord(reply)) throw new CommandError('the answer is no object')
  if (reply['ok'] !== true) throw new CommandError(String(reply['error']))
  return reply
}
