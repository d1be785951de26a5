import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { open, readFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { keyId, sha256 } from '#src/admin/update-bundle.ts'
import { CHUNK_BYTES, FORMAT, isVersion } from '#src/admin/update-manifest.ts'
import type { MemberName } from '#src/admin/update-manifest.ts'
import { isRecord } from '#src/net/frames.ts'
import { OWN_SCHEMAS } from '#src/admin/update-schemas.ts'

/**
 * Packs and signs an update (docs/update.md):
 *
 *     node scripts/pack-update.ts STEM --key update.key [--min-version V] [--floor V]
 *
 * of STEM.json, STEM.root.erofs, STEM.root.verity and STEM.efi, as `make image` leaves them, into STEM.ptu.
 *
 * The same inputs and key give the same octets.
 */
export interface PackOptions {
  readonly version: string
  readonly arch: string
  readonly rootHash: string
  readonly minVersion: string
  readonly floor: string
  readonly files: Readonly<Record<MemberName, string>>
  /** PEM of an Ed25519 private key. */
  readonly keyFile: string
  readonly out: string
  /** What stands in the manifest otherwise; for tests. */
  readonly changes?: Readonly<Record<string, unknown>>
}

const BLOCK = 512

export async function packUpdate(options: PackOptions): Promise<void> {
  const { version, arch, rootHash, minVersion, floor, files } = options
  for (const one of [version, minVersion, floor])
    if (!isVersion(one)) throw new Error(`"${one}" is no version`)
  const members: Record<string, unknown> = {}
  for (const name of NAMES) members[name] = await factsOf(files[name])
  const head = { format: FORMAT, version, arch, rootHash, minVersion, floor, ...OWN_SCHEMAS }
  const manifest = Buffer.from(`${JSON.stringify({ ...head, members, ...options.changes }, undefined, 1)}\n`)
  const key = createPrivateKey(await readFile(options.keyFile))
  const signature = `${keyId(createPublicKey(key))} ${sign(null, manifest, key).toString('base64')}\n`
  await using out = await open(options.out, 'w')
  await writeMember(out, 'manifest.json', manifest)
  await writeMember(out, 'manifest.sig', Buffer.from(signature))
  for (const name of NAMES) await copyMember(out, name, files[name])
  // The end of an archive.
  await out.write(Buffer.alloc(2 * BLOCK))
}

const NAMES = ['root.erofs', 'root.verity', 'postern.efi'] as const

async function factsOf(file: string): Promise<{ readonly size: number; readonly chunks: readonly string[] }> {
  await using handle = await open(file)
  const { size } = await handle.stat()
  const chunks: string[] = []
  for await (const bytes of chunksOf(handle)) chunks.push(sha256(bytes))
  return { size, chunks }
}

async function* chunksOf(handle: FileHandle): AsyncGenerator<Buffer> {
  for (;;) {
    const bytes = Buffer.alloc(CHUNK_BYTES)
    let length = 0
    while (length < CHUNK_BYTES) {
      const { bytesRead } = await handle.read(bytes, length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    if (length > 0) yield bytes.subarray(0, length)
    if (length < CHUNK_BYTES) return
  }
}

async function writeMember(out: FileHandle, name: string, bytes: Buffer): Promise<void> {
  await out.write(headerOf(name, bytes.length))
  await out.write(bytes)
  await pad(out, bytes.length)
}

async function copyMember(out: FileHandle, name: string, file: string): Promise<void> {
  await using handle = await open(file)
  const { size } = await handle.stat()
  await out.write(headerOf(name, size))
  for await (const bytes of chunksOf(handle)) await out.write(bytes)
  await pad(out, size)
}

async function pad(out: FileHandle, size: number): Promise<void> {
  const rest = size % BLOCK
  if (rest > 0) await out.write(Buffer.alloc(BLOCK - rest))
}

/** POSIX.1-1988 ustar: a regular file of nobody's, without a time. */
function headerOf(name: string, size: number): Buffer {
  const header = Buffer.alloc(BLOCK)
  header.write(name, 0)
  header.write('0000644\0', 100)
  header.write('0000000\0', 108)
  header.write('0000000\0', 116)
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
  header.write(`${'0'.repeat(11)}\0`, 136)
  header.write(' '.repeat(8), 148)
  header.write('0', 156)
  header.write('ustar\0', 257)
  header.write('00', 263)
  const sum = header.reduce((all, octet) => all + octet, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      key: { type: 'string' },
      'min-version': { type: 'string', default: '0.0.1' },
      floor: { type: 'string', default: '0.0.1' },
    },
  })
  const [stem] = positionals
  if (stem === undefined || values.key === undefined) throw new Error('usage: pack-update.ts STEM --key FILE')
  const image: unknown = JSON.parse(await readFile(`${stem}.json`, 'utf8'))
  if (!isRecord(image)) throw new Error(`${stem}.json is no object`)
  const [version, arch, rootHash] = ['version', 'arch', 'rootHash'].map((name) => String(image[name]))
  if (version === undefined || arch === undefined || rootHash === undefined) return
  const files = {
    'root.erofs': `${stem}.root.erofs`,
    'root.verity': `${stem}.root.verity`,
    'postern.efi': `${stem}.efi`,
  }
  await checkParts(rootHash, files)
  const out = `${stem}.ptu`
  const { floor, 'min-version': minVersion, key: keyFile } = values
  await packUpdate({ version, arch, rootHash, minVersion, floor, files, keyFile, out })
  process.stdout.write(`${out}\n`)
}

/** Parts of different builds would be an update that never starts: found here, not on the machine. */
async function checkParts(rootHash: string, files: PackOptions['files']): Promise<void> {
  const efi = files['postern.efi']
  if (!(await readFile(efi)).includes(`roothash=${rootHash}`))
    throw new Error(`${efi} was made for another root than ${rootHash}`)
  // The initrd finds its tree by this (image/initrd/init).
  const uuid = sha256(Buffer.from(rootHash)).slice(0, 32)
  const verity = files['root.verity']
  const superblock = (await readFile(verity)).subarray(0, 32).toString('hex')
  if (!superblock.startsWith('7665726974790000') || !superblock.endsWith(uuid))
    throw new Error(`${verity} is no hash tree of the root ${rootHash}`)
}

if (import.meta.main) await main()
