import { readPairs } from '#src/directory/admin/attributes.ts'
import type { AttributePair } from '#src/directory/admin/attributes.ts'
import type { Provisioning } from '#src/directory/admin/lookup.ts'
import type { SourceNotes } from './effective.ts'
import { attributeNote, deprecation } from '#src/admin/rules.ts'

/** zmprov's headings of its help. */
export const CATEGORIES = {
  account: 'help on account-related commands',
  commands: 'help on all commands',
  config: 'help on config-related commands',
  domain: 'help on domain-related commands',
  list: 'help on distribution list-related commands',
  misc: 'help on misc commands',
  search: 'help on search-related commands',
  server: 'help on server-related commands',
} as const

export type Category = keyof typeof CATEGORIES

/** What a command works with. */
export interface Context {
  readonly p: Provisioning
  /** Whether secrets are shown. */
  readonly reveal: boolean
  /** Where the values in force come from; read when a command asks for it. */
  readonly sources: () => Promise<SourceNotes>
  /** A sentence beside the output: for people, and never part of it. */
  readonly note: (text: string) => void
  /** Failed logins of an account are forgotten by the daemon, if it runs. */
  readonly forgive: (address: string) => Promise<void>
}

export type Output = AsyncIterable<string>

export interface Command {
  readonly name: string
  readonly alias: string
  readonly help: string
  readonly category: Category
  /** Words behind the name. */
  readonly least: number
  readonly most: number
  /** What it changes: after settings the daemon reads them anew; entries it sees by itself. */
  readonly changes: 'nothing' | 'entries' | 'settings'
  readonly run: (context: Context, args: readonly string[]) => Output
}

/** The command was wrongly called: its own usage is shown. */
export class CommandUsage extends Error {}

/** A command that prints nothing. */
export async function* silent(work: () => Promise<void>): Output {
  await work()
  yield ''
}

/** A command that prints one line: the id of what it made. */
export async function* line(work: () => Promise<string>): Output {
  yield `${await work()}\n`
}

/** Values of a command, with a line about those that are deprecated, as in the original. */
export async function* withPairs(
  context: Context,
  words: readonly string[],
  work: (pairs: readonly AttributePair[]) => Output,
): Output {
  const pairs = pairsOf(words)
  const names = [...new Set(pairs.map(({ name }) => name))]
  const warnings = names.map(deprecation).filter((one) => one !== undefined)
  if (warnings.length > 0) yield `${warnings.join('\n')}\n\n`
  yield* work(pairs)
  for (const name of names) {
    const note = attributeNote(name)
    if (note !== undefined) context.note(note)
  }
}

function pairsOf(words: readonly string[]): readonly AttributePair[] {
  const pairs = readPairs(words)
  if (pairs === undefined) throw new CommandUsage('not enough arguments')
  return pairs
}

/** `-v`, `-e` and the like in front of a command's words. */
export function flagsOf(
  args: readonly string[],
  known: readonly string[],
): { readonly flags: ReadonlySet<string>; readonly words: readonly string[] } {
  const flags = new Set<string>()
  let at = 0
  for (; at < args.length && known.includes(args[at] ?? ''); at += 1) flags.add(args[at] ?? '')
  return { flags, words: args.slice(at) }
}
