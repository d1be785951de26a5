import { createAliasDomain, createDomain, deleteDomain, modifyDomain } from '#src/directory/admin/domains.ts'
import { domain, everyDomain, globalConfig } from '#src/directory/admin/lookup.ts'
import { domainNameOf } from '#src/directory/admin/naming.ts'
import type { AdminEntry } from '#src/directory/admin/store.ts'
import type { Command, Context, Output } from './command.ts'
import { CommandUsage, flagsOf, line, silent, withPairs } from './command.ts'
import type { Wanted } from './dump.ts'
import { dumpAttributes, wantedOf } from './dump.ts'
import { inherited } from './effective.ts'

const ANY = Number.MAX_SAFE_INTEGER

async function* getDomain(context: Context, args: readonly string[]): Output {
  const { flags, words } = flagsOf(args, ['-e'])
  const [key, ...names] = words
  if (key === undefined) throw new CommandUsage('not enough arguments')
  yield* dumpDomain(context, await domain(context.p, key), flags.has('-e'), wantedOf(names))
}

async function* dumpDomain(context: Context, entry: AdminEntry, isBare: boolean, wanted: Wanted): Output {
  yield `# name ${domainNameOf(entry)}\n`
  const attributes = isBare ? entry.attributes : inherited(entry, await globalConfig(context.p), 'domain')
  yield* dumpAttributes(attributes, { wanted, reveal: context.reveal })
  yield '\n'
}

async function* getAllDomains(context: Context, args: readonly string[]): Output {
  const { flags, words } = flagsOf(args, ['-v', '-e'])
  if (flags.has('-e') && !flags.has('-v'))
    throw new CommandUsage('arg -e is invalid unless -v is also specified')
  const wanted = wantedOf(words)
  for await (const entry of everyDomain(context.p)) {
    if (flags.has('-v')) yield* dumpDomain(context, entry, flags.has('-e'), wanted)
    else yield `${domainNameOf(entry)}\n`
  }
}

const COMMON = { category: 'domain', changes: 'settings' } as const

export const DOMAIN_COMMANDS: readonly Command[] = [
  {
    ...COMMON,
    name: 'createDomain',
    alias: 'cd',
    help: '{domain} [attr1 value1 [attr2 value2...]]',
    least: 1,
    most: ANY,
    run: (context, [name = '', ...words]) =>
      withPairs(context, words, (pairs) => line(() => createDomain(context.p, name, pairs))),
  },
  {
    ...COMMON,
    name: 'createAliasDomain',
    alias: 'cad',
    help: '{alias-domain-name} {local-domain-name|id} [attr1 value1 [attr2 value2...]]',
    least: 2,
    most: ANY,
    run: (context, [name = '', target = '', ...words]) =>
      withPairs(context, words, (pairs) => line(() => createAliasDomain(context.p, name, target, pairs))),
  },
  {
    ...COMMON,
    name: 'getDomain',
    alias: 'gd',
    help: '[-e] {domain|id} [attr1 [attr2...]]',
    least: 1,
    most: ANY,
    changes: 'nothing',
    run: getDomain,
  },
  {
    ...COMMON,
    name: 'getAllDomains',
    alias: 'gad',
    help: '[-v] [-e] [attr1 [attr2...]]',
    least: 0,
    most: ANY,
    changes: 'nothing',
    run: getAllDomains,
  },
  {
    ...COMMON,
    name: 'modifyDomain',
    alias: 'md',
    help: '{domain|id} [attr1 value1 [attr2 value2...]]',
    least: 3,
    most: ANY,
    run: (context, [key = '', ...words]) =>
      withPairs(context, words, (pairs) => silent(() => modifyDomain(context.p, key, pairs))),
  },
  {
    ...COMMON,
    name: 'deleteDomain',
    alias: 'dd',
    help: '{domain|id}',
    least: 1,
    most: 1,
    run: (context, [key = '']) => silent(() => deleteDomain(context.p, key)),
  },
]
