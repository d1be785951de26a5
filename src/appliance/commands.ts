import type { ImageCommand } from '#src/admin/image-commands.ts'
import { errorText } from '#src/base/fault.ts'
import type { ControlAnswer } from '#src/net/control-server.ts'

/** `text` is a sentence for whoever asked, `lines` are for a page. */
export type CommandAnswer =
  | (Facts & { readonly ok: true; readonly text?: string; readonly lines?: readonly string[] })
  | { readonly ok: false; readonly error: string }

type Facts = Readonly<Record<string, unknown>>

export type CommandHandler = (words: readonly string[]) => Promise<CommandAnswer>

/** What the helper can do; each part of it brings its own. */
export type Commands = Readonly<Partial<Record<ImageCommand, CommandHandler>>>

/** Words of one request, and characters of one word: no path or name is longer. */
const WORDS_MAX = 16
const WORD_CHARS_MAX = 4096

/** Answers the requests of the socket by the table; what is thrown is an answer too, and the helper goes on. */
export function dispatcher(commands: Commands, told: (command: string) => void) {
  const table: ReadonlyMap<string, CommandHandler | undefined> = new Map(Object.entries(commands))
  return async (command: string, words: readonly string[]): Promise<ControlAnswer> => {
    const handler = table.get(command)
    if (handler === undefined)
      return refused(`the command ${JSON.stringify(command.slice(0, 40))} is not known`)
    if (words.length > WORDS_MAX || words.some((word) => word.length > WORD_CHARS_MAX || word.includes('\0')))
      return refused('too many words, or one that cannot be')
    told(command)
    try {
      return await handler(words)
    } catch (error) {
      return refused(errorText(error))
    }
  }
}

/** Says no, with a clause that says why. */
export function refused(error: string): CommandAnswer {
  return { ok: false, error }
}
