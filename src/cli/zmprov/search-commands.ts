import { ACCOUNT, ALIAS, domain, LIST } from '#src/directory/admin/lookup.ts'
import { addressOf, domainDn, domainNameOf } from '#src/directory/admin/naming.ts'
import { invalidRequest } from '#src/directory/admin/refusal.ts'
import type { AdminEntry, Match } from '#src/directory/admin/store.ts'
import { all, any, valueOf, valuesOf } from '#src/directory/admin/store.ts'
import { dumpAccount } from './account-commands.ts'
import type { Command, Context, Output } from './command.ts'
import { CommandUsage, flagsOf } from './command.ts'
import { dumpAttributes } from './dump.ts'
import { dumpList } from './list-commands.ts'

/** Entries that are sorted in memory, by name or by `sortBy`: one takes a few hundred bytes. */
const SORTED_MAX = 1_000_000

const TYPES: ReadonlyMap<string, Match> = new Map([
  ['accounts', ACCOUNT],
  ['resources', ACCOUNT],
  ['aliases', ALIAS],
  ['distributionlists', LIST],
  ['dynamicgroups', LIST],
])

interface Options {
  readonly limit: number
  readonly offset: number
  readonly sortBy: string | undefined
  readonly isAscending: boolean
  readonly domain: string | undefined
  readonly types: Match
}

/** `sa {ldap-query}`: accounts, aliases and lists that a filter of LDAP finds, sorted. */
async function* searchAccounts(context: Context, args: readonly string[]): Output {
  const { flags, words } = flagsOf(args, ['-v'])
  const [query, ...rest] = words
  if (query === undefined) throw new CommandUsage('not enough arguments')
  const options = optionsOf(rest)
  const { parseFilter } = await import('#src/directory/admin/filter.ts')
  const base =
    options.domain === undefined ? '' : domainDn(domainNameOf(await domain(context.p, options.domain)))
  const found: { readonly key: string; readonly entry: AdminEntry }[] = []
  for await (const entry of context.p.store.find(base, all(options.types, parseFilter(query)))) {
    if (found.length >= SORTED_MAX) throw invalidRequest(`more than ${SORTED_MAX} entries are found`)
    const by = options.sortBy === undefined ? undefined : valueOf(entry, options.sortBy)
    // Only what is shown of an entry that is one of many.
    found.push({ key: by ?? addressOf(entry), entry: flags.has('-v') ? entry : bare(entry) })
  }
  const direction = options.isAscending ? 1 : -1
  found.sort((a, b) => (a.key === b.key ? 0 : a.key < b.key ? -direction : direction))
  for (const { entry } of found.slice(options.offset, options.offset + options.limit))
    yield* flags.has('-v') ? dumped(context, entry) : [`${addressOf(entry)}\n`]
}

function bare(entry: AdminEntry): AdminEntry {
  return { dn: entry.dn, attributes: entry.attributes.filter(({ name }) => NAMING.has(name.toLowerCase())) }
}

/** What addressOf reads. */
const NAMING: ReadonlySet<string> = new Set(['zimbramaildeliveryaddress', 'zimbramailalias', 'mail'])

function* dumped(context: Context, entry: AdminEntry): Generator<string> {
  const classes = new Set(valuesOf(entry, 'objectClass').map((one) => one.toLowerCase()))
  if (classes.has('zimbraalias')) {
    yield `# alias ${addressOf(entry)}\n`
    yield* dumpAttributes(entry.attributes, { wanted: undefined, reveal: context.reveal })
    yield '\n'
  } else if (classes.has('zimbraaccount')) {
    yield* dumpAccount(context, entry, undefined)
  } else {
    yield* dumpList(context, entry, undefined)
  }
}

function optionsOf(words: readonly string[]): Options {
  if (words.length % 2 !== 0) throw new CommandUsage('not enough arguments')
  const given = new Map<string, string>()
  for (let i = 0; i < words.length; i += 2) given.set(words[i] ?? '', words[i + 1] ?? '')
  const types = (given.get('types') ?? [...TYPES.keys()].join(',')).split(',').map((name) => {
    const type = TYPES.get(name.trim().toLowerCase())
    if (type === undefined)
      throw invalidRequest(`no such type: ${name}; there are ${[...TYPES.keys()].join(', ')}`)
    return type
  })
  return {
    limit: numberOf(given.get('limit'), SORTED_MAX),
    offset: numberOf(given.get('offset'), 0),
    sortBy: given.get('sortBy'),
    isAscending: (given.get('sortAscending') ?? '1') === '1',
    domain: given.get('domain'),
    types: any(...new Set(types)),
  }
}

function numberOf(text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback
  if (!/^\d{1,9}$/.test(text)) throw invalidRequest(`${text} is no number`)
  return Number(text)
}

export const SEARCH_COMMANDS: readonly Command[] = [
  {
    name: 'searchAccounts',
    alias: 'sa',
    help: '[-v] {ldap-query} [limit {limit}] [offset {offset}] [sortBy {attr}] [sortAscending 0|1*] [domain {domain}]',
    category: 'search',
    least: 1,
    most: Number.MAX_SAFE_INTEGER,
    changes: 'nothing',
    run: searchAccounts,
  },
]
