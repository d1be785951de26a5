import { existsSync } from 'node:fs'
import { CommandError } from '#src/admin/command-error.ts'
import type { ImageCommand } from '#src/admin/image-commands.ts'
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

  /** Throws a CommandError with the helper's words, or where there is none. */
  async ask(command: ImageCommand, words: readonly string[] = []): Promise<Answer> {
    const answer = await askFor(this.#socket, command, words)
    if (answer === undefined) throw new CommandError(NO_IMAGE)
    return answer
  }
}

/** The lines of an answer. */
export function linesOf(answer: Answer): readonly string[] {
  return Array.isArray(answer['lines']) ? answer['lines'].map(String) : []
}

/** Its sentence, or another. */
export function textOf(answer: Answer, otherwise: string): string {
  return typeof answer['text'] === 'string' && answer['text'] !== '' ? answer['text'] : otherwise
}
