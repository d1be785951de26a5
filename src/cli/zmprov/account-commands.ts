import {
  createAccount,
  deleteAccount,
  modifyAccount,
  renameAccount,
  setPassword,
  statusGiven,
} from '#src/directory/admin/accounts.ts'
import { addAlias, removeAlias } from '#src/directory/admin/aliases.ts'
import { account, domain, everyAccount } from '#src/directory/admin/lookup.ts'
import type { AttributePair } from '#src/directory/admin/attributes.ts'
import { membershipsOf } from '#src/directory/admin/lists.ts'
import { addressOf, domainNameOf } from '#src/directory/admin/naming.ts'
import type { AdminEntry } from '#src/directory/admin/store.ts'
import { valueOf } from '#src/directory/admin/store.ts'
import type { Command, Context, Output } from './command.ts'
import { CommandUsage, flagsOf, line, silent, withPairs } from './command.ts'
import type { Wanted } from './dump.ts'
import { dumpAttributes, wantedOf } from './dump.ts'

const ANY = Number.MAX_SAFE_INTEGER

async function* getAccount(context: Context, args: readonly string[]): Output {
  const { words } = flagsOf(args, ['-e'])
  const [key, ...names] = words
  if (key === undefined) throw new CommandUsage('not enough arguments')
  yield* dumpAccount(context, await account(context.p, key), wantedOf(names))
}

export function* dumpAccount(context: Context, entry: AdminEntry, wanted: Wanted): Generator<string> {
  yield `# name ${addressOf(entry)}\n`
  yield* dumpAttributes(entry.attributes, { wanted, reveal: context.reveal })
  yield '\n'
}

async function* getAllAccounts(context: Context, args: readonly string[]): Output {
  const { isVerbose, host, words } = allAccountsOptions(args)
  const name = words[0] === undefined ? undefined : domainNameOf(await domain(context.p, words[0]))
  for await (const entry of everyAccount(context.p, name)) {
    if (host !== undefined && valueOf(entry, 'zimbraMailHost') !== host) continue
    if (isVerbose) yield* dumpAccount(context, entry, undefined)
    else yield `${addressOf(entry)}\n`
  }
}

function allAccountsOptions(args: readonly string[]) {
  const words: string[] = []
  let host: string | undefined
  for (let i = 0; i < args.length; i += 1) {
    const arg = args[i] ?? ''
    if (arg === '-s') {
      i += 1
      host = args[i]
      if (host === undefined) throw new CommandUsage('not enough arguments')
    } else if (arg !== '-v' && arg !== '-e') {
      words.push(arg)
    }
  }
  if (words.length > 1)
    throw new CommandUsage(`invalid arg: ${words[1] ?? ''}, already specified domain: ${words[0] ?? ''}`)
  if (args.includes('-e') && !args.includes('-v'))
    throw new CommandUsage('arg -e is invalid unless -v is also specified')
  return { isVerbose: args.includes('-v'), host, words }
}

async function* getMembership(context: Context, args: readonly string[]): Output {
  const { flags, words } = flagsOf(args, ['-i'])
  const [key] = words
  if (key === undefined) throw new CommandUsage('not enough arguments')
  for (const { list, via } of await membershipsOf(context.p, key)) {
    if (flags.has('-i')) yield `${valueOf(list, 'zimbraId') ?? ''}\n`
    else yield `${addressOf(list)}${via === undefined ? '' : ` (via ${via})`}\n`
  }
}

async function addAccountAlias({ p }: Context, key: string, alias: string): Promise<void> {
  await addAlias(p, await account(p, key), alias)
}

async function removeAccountAlias({ p }: Context, key: string, alias: string): Promise<void> {
  await removeAlias(p, await account(p, key), alias)
}

/** As in Zimbra's AccountStatus: whoever makes an account active ends its lock-out. */
async function changeAccount(
  { p, forgive }: Context,
  key: string,
  pairs: readonly AttributePair[],
): Promise<void> {
  await modifyAccount(p, key, pairs)
  if (statusGiven(pairs) === 'active') await forgive(addressOf(await account(p, key)))
}

const COMMON = { category: 'account', changes: 'entries' } as const

export const ACCOUNT_COMMANDS: readonly Command[] = [
  {
    ...COMMON,
    name: 'createAccount',
    alias: 'ca',
    help: '{name@domain} {password} [attr1 value1 [attr2 value2...]]',
    least: 2,
    most: ANY,
    run: (context, [name = '', password = '', ...words]) =>
      withPairs(context, words, (pairs) => line(() => createAccount(context.p, name, password, pairs))),
  },
  {
    ...COMMON,
    name: 'getAccount',
    alias: 'ga',
    help: '[-e] {name@domain|id} [attr1 [attr2...]]',
    least: 1,
    most: ANY,
    changes: 'nothing',
    run: getAccount,
  },
  {
    ...COMMON,
    name: 'getAllAccounts',
    alias: 'gaa',
    help: '[-v] [-e] [-s server] [{domain}]',
    least: 0,
    most: 5,
    changes: 'nothing',
    run: getAllAccounts,
  },
  {
    ...COMMON,
    name: 'modifyAccount',
    alias: 'ma',
    help: '{name@domain|id} [attr1 value1 [attr2 value2...]]',
    least: 3,
    most: ANY,
    run: (context, [key = '', ...words]) =>
      withPairs(context, words, (pairs) => silent(() => changeAccount(context, key, pairs))),
  },
  {
    ...COMMON,
    name: 'deleteAccount',
    alias: 'da',
    help: '{name@domain|id}',
    least: 1,
    most: 1,
    run: (context, [key = '']) => silent(() => deleteAccount(context.p, key)),
  },
  {
    ...COMMON,
    name: 'setPassword',
    alias: 'sp',
    help: '{name@domain|id} {password}',
    least: 2,
    most: 2,
    run: (context, [key = '', password = '']) => silent(() => setPassword(context.p, key, password)),
  },
  {
    ...COMMON,
    name: 'renameAccount',
    alias: 'ra',
    help: '{name@domain|id} {newName@domain}',
    least: 2,
    most: 2,
    run: (context, [key = '', name = '']) => silent(() => renameAccount(context.p, key, name)),
  },
  {
    ...COMMON,
    name: 'addAccountAlias',
    alias: 'aaa',
    help: '{name@domain|id} {alias@domain}',
    least: 2,
    most: 2,
    run: (context, [key = '', alias = '']) => silent(() => addAccountAlias(context, key, alias)),
  },
  {
    ...COMMON,
    name: 'removeAccountAlias',
    alias: 'raa',
    help: '{name@domain|id} {alias@domain}',
    least: 2,
    most: 2,
    run: (context, [key = '', alias = '']) => silent(() => removeAccountAlias(context, key, alias)),
  },
  {
    ...COMMON,
    name: 'getAccountMembership',
    alias: 'gam',
    help: '[-i] {name@domain|id}',
    least: 1,
    most: 2,
    changes: 'nothing',
    run: getMembership,
  },
]
