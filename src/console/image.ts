import { existsSync } from 'node:fs'
import { usualUpdateUrl } from '#src/admin/provision-report.ts'
import { keysBeside } from '#src/admin/update-keys.ts'
import { CommandError } from '#src/admin/command-error.ts'
import type { ImageCommand } from '#src/admin/image-commands.ts'
import { UPDATE_MS } from '#src/admin/image-commands.ts'
import { askFor } from './appliance.ts'
import type { Answer } from './appliance.ts'

/** What pages say where there is no helper. */
export const NO_IMAGE = 'This is no appliance image: that is set with the means of this system.'

export class Image {
  readonly #socket: string

  constructor(socket: string) {
    this.#socket = socket
  }

  get isThere(): boolean {
    return existsSync(this.#socket)
  }

  /** Where updates are fetched from unless something else is said; '' for nowhere. */
  get updateUrl(): string {
    return usualUpdateUrl(this.#socket)
  }

  /** Where keys of updates are that the box was given. */
  get keysFolder(): string {
    return keysBeside(this.#socket)
  }

  /** Throws a CommandError with the helper's words, or where there is none, or it went away meanwhile. */
  async ask(command: ImageCommand, words: readonly string[] = []): Promise<Answer> {
    if (!this.isThere) throw new CommandError(NO_IMAGE)
    const limit = LONG.has(command) ? UPDATE_MS : undefined
    const answer = await askFor(this.#socket, { command, words }, limit)
    if (answer === undefined)
      throw new CommandError(
        'the helper of the image does not answer: it has ended, or the machine is going down',
      )
    return answer
  }

  /** How far an update is; throws as `ask` does. */
  async progress(): Promise<Progress> {
    const answer = await this.ask('progress')
    const { running, percent } = answer
    return {
      running: running === true,
      percent: typeof percent === 'number' ? Math.min(100, Math.max(0, percent)) : undefined,
      text: textOf(answer, ''),
    }
  }
}

/** Half a gigabyte is checked and written. */
const LONG: ReadonlySet<ImageCommand> = new Set(['update', 'update-stick'])

/** Of an update that somebody has started: this console, another, or the tool. */
export interface Progress {
  readonly running: boolean
  readonly percent: number | undefined
  readonly text: string
}

/** The lines of an answer. */
export function linesOf(answer: Answer): readonly string[] {
  return Array.isArray(answer['lines']) ? answer['lines'].map(String) : []
}

/** Its sentence, or another. */
export function textOf(answer: Answer, otherwise: string): string {
  return typeof answer['text'] === 'string' && answer['text'] !== '' ? answer['text'] : otherwise
}
