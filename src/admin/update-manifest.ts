import { isRecord } from '#src/net/frames.ts'

/** What an update consists of, in the order of the bundle, with the octets that each may have at most. */
export const MEMBERS = {
  // As large as the partitions of the image (image/mkdisk).
  'root.erofs': 512 * 1024 * 1024,
  'root.verity': 16 * 1024 * 1024,
  'postern.efi': 128 * 1024 * 1024,
} as const satisfies Readonly<Record<string, number>>

export type MemberName = keyof typeof MEMBERS

/** Octets that one hash is of; the last chunk of a member may be shorter. */
export const CHUNK_BYTES = 1_048_576

export interface MemberFacts {
  readonly size: number
  /** SHA-256 of each chunk, hexadecimal. */
  readonly chunks: readonly string[]
}

/**
 * What a release does with a store of ours: the version of the schema that it writes, and that of the oldest release
 * that can read it (store/migrate.ts).
 */
export interface StoreSchema {
  readonly writes: number
  readonly reader: number
}

/** What a bundle says of itself; everything in it is covered by the signature. */
export interface Manifest {
  readonly version: string
  readonly arch: string
  /** Of the dm-verity tree, hexadecimal. */
  readonly rootHash: string
  /** The oldest release that can be updated to this one. */
  readonly minVersion: string
  /** Once this release has been kept, nothing older than that is taken any more. */
  readonly floor: string
  readonly queueSchema: StoreSchema
  /** Of the embedded directory and of the history of settings. */
  readonly directorySchema: StoreSchema
  readonly settingsSchema: StoreSchema
  readonly members: Readonly<Record<MemberName, MemberFacts>>
}

/** The one format that this release knows. */
export const FORMAT = 'postern-update-1'

export type ReadManifest =
  | { readonly kind: 'manifest'; readonly manifest: Manifest }
  | { readonly kind: 'wrong'; readonly reason: string }

const VERSION = /^\d{1,6}(?:\.\d{1,6}){1,3}(?:~[a-z0-9]{1,16})?$/
const ARCH = /^[a-z0-9]{1,16}$/
const HASH = /^[0-9a-f]{64}$/

/** Numbers with dots, and `~word` for what comes before a release. It is part of a file's name. */
export function isVersion(text: string): boolean {
  return VERSION.test(text)
}

/** Below 0 where `a` is older than `b`, 0 where they are the same release. */
export function compareVersions(a: string, b: string): number {
  const [numbersA = '', beforeA] = a.split('~')
  const [numbersB = '', beforeB] = b.split('~')
  const partsA = numbersA.split('.').map(Number)
  const partsB = numbersB.split('.').map(Number)
  for (let i = 0; i < Math.max(partsA.length, partsB.length); i += 1) {
    const difference = (partsA[i] ?? 0) - (partsB[i] ?? 0)
    if (difference !== 0) return difference
  }
  // 2.0~rc1 comes before 2.0.
  if (beforeA === beforeB) return 0
  if (beforeA === undefined) return 1
  if (beforeB === undefined) return -1
  return beforeA < beforeB ? -1 : 1
}

/** Checks the octets of a manifest; whoever calls this has looked at its signature before. */
export function readManifest(bytes: Uint8Array): ReadManifest {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return wrong('it is no JSON')
  }
  if (!isRecord(value)) return wrong('it is no object')
  if (value['format'] !== FORMAT)
    return wrong(
      `its format is not "${FORMAT}": it was made for another release; update to one in between first`,
    )
  const release = releaseOf(value)
  if (release === undefined)
    return wrong('version, minVersion, floor, arch or rootHash is missing or is none')
  const schemas = schemasOf(value)
  if (schemas === undefined) return wrong('a schema is missing')
  const members = membersOf(value['members'])
  if (members === undefined) return wrong('a member is missing, is too large, or lacks hashes')
  return { kind: 'manifest', manifest: { ...release, ...schemas, members } }
}

function releaseOf(value: Readonly<Record<string, unknown>>) {
  const { version, arch, rootHash, minVersion, floor } = value
  if (!isText(version, VERSION) || !isText(minVersion, VERSION) || !isText(floor, VERSION)) return undefined
  if (!isText(arch, ARCH) || !isText(rootHash, HASH)) return undefined
  return { version, arch, rootHash, minVersion, floor }
}

function schemasOf(value: Readonly<Record<string, unknown>>) {
  const queueSchema = schemaOf(value['queueSchema'])
  const directorySchema = schemaOf(value['directorySchema'])
  const settingsSchema = schemaOf(value['settingsSchema'])
  if (queueSchema === undefined || directorySchema === undefined || settingsSchema === undefined)
    return undefined
  return { queueSchema, directorySchema, settingsSchema }
}

function membersOf(value: unknown): Manifest['members'] | undefined {
  if (!isRecord(value)) return undefined
  const root = memberOf(value, 'root.erofs')
  const verity = memberOf(value, 'root.verity')
  const efi = memberOf(value, 'postern.efi')
  if (root === undefined || verity === undefined || efi === undefined) return undefined
  return { 'root.erofs': root, 'root.verity': verity, 'postern.efi': efi }
}

function wrong(reason: string): ReadManifest {
  return { kind: 'wrong', reason }
}

function isText(value: unknown, pattern: RegExp): value is string {
  return typeof value === 'string' && pattern.test(value)
}

/** More migrations than this no store will ever have. */
const SCHEMA_MAX = 10_000

function schemaOf(value: unknown): StoreSchema | undefined {
  if (!isRecord(value)) return undefined
  const { writes, reader } = value
  if (!isCount(writes, SCHEMA_MAX) || !isCount(reader, SCHEMA_MAX) || reader > writes) return undefined
  return { writes, reader }
}

function memberOf(members: Readonly<Record<string, unknown>>, name: MemberName): MemberFacts | undefined {
  const value = members[name]
  if (!isRecord(value)) return undefined
  const { size, chunks } = value
  if (!isCount(size, MEMBERS[name]) || size === 0 || !Array.isArray(chunks)) return undefined
  if (chunks.length !== Math.ceil(size / CHUNK_BYTES)) return undefined
  const hashes = chunks.filter((chunk) => isText(chunk, HASH))
  return hashes.length === chunks.length ? { size, chunks: hashes } : undefined
}

function isCount(value: unknown, most: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most
}
