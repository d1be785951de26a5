import { createHash, createPublicKey, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { CHUNK_BYTES, MEMBERS, readManifest } from './update-manifest.ts'
import type { Manifest, MemberName } from './update-manifest.ts'

/**
 * An update in one file (docs/update.md): a tar archive that is not compressed, with the members `manifest.json`,
 * `manifest.sig`, and those of MEMBERS, in this order and no others. The signature is Ed25519 (RFC 8032) over the octets
 * of manifest.json, which has a SHA-256 for each MiB of the others: so nothing is looked at before its signature is.
 */
export interface Bundle {
  readonly manifest: Manifest
  /** SHA-256 of the manifest: what is the same version and another content has another. */
  readonly digest: string
  /** Where each member begins in the file. */
  readonly offsets: Readonly<Record<MemberName, number>>
  /** Of the file that it is in. */
  readonly size: number
}

export type ReadBundle =
  | { readonly kind: 'bundle'; readonly bundle: Bundle }
  | { readonly kind: 'refused'; readonly reason: string }

/** A key that updates may be signed with. */
export interface UpdateKey {
  /** The first 8 octets of the SHA-256 of its SubjectPublicKeyInfo, hexadecimal. */
  readonly id: string
  readonly key: KeyObject
}

/** Two serve while one takes the place of the other. */
const KEYS_MAX = 8
const MANIFEST_BYTES_MAX = 1_048_576
const SIGNATURE_BYTES_MAX = 256
const BLOCK = 512

export function keyId(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex')
    .slice(0, 16)
}

/** The keys of a folder, `*.pem`. Throws an Error that names a file which is no public key of Ed25519. */
export function readUpdateKeys(folder: string): readonly UpdateKey[] {
  const files = globSync('*.pem', { cwd: folder }).toSorted().slice(0, KEYS_MAX)
  return files.map((file) => {
    const key = createPublicKey(readFileSync(join(folder, file)))
    if (key.asymmetricKeyType !== 'ed25519') throw new Error(`${join(folder, file)} is no key of Ed25519`)
    return { id: keyId(key), key }
  })
}

/** Reads the beginning of a bundle and checks its signature, its manifest and the sizes; not yet its content. */
export async function readBundle(file: FileHandle, keys: readonly UpdateKey[]): Promise<ReadBundle> {
  const { size } = await file.stat()
  const first = await memberAt(file, 0, 'manifest.json', MANIFEST_BYTES_MAX)
  if (first === undefined) return refused('it is no update of Postern (*.ptu)')
  const manifestBytes = await readAt(file, first.offset, first.size)
  const second = await memberAt(file, first.next, 'manifest.sig', SIGNATURE_BYTES_MAX)
  if (manifestBytes === undefined || second === undefined) return refused('it ends within its manifest')
  const signature = (await readAt(file, second.offset, second.size)) ?? Buffer.alloc(0)
  const trouble = signatureTrouble(manifestBytes, signature.toString('latin1'), keys)
  if (trouble !== undefined) return refused(trouble)
  const read = readManifest(manifestBytes)
  if (read.kind === 'wrong') return refused(`its manifest cannot be used: ${read.reason}`)
  const offsets = await offsetsOf(file, second.next, read.manifest)
  if (typeof offsets === 'string') return refused(offsets)
  const digest = createHash('sha256').update(manifestBytes).digest('hex')
  return { kind: 'bundle', bundle: { manifest: read.manifest, digest, offsets, size } }
}

/** A chunk of a member, checked; undefined where it is not what was signed, or the file ends before it. */
export async function readChunk(
  file: FileHandle,
  bundle: Bundle,
  name: MemberName,
  n: number,
): Promise<Buffer | undefined> {
  const { size, chunks } = bundle.manifest.members[name]
  const from = n * CHUNK_BYTES
  const bytes = await readAt(file, bundle.offsets[name] + from, Math.min(CHUNK_BYTES, size - from))
  if (bytes === undefined || sha256(bytes) !== chunks[n]) return undefined
  return bytes
}

/** Told while something goes on: what, and how much of it is done. */
export type Tell = (phase: string, doneBytes: number, allBytes: number) => void

/** Reads all of it once, before anything is done with it: where it is damaged, in words. */
export async function bundleDamage(
  file: FileHandle,
  bundle: Bundle,
  tell: Tell,
): Promise<string | undefined> {
  const { members } = bundle.manifest
  for (const name of ['root.erofs', 'root.verity', 'postern.efi'] as const) {
    for (let n = 0; n < members[name].chunks.length; n += 1) {
      if ((await readChunk(file, bundle, name, n)) === undefined)
        return `its ${name} is damaged at octet ${n * CHUNK_BYTES}`
      tell(`checking ${name}`, (n + 1) * CHUNK_BYTES, members[name].size)
    }
  }
  return undefined
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function refused(reason: string): ReadBundle {
  return { kind: 'refused', reason }
}

/** `KEYID BASE64`. */
function signatureTrouble(
  manifest: Uint8Array,
  text: string,
  keys: readonly UpdateKey[],
): string | undefined {
  const [, id, base64] = /^([0-9a-f]{16}) ([A-Za-z0-9+/]{86}==)\n?$/.exec(text) ?? []
  if (id === undefined || base64 === undefined) return 'it has no signature'
  const signer = keys.find((key) => key.id === id)
  if (signer === undefined) return `it is signed with the key ${id}, which this machine does not know`
  const isRight = verify(null, manifest, signer.key, Buffer.from(base64, 'base64'))
  return isRight ? undefined : 'its signature is wrong: it was changed after it was signed'
}

async function offsetsOf(
  file: FileHandle,
  from: number,
  { members }: Manifest,
): Promise<Readonly<Record<MemberName, number>> | string> {
  const offsets = { 'root.erofs': 0, 'root.verity': 0, 'postern.efi': 0 }
  let at = from
  for (const name of ['root.erofs', 'root.verity', 'postern.efi'] as const) {
    const found = await memberAt(file, at, name, MEMBERS[name])
    if (found === undefined) return `it has no ${name} where that should be: it is damaged`
    if (found.size !== members[name].size) return `its ${name} has another size than its manifest says`
    offsets[name] = found.offset
    at = found.next
  }
  const { size } = await file.stat()
  if (size < at) return `it ends too early: ${size} octets of ${at}`
  return offsets
}

interface Member {
  readonly offset: number
  readonly size: number
  /** Where the next header is. */
  readonly next: number
}

/** The member with this name whose header is there (POSIX.1-1988 ustar, a regular file); undefined where there is none. */
async function memberAt(
  file: FileHandle,
  at: number,
  name: string,
  most: number,
): Promise<Member | undefined> {
  const header = await readAt(file, at, BLOCK)
  if (header === undefined || header.toString('latin1', 257, 263) !== 'ustar\0') return undefined
  if (fieldOf(header, 0, 100) !== name || header[156] !== '0'.charCodeAt(0)) return undefined
  const size = octalOf(header, 124, 12)
  if (size === undefined || size > most || octalOf(header, 148, 8) !== checksumOf(header)) return undefined
  return { offset: at + BLOCK, size, next: at + BLOCK + Math.ceil(size / BLOCK) * BLOCK }
}

/** The sum of the header's octets, with its own field taken for blanks. */
function checksumOf(header: Buffer): number {
  let sum = 8 * 32
  for (const [i, octet] of header.entries()) if (i < 148 || i >= 156) sum += octet
  return sum
}

function fieldOf(header: Buffer, from: number, length: number): string {
  const text = header.toString('latin1', from, from + length)
  const end = text.indexOf('\0')
  return end < 0 ? text : text.slice(0, end)
}

function octalOf(header: Buffer, from: number, length: number): number | undefined {
  const text = fieldOf(header, from, length).trim()
  return /^[0-7]{1,11}$/.test(text) ? Number.parseInt(text, 8) : undefined
}

/** Exactly so many octets; undefined where the file ends before. */
async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer | undefined> {
  const bytes = Buffer.allocUnsafe(length)
  let done = 0
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, position + done)
    if (bytesRead === 0) return undefined
    done += bytesRead
  }
  return bytes
}
