import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorCode, errorText } from '#src/base/fault.ts'
import { isRecord } from '#src/net/frames.ts'
import { writeAtomically } from './atomic-file.ts'
import type { Document } from './document.ts'

/** All that is remembered of provisioning. */
export interface Stored {
  readonly document: Document
  /** By the kind of source (`usb`), the digest of the file that was taken from it last. */
  readonly taken: Readonly<Record<string, string>>
  /** The password of a file that the console was given last: a later one that the console itself has set stays. */
  readonly passwordGiven: string
}

export const NOTHING_STORED: Stored = { document: {}, taken: {}, passwordGiven: '' }

export interface Loaded {
  readonly stored: Stored
  /** Why the newest was not to be had, as a sentence; '' where it was. */
  readonly trouble: string
}

/** Where it lies on the machine, and where Postern has its own. */
export const STORE = '/var/lib/postern-appliance/provision'
export const DATA = '/var/lib/postern'

const NAME = 'settings.json'
/** The one before: what serves where a disk has lost the newest. */
const PREVIOUS = 'settings.previous.json'

/**
 * The one file of what was given, `settings.json` in a folder of root's. It is replaced as a whole, so that a power cut
 * leaves all of a file's settings or none of them.
 */
export class Store {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  load(): Loaded {
    const newest = this.#read(NAME)
    if (newest.kind === 'stored') return { stored: newest.stored, trouble: '' }
    const previous = this.#read(PREVIOUS)
    if (newest.kind === 'none' && previous.kind !== 'stored') return { stored: NOTHING_STORED, trouble: '' }
    const why = newest.kind === 'none' ? 'it is not there' : newest.reason
    const file = join(this.#folder, NAME)
    if (previous.kind === 'stored') {
      const trouble = `${file} cannot be used (${why}): the settings before the last change are in force. Provision the box again.`
      return { stored: previous.stored, trouble }
    }
    return {
      stored: NOTHING_STORED,
      trouble: `${file} cannot be used (${why}): nothing is set. Provision the box again.`,
    }
  }

  /** Durable when it returns. */
  save(stored: Stored): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
    const old = this.#read(NAME)
    if (old.kind === 'stored') this.#write(PREVIOUS, old.stored)
    this.#write(NAME, stored)
  }

  #write(name: string, stored: Stored): void {
    writeAtomically(
      join(this.#folder, name),
      `${JSON.stringify({ version: 1, ...stored }, undefined, 1)}\n`,
      { mode: 0o600 },
    )
  }

  #read(
    name: string,
  ):
    | { readonly kind: 'stored'; readonly stored: Stored }
    | { readonly kind: 'none' }
    | { readonly kind: 'damaged'; readonly reason: string } {
    try {
      const value: unknown = JSON.parse(readFileSync(join(this.#folder, name), 'utf8'))
      const stored = storedOf(value)
      return stored === undefined
        ? { kind: 'damaged', reason: 'it holds no settings' }
        : { kind: 'stored', stored }
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return { kind: 'none' }
      // The words of JSON.parse quote the text, which holds secrets.
      return { kind: 'damaged', reason: error instanceof SyntaxError ? 'it is damaged' : errorText(error) }
    }
  }
}

function storedOf(value: unknown): Stored | undefined {
  if (!isRecord(value) || !isRecord(value['document']) || !isRecord(value['taken'])) return undefined
  const sections = Object.entries(value['document'])
  const { passwordGiven } = value
  return {
    document: Object.fromEntries(
      sections.flatMap(([section, values]) => (isRecord(values) ? [[section, values]] : [])),
    ),
    taken: Object.fromEntries(
      Object.entries(value['taken']).flatMap(([source, digest]) =>
        typeof digest === 'string' ? [[source, digest]] : [],
      ),
    ),
    passwordGiven: typeof passwordGiven === 'string' ? passwordGiven : '',
  }
}
