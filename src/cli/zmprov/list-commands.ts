import { addAlias, removeAlias } from '#src/directory/admin/aliases.ts'
import {
  addMembers,
  createList,
  deleteList,
  membersOf,
  modifyList,
  removeMembers,
  renameList,
} from '#src/directory/admin/lists.ts'
import { domain, everyList, list } from '#src/directory/admin/lookup.ts'
import { addressOf, domainNameOf } from '#src/directory/admin/naming.ts'
import type { AdminEntry } from '#src/directory/admin/store.ts'
import type { Command, Context, Output } from './command.ts'
import { CommandUsage, line, silent, withPairs } from './command.ts'
import type { Wanted } from './dump.ts'
import { dumpAttributes, wantedOf } from './dump.ts'

const ANY = Number.MAX_SAFE_INTEGER

async function* getList(context: Context, [key = '', ...names]: readonly string[]): Output {
  yield* dumpList(context, await list(context.p, key), wantedOf(names))
}

export function* dumpList(context: Context, entry: AdminEntry, wanted: Wanted): Generator<string> {
  yield headOf(entry)
  yield* dumpAttributes(entry.attributes, { wanted, reveal: context.reveal })
  yield '\nmembers\n'
  for (const member of membersOf(entry)) yield `${member}\n`
}

function headOf(entry: AdminEntry): string {
  return `# distributionList ${addressOf(entry)} memberCount=${membersOf(entry).length}\n`
}

async function* getMembers(context: Context, [key = '']: readonly string[]): Output {
  const entry = await list(context.p, key)
  yield `${headOf(entry)}\nmembers\n`
  for (const member of membersOf(entry)) yield `${member}\n`
}

async function* getAllLists(context: Context, args: readonly string[]): Output {
  const words = args.filter((arg) => arg !== '-v')
  if (words.length > 1)
    throw new CommandUsage(`invalid arg: ${words[1] ?? ''}, already specified domain: ${words[0] ?? ''}`)
  const name = words[0] === undefined ? undefined : domainNameOf(await domain(context.p, words[0]))
  for await (const entry of everyList(context.p, name)) {
    if (args.includes('-v')) yield* dumpList(context, entry, undefined)
    else yield `${addressOf(entry)}\n`
  }
}

async function addListAlias({ p }: Context, key: string, alias: string): Promise<void> {
  await addAlias(p, await list(p, key), alias)
}

async function removeListAlias({ p }: Context, key: string, alias: string): Promise<void> {
  await removeAlias(p, await list(p, key), alias)
}

const COMMON = { category: 'list', changes: 'entries' } as const

export const LIST_COMMANDS: readonly Command[] = [
  {
    ...COMMON,
    name: 'createDistributionList',
    alias: 'cdl',
    help: '{list@domain} [attr1 value1 [attr2 value2...]]',
    least: 1,
    most: ANY,
    run: (context, [name = '', ...words]) =>
      withPairs(context, words, (pairs) => line(() => createList(context.p, name, pairs))),
  },
  {
    ...COMMON,
    name: 'getDistributionList',
    alias: 'gdl',
    help: '{list@domain|id} [attr1 [attr2...]]',
    least: 1,
    most: ANY,
    changes: 'nothing',
    run: getList,
  },
  {
    ...COMMON,
    name: 'getDistributionListMembership',
    alias: 'gdlm',
    help: '{name@domain|id}',
    least: 1,
    most: 1,
    changes: 'nothing',
    run: getMembers,
  },
  {
    ...COMMON,
    name: 'getAllDistributionLists',
    alias: 'gadl',
    help: '[-v] [{domain}]',
    least: 0,
    most: 2,
    changes: 'nothing',
    run: getAllLists,
  },
  {
    ...COMMON,
    name: 'modifyDistributionList',
    alias: 'mdl',
    help: '{list@domain|id} attr1 value1 [attr2 value2...]',
    least: 3,
    most: ANY,
    run: (context, [key = '', ...words]) =>
      withPairs(context, words, (pairs) => silent(() => modifyList(context.p, key, pairs))),
  },
  {
    ...COMMON,
    name: 'deleteDistributionList',
    alias: 'ddl',
    help: '{list@domain|id}',
    least: 1,
    most: 1,
    run: (context, [key = '']) => silent(() => deleteList(context.p, key)),
  },
  {
    ...COMMON,
    name: 'renameDistributionList',
    alias: 'rdl',
    help: '{list@domain|id} {newName@domain}',
    least: 2,
    most: 2,
    run: (context, [key = '', name = '']) => silent(() => renameList(context.p, key, name)),
  },
  {
    ...COMMON,
    name: 'addDistributionListMember',
    alias: 'adlm',
    help: '{list@domain|id} {member@domain}+',
    least: 2,
    most: ANY,
    run: (context, [key = '', ...members]) => silent(() => addMembers(context.p, key, members)),
  },
  {
    ...COMMON,
    name: 'removeDistributionListMember',
    alias: 'rdlm',
    help: '{list@domain|id} {member@domain}+',
    least: 2,
    most: ANY,
    run: (context, [key = '', ...members]) => silent(() => removeMembers(context.p, key, members)),
  },
  {
    ...COMMON,
    name: 'addDistributionListAlias',
    alias: 'adla',
    help: '{list@domain|id} {alias@domain}',
    least: 2,
    most: 2,
    run: (context, [key = '', alias = '']) => silent(() => addListAlias(context, key, alias)),
  },
  {
    ...COMMON,
    name: 'removeDistributionListAlias',
    alias: 'rdla',
    help: '{list@domain|id} {alias@domain}',
    least: 2,
    most: 2,
    run: (context, [key = '', alias = '']) => silent(() => removeListAlias(context, key, alias)),
  },
]
