import { hostname } from 'node:os'
import type { Attribute } from './attribute.ts'
import type { Config } from './config.ts'
import { readLocalconfig } from './localconfig.ts'
import type { Localconfig } from '#src/base/localconfig-xml.ts'
import type { Overrides } from './resolve.ts'

/** Attributes of one entry, by their names as they are spelt there. */
export type Attributes = ReadonlyMap<string, readonly string[]>

/** Where a value came from, the strongest first. */
export const SOURCE_NAMES = [
  'rollback',
  'postern.toml',
  'server',
  'globalConfig',
  'localconfig.xml',
  'default',
] as const
export type SourceName = (typeof SOURCE_NAMES)[number]

/** All places that settings stand in. What is left out is empty. */
export interface Sources {
  /** postern.toml, already checked. */
  readonly overrides: Overrides
  /** The entry of this server. */
  readonly server?: Attributes
  readonly globalConfig: Attributes
  /** An imported localconfig.xml, by its keys. */
  readonly localconfig?: ReadonlyMap<string, string>
  /** The name of this server, where the directory ought to have an entry of it and has none; else ''. */
  readonly lacksServer?: string
  /** Whether the directory is the embedded one: localconfig.xml may name servers that nobody asks then. */
  readonly isEmbedded?: boolean
}

/** Entries of the directory that hold settings, the strongest first. */
export const ENTRIES = ['server', 'globalConfig'] as const

/** Values without regard to their order, which a directory does not keep; and without case where Zimbra has none. */
export function isDefault(attribute: Attribute, values: readonly string[]): boolean {
  const folded = (texts: readonly string[]) =>
    texts
      .flatMap((text) => (attribute.multi ? text.split(/,\s*/) : [text]))
      .map((text) => text.trim().toLowerCase())
      .toSorted()
      .join('\n')
  return folded(values) === folded(attribute.default)
}

/** As much of the directory as settings are read from; undefined where it cannot be read. */
export interface SettingEntries {
  globalConfig(): Attributes | undefined
  /** `name`: that of the server, in lower case. An empty map where there is no such entry. */
  serverConfig(name: string): Attributes | undefined
}

/** All sources as they are now; 'unreadable' says what could not be read, and then nothing is known. */
export type ReadSources =
  | { readonly kind: 'sources'; readonly sources: Sources }
  | { readonly kind: 'unreadable'; readonly what: 'directory' | 'localconfig.xml'; readonly reason: string }

/** Whose entry stands above globalConfig: that of postern.toml, else of localconfig.xml, else of this machine's name. */
export function serverNameOf(
  config: Pick<Config, 'directory'>,
  localconfig: Localconfig = new Map(),
): string {
  const { server } = config.directory
  if (server !== '') return server
  const named = localconfig.get('zimbra_server_hostname')?.toLowerCase() ?? ''
  return SERVER_NAME.test(named) ? named : hostname().toLowerCase()
}

/** Nothing in it has a meaning in a distinguished name. */
const SERVER_NAME = /^[a-z0-9](?:[a-z0-9.-]{0,253}[a-z0-9])?$/

/** Reads the directory and localconfig.xml. Postern.toml has been read before. */
export function readSources(
  config: Pick<Config, 'directory' | 'overrides' | 'localconfigFile'>,
  entries: SettingEntries & { readonly trouble: string },
): ReadSources {
  const local = readLocalconfig(config.localconfigFile)
  if (local.kind === 'wrong') {
    const where = local.line === 0 ? '' : `:${local.line}`
    return {
      kind: 'unreadable',
      what: 'localconfig.xml',
      reason: `${config.localconfigFile}${where}: ${local.reason}`,
    }
  }
  const globalConfig = entries.globalConfig()
  const serverName = serverNameOf(config, local.keys)
  const server = entries.serverConfig(serverName)
  if (globalConfig === undefined || server === undefined)
    return { kind: 'unreadable', what: 'directory', reason: entries.trouble }
  // A Zimbra has an entry for each of its servers; the embedded directory needs none.
  const isZimbra = config.directory.ldap !== undefined && globalConfig.size > 0
  const lacksServer = isZimbra && server.size === 0 ? serverName : ''
  return {
    kind: 'sources',
    sources: {
      overrides: config.overrides,
      server,
      globalConfig,
      localconfig: local.keys,
      lacksServer,
      isEmbedded: config.directory.ldap === undefined,
    },
  }
}
