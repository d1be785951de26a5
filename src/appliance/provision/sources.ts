import { createHash } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { errorCode } from '#src/base/fault.ts'
import type { Given } from './document.ts'

/** Where a provisioning file comes from; its name is for people. */
export type SourceKind = keyof typeof SOURCES

export const SOURCES = {
  credential: 'the credential postern.provision',
  esp: 'the EFI system partition',
  usb: 'the USB stick',
} as const

/** A folder with the file in it. */
export interface Source {
  readonly kind: SourceKind
  readonly folder: string
}

export type Found =
  | { readonly kind: 'none' }
  | { readonly kind: 'file'; readonly given: Given; readonly digest: string }
  /** A sentence. */
  | { readonly kind: 'unreadable'; readonly reason: string }

/** The name of the file, in each of the folders. */
export const FILE_NAME = 'postern.provision'

/** With authorities and keys written into it; no person writes more. */
const BYTES_MAX = 262_144
/** All authorities of a public list. */
const BESIDE_BYTES_MAX = 524_288

/**
 * Looks for the file. Nothing in the folder is believed: it must be an ordinary file, no link, and of bounded size.
 * Beside a credential lie credentials: `ldap-ca.pem` is `postern.ldap-ca.pem` there.
 */
export function lookIn({ kind, folder }: Source): Found {
  try {
    const text = readText(join(folder, FILE_NAME), BYTES_MAX)
    if (text === undefined) return { kind: 'none' }
    const beside = (name: string): string | undefined => {
      const own = kind === 'credential' ? `postern.${name}` : name
      return readText(join(folder, own), BESIDE_BYTES_MAX)
    }
    return { kind: 'file', given: { name: FILE_NAME, text, beside }, digest: digestOf(text, beside) }
  } catch (error) {
    return { kind: 'unreadable', reason: reasonOf(error) }
  }
}

/** Of the file and of the files that it may name: another authority in the same file is another file. */
function digestOf(text: string, beside: (name: string) => string | undefined): string {
  const hash = createHash('sha256').update(text)
  for (const [, name = ''] of text.matchAll(
    /^\s*(?:ca|keys)\s*=\s*["']([A-Za-z0-9][A-Za-z0-9._-]{0,63})["']/gm,
  )) {
    try {
      hash.update(`\0${name}\0${beside(name) ?? ''}`)
    } catch (error) {
      // Whoever reads the document tells it.
      hash.update(`\0${name}\0${reasonOf(error)}`)
    }
  }
  return hash.digest('hex')
}

/** The text of a file; undefined where there is none. Throws an Error with half a sentence for what is none of ours. */
function readText(file: string, bytesMax: number): string | undefined {
  let fd: number
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) throw new Error('it is no ordinary file')
    if (stat.size > bytesMax) throw new Error(`it has more than ${bytesMax} bytes`)
    const bytes = Buffer.alloc(bytesMax + 1)
    let length = 0
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = readSync(fd, bytes, length, bytes.length - length, null)
    if (length > bytesMax) throw new Error(`it has more than ${bytesMax} bytes`)
    return textOf(bytes.subarray(0, length))
  } finally {
    closeSync(fd)
  }
}

function textOf(bytes: Uint8Array): string {
  try {
    // A mark at the beginning, as editors of Windows put it there, is left out.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new Error('it is no text in UTF-8: save it as UTF-8')
  }
}

function reasonOf(error: unknown): string {
  if (errorCode(error) === 'ELOOP') return 'it is a link'
  return error instanceof Error ? error.message : String(error)
}
