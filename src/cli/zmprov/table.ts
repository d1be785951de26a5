import { ACCOUNT_COMMANDS } from './account-commands.ts'
import type { Category, Command } from './command.ts'
import { CATEGORIES } from './command.ts'
import { CONFIG_COMMANDS } from './config-commands.ts'
import { DESCRIBE } from './describe.ts'
import { DOMAIN_COMMANDS } from './domain-commands.ts'
import { LIST_COMMANDS } from './list-commands.ts'
import { SEARCH_COMMANDS } from './search-commands.ts'

const COMMANDS: readonly Command[] = [
  ...ACCOUNT_COMMANDS,
  ...CONFIG_COMMANDS,
  ...DOMAIN_COMMANDS,
  ...LIST_COMMANDS,
  ...SEARCH_COMMANDS,
  DESCRIBE,
]

/** By name and by alias, in lower case: zmprov takes both in any case. */
const BY_NAME: ReadonlyMap<string, Command> = new Map(
  COMMANDS.flatMap((one) => [
    [one.name.toLowerCase(), one] as const,
    [one.alias.toLowerCase(), one] as const,
  ]),
)

export function findCommand(name: string): Command | undefined {
  return BY_NAME.get(name.toLowerCase())
}

export function usageOf(command: Command): string {
  return `usage:  ${command.name}(${command.alias}) ${command.help}\n`
}

/** `zmprov help [category]`. */
export function helpText(word: string | undefined): string {
  const wanted = word?.toLowerCase() ?? ''
  const category = wanted === '' ? undefined : categoryNames().find((one) => one.startsWith(wanted))
  if (category === undefined) {
    const lines = categoryNames().map((one) => `     zmprov help ${one.padEnd(15)} ${CATEGORIES[one]}`)
    return ` zmprov is used for provisioning. Try:\n\n${lines.join('\n')}\n\n`
  }
  const shown = COMMANDS.filter((one) => category === 'commands' || one.category === category)
  const lines = shown
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((one) => `  ${one.name}(${one.alias}) ${one.help}\n`)
  return `\n${lines.join('\n')}\n`
}

function categoryNames(): readonly Category[] {
  // oxlint-disable-next-line no-unsafe-type-assertion -- Object.keys forgets which keys an object literal has
  return Object.keys(CATEGORIES) as Category[]
}
