import { isDeepStrictEqual } from 'node:util'
import { hashPassword, isPasswordHash, isPasswordOf } from '#src/admin/console-password.ts'
import { errorText } from '#src/base/fault.ts'
import { isTable, Problems, Table } from '#src/config/reader.ts'
import type { ConfigProblem } from '#src/config/reader.ts'
import { openToml } from '#src/config/toml.ts'
import { readSettings, SECTIONS } from './settings.ts'
import type { Settings } from './settings.ts'

/** What was given so far, section by section and key by key, as it was written; files beside it and hashes put in. */
export type Document = Readonly<Record<string, Readonly<Record<string, unknown>>>>

/** A provisioning file. */
export interface Given {
  /** How it is named where something is wrong with it. */
  readonly name: string
  readonly text: string
  /** The text of a file that lies beside it; undefined where there is none. Throws an Error where it cannot be read. */
  readonly beside: (name: string) => string | undefined
}

export type Reading =
  | {
      readonly kind: 'right'
      /** All that holds with the file: what it says, and what was given before. */
      readonly document: Document
      readonly settings: Settings
      /** The keys that have another value now, `system.hostname`. */
      readonly changed: readonly string[]
    }
  | { readonly kind: 'wrong'; readonly problems: readonly ConfigProblem[] }

/** Values that may be `false` and mean it; `false` for any other key takes away what was given before. */
const FLAGS: ReadonlySet<string> = new Set(['system.sticks', 'dns.validate', 'ldap.starttls'])

/** Values that may be the name of a file beside the provisioning file. */
const FILES = [
  ['ldap', 'ca'],
  ['update', 'keys'],
] as const

/**
 * Reads a provisioning file on top of what was given before, and checks the whole: each key in it counts instead of what
 * was given for that key (each interface in [network] as a whole), everything else stays. Nothing of a wrong one counts.
 */
export async function readGiven(given: Given, before: Document): Promise<Reading> {
  const opened = openToml(given.text, given.name)
  if (opened.kind === 'invalid') return { kind: 'wrong', problems: opened.problems }
  const { values, problems } = opened
  const merged = merge(before, withFiles(values, given, problems))
  readSettings(new Table('', merged, problems))
  if (problems.list.length > 0) return { kind: 'wrong', problems: problems.sorted }
  const document = await hashed(documentOf(merged), before)
  return {
    kind: 'right',
    document,
    settings: settingsOf(document).settings,
    changed: changes(before, document),
  }
}

/** What a document says; of what this release does not take any more, the defaults. */
export function settingsOf(document: Document): {
  readonly settings: Settings
  readonly problems: readonly ConfigProblem[]
} {
  const problems = new Problems('stored settings', new Map())
  const settings = readSettings(new Table('', document, problems))
  return { settings, problems: problems.list }
}

function merge(before: Document, given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...before }
  for (const [section, values] of Object.entries(given)) {
    // What is no table is told when it is read.
    merged[section] = isTable(values) ? mergeSection(section, before[section] ?? {}, values) : values
  }
  return merged
}

function mergeSection(
  section: string,
  before: Readonly<Record<string, unknown>>,
  given: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const all = Object.entries({ ...before, ...given })
  return Object.fromEntries(all.filter(([key, value]) => value !== false || FLAGS.has(`${section}.${key}`)))
}

/** With the texts of the files that it names. */
function withFiles(
  values: Readonly<Record<string, unknown>>,
  { beside }: Given,
  problems: Problems,
): Readonly<Record<string, unknown>> {
  const whole: Record<string, unknown> = { ...values }
  for (const [section, key] of FILES) {
    const table = whole[section]
    const name = isTable(table) ? table[key] : undefined
    if (!isTable(table) || typeof name !== 'string' || name.includes('-----BEGIN ')) continue
    const read = readBeside(name, beside)
    if (read.kind === 'text') whole[section] = { ...table, [key]: read.text }
    else {
      problems.add(`${section}.${key}`, read.reason)
      const { [key]: _, ...rest } = table
      whole[section] = rest
    }
  }
  return whole
}

function readBeside(
  name: string,
  beside: Given['beside'],
): { readonly kind: 'text'; readonly text: string } | { readonly kind: 'wrong'; readonly reason: string } {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
    const reason =
      'must be a PEM text, or the name of a file beside this one: letters, digits, dots, dashes and underlines'
    return { kind: 'wrong', reason }
  }
  try {
    const text = beside(name)
    if (text !== undefined) return { kind: 'text', text }
    return { kind: 'wrong', reason: `names the file ${name}, which does not lie beside this one` }
  } catch (error) {
    return { kind: 'wrong', reason: `names the file ${name}, which cannot be read: ${errorText(error)}` }
  }
}

function documentOf(merged: Readonly<Record<string, unknown>>): Document {
  return Object.fromEntries(
    SECTIONS.flatMap((section) => {
      const values = merged[section]
      return isTable(values) && Object.keys(values).length > 0 ? [[section, plain(values)]] : []
    }),
  )
}

/** As it will be when it is read back. */
function plain(values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const copy: unknown = JSON.parse(JSON.stringify(values))
  return isTable(copy) ? copy : {}
}

/** With the hash of a password in its place: the one that is there, where it is the same password. */
async function hashed(document: Document, before: Document): Promise<Document> {
  const password = document['console']?.['password']
  if (typeof password !== 'string' || password === '' || isPasswordHash(password)) return document
  const old = before['console']?.['password']
  const isSame = typeof old === 'string' && (await isPasswordOf(old, password))
  return {
    ...document,
    console: { ...document['console'], password: isSame ? old : await hashPassword(password) },
  }
}

function changes(before: Document, after: Document): readonly string[] {
  return SECTIONS.flatMap((section) => {
    const [old, now] = [before[section] ?? {}, after[section] ?? {}]
    const keys = new Set([...Object.keys(old), ...Object.keys(now)])
    return [...keys].filter((key) => !isDeepStrictEqual(old[key], now[key])).map((key) => `${section}.${key}`)
  }).toSorted()
}
