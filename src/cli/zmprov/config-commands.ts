import { useText } from '#src/config/attribute.ts'
import { findAttribute } from '#src/config/catalogue.ts'
import { ProvisionRefused } from '#src/directory/admin/refusal.ts'
import { deleteServer, createServer, modifyConfig, modifyServer } from '#src/directory/admin/servers.ts'
import { everyServer, globalConfig, server } from '#src/directory/admin/lookup.ts'
import { serverNameOf } from '#src/directory/admin/naming.ts'
import { valuesOf } from '#src/directory/admin/store.ts'
import type { AdminEntry } from '#src/directory/admin/store.ts'
import { attribute } from '#src/directory/admin/writing.ts'
import type { LdifAttribute } from '#src/directory/ldif.ts'
import type { Command, Context, Output } from './command.ts'
import { CommandUsage, flagsOf, line, silent, withPairs } from './command.ts'
import type { Wanted } from './dump.ts'
import { dumpAttributes, wantedOf } from './dump.ts'
import { effectiveConfig, inherited } from './effective.ts'
import { RULES } from '#src/admin/rules.ts'

const ANY = Number.MAX_SAFE_INTEGER

async function* getAllConfig(context: Context, args: readonly string[]): Output {
  const { flags, words } = flagsOf(args, ['-v', '-e'])
  const entry = await globalConfig(context.p)
  const attributes = flags.has('-e') ? entry.attributes : effectiveConfig(entry)
  yield* flags.has('-v')
    ? withSources(context, attributes, wantedOf(words))
    : dumpAttributes(attributes, { wanted: wantedOf(words), reveal: context.reveal })
}

/** The values in force, each attribute with a line above it that says where they come from. */
async function* withSources(context: Context, attributes: readonly LdifAttribute[], wanted: Wanted): Output {
  const notes = await context.sources()
  const held = Map.groupBy(attributes, ({ name }) => name.toLowerCase())
  const keys = wanted === undefined ? new Set([...held.keys(), ...notes.keys()]) : new Set(wanted.keys())
  const shown = [...keys].flatMap((key) => {
    const note = notes.get(key)
    const own = held.get(key) ?? []
    const name = note?.name ?? own[0]?.name
    const inForce = note?.values === undefined ? own : attribute(note.name, ...note.values)
    const source = note === undefined ? whyNone(key) : `from ${note.source}`
    return name === undefined ? [] : [{ key, name, source, inForce }]
  })
  for (const one of shown.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    yield `# ${one.name} ${one.source}\n`
    const values = wanted?.get(one.key)
    const only = values === undefined ? undefined : new Map([[one.key, values]])
    yield* dumpAttributes(one.inForce, { wanted: only, reveal: context.reveal })
  }
}

/** What an attribute is that no setting reads. */
function whyNone(name: string): string {
  const known = findAttribute(name)
  return known === undefined ? 'is not about mail on its way' : `in globalConfig: ${useText(known)}`
}

async function* getConfig(context: Context, args: readonly string[]): Output {
  const [name = ''] = args
  const rule = RULES.rule('globalConfig', name)
  const attributes = effectiveConfig(await globalConfig(context.p))
  const isHeld = attributes.some((one) => one.name.toLowerCase() === name.toLowerCase())
  if (rule.kind === 'unknown' && !isHeld) throw new ProvisionRefused('account.INVALID_ATTR_NAME', rule.reason)
  yield* dumpAttributes(attributes, { wanted: wantedOf([name]), reveal: context.reveal })
}

async function* getServer(context: Context, args: readonly string[]): Output {
  const { flags, words } = flagsOf(args, ['-e'])
  const [key, ...names] = words
  if (key === undefined) throw new CommandUsage('not enough arguments')
  yield* dumpServer(context, await server(context.p, key), flags.has('-e'), wantedOf(names))
}

async function* dumpServer(context: Context, entry: AdminEntry, isBare: boolean, wanted: Wanted): Output {
  yield `# name ${serverNameOf(entry)}\n`
  const attributes = isBare ? entry.attributes : inherited(entry, await globalConfig(context.p), 'server')
  yield* dumpAttributes(attributes, { wanted, reveal: context.reveal })
  yield '\n'
}

async function* getAllServers(context: Context, args: readonly string[]): Output {
  const { flags, words } = flagsOf(args, ['-v', '-e'])
  const [service] = words
  for await (const entry of everyServer(context.p)) {
    const services = valuesOf(entry, 'zimbraServiceEnabled')
    if (service !== undefined && !services.includes(service)) continue
    if (flags.has('-v')) yield* dumpServer(context, entry, flags.has('-e'), undefined)
    else yield `${serverNameOf(entry)}\n`
  }
}

export const CONFIG_COMMANDS: readonly Command[] = [
  {
    name: 'getAllConfig',
    alias: 'gacf',
    help: '[-v] [-e] [attr1 [attr2...]]',
    category: 'config',
    least: 0,
    most: ANY,
    changes: 'nothing',
    run: getAllConfig,
  },
  {
    name: 'getConfig',
    alias: 'gcf',
    help: '{name}',
    category: 'config',
    least: 1,
    most: 1,
    changes: 'nothing',
    run: getConfig,
  },
  {
    name: 'modifyConfig',
    alias: 'mcf',
    help: 'attr1 value1 [attr2 value2...]',
    category: 'config',
    least: 2,
    most: ANY,
    changes: 'settings',
    run: (context, args) => withPairs(context, args, (pairs) => silent(() => modifyConfig(context.p, pairs))),
  },
  {
    name: 'getServer',
    alias: 'gs',
    help: '[-e] {name|id} [attr1 [attr2...]]',
    category: 'server',
    least: 1,
    most: ANY,
    changes: 'nothing',
    run: getServer,
  },
  {
    name: 'getAllServers',
    alias: 'gas',
    help: '[-v] [-e] [service]',
    category: 'server',
    least: 0,
    most: 3,
    changes: 'nothing',
    run: getAllServers,
  },
  {
    name: 'modifyServer',
    alias: 'ms',
    help: '{name|id} [attr1 value1 [attr2 value2...]]',
    category: 'server',
    least: 3,
    most: ANY,
    changes: 'settings',
    run: (context, [key = '', ...words]) =>
      withPairs(context, words, (pairs) => silent(() => modifyServer(context.p, key, pairs))),
  },
  {
    name: 'createServer',
    alias: 'cs',
    help: '{name} [attr1 value1 [attr2 value2...]]',
    category: 'server',
    least: 1,
    most: ANY,
    changes: 'settings',
    run: (context, [name = '', ...words]) =>
      withPairs(context, words, (pairs) => line(() => createServer(context.p, name, pairs))),
  },
  {
    name: 'deleteServer',
    alias: 'ds',
    help: '{name|id}',
    category: 'server',
    least: 1,
    most: 1,
    changes: 'settings',
    run: (context, [key = '']) => silent(() => deleteServer(context.p, key)),
  },
]
