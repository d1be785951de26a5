import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { openEntryStore } from '#src/directory/entries.ts'
import { EntryTable, ValueRefused } from '#src/directory/entry-table.ts'
import type { LdifAttribute } from '#src/directory/ldif.ts'
import type { Store } from '#src/store/sqlite.ts'
import { Findings } from './findings.ts'
import type { MovedKind } from './kinds.ts'
import { classesOf, kindOf } from './kinds.ts'

/** What the tables of attributes say; they are of another floor. */
export interface StagingRules {
  /** Whether an attribute comes along. */
  readonly keeps: (name: string) => boolean
  /** Why these values may not stand in it, as half a sentence; '' if they may. */
  readonly problem: (name: string, values: readonly string[]) => string
}

/** One attribute as it was met, over all entries of a kind. */
export interface Met {
  readonly kind: MovedKind
  /** As the first entry spells it. */
  readonly name: string
  readonly entries: number
  readonly isKept: boolean
}

/** Names of attributes that are counted; a Zimbra has some 2,000. */
const NAMES_MAX = 20_000

/** What a server writes beside the entry's own (RFC 4512 section 3.4, slapd's operational attributes). */
const OPERATIONAL: ReadonlySet<string> = new Set(
  [
    'structuralObjectClass entryUUID creatorsName createTimestamp entryCSN modifiersName modifyTimestamp contextCSN',
    'hasSubordinates subschemaSubentry entryDN numSubordinates pwdChangedTime pwdFailureTime pwdHistory',
  ]
    .join(' ')
    .toLowerCase()
    .split(' '),
)

/**
 * A directory that is looked at before anything is taken over: its entries, in a file without a name that goes when this
 * is closed. So a hundred thousand accounts cost disk and not memory.
 */
export class Staging implements Disposable {
  readonly store: Store
  readonly table: EntryTable
  readonly findings = new Findings()
  readonly #rules: StagingRules
  readonly #kinds = new Map<MovedKind, number>()
  readonly #met = new Map<string, { kind: MovedKind; name: string; entries: number; isKept: boolean }>()

  /** `parent`: the folder in which the file is made, beside the directory that it may become. */
  constructor(parent: string, rules: StagingRules) {
    this.#rules = rules
    const folder = mkdtempSync(join(parent, 'import-'))
    try {
      this.store = openEntryStore(join(folder, 'staging.db'))
      // It is thrown away if anything happens to it.
      this.store.pragma('journal_mode = off')
      this.store.pragma('synchronous = off')
      this.table = new EntryTable(this.store)
    } finally {
      // The file is ours as long as it is open, and goes however this process ends.
      rmSync(folder, { recursive: true, force: true })
    }
    this.store.exec('BEGIN')
  }

  /** Takes one entry in. What is no part of mail is counted only. */
  add(dn: string, attributes: readonly LdifAttribute[]): void {
    const kind = kindOf(classesOf(attributes))
    this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + 1)
    if (kind === 'other') return
    const kept = this.#counted(kind, attributes)
    let id = this.table.idOf(dn)
    if (id === undefined) id = this.table.insert(dn)
    else this.findings.add('an entry stands there twice; the later one counts', dn)
    // Settings are read and judged as a whole.
    if (kind !== 'globalConfig' && kind !== 'server') this.#check(dn, kept)
    this.#write(id, dn, kept)
  }

  /** All entries are in. */
  seal(): void {
    this.store.exec('COMMIT')
    // The joins of the checks are planned by what is there.
    this.store.exec('ANALYZE')
  }

  count(kind: MovedKind): number {
    return this.#kinds.get(kind) ?? 0
  }

  /** Every attribute that was met, by kind and name. */
  get met(): readonly Met[] {
    return [...this.#met.values()].toSorted((a, b) =>
      a.kind === b.kind ? (a.name < b.name ? -1 : 1) : a.kind < b.kind ? -1 : 1,
    )
  }

  [Symbol.dispose](): void {
    this.store.close()
  }

  #counted(kind: MovedKind, attributes: readonly LdifAttribute[]): LdifAttribute[] {
    const seen = new Set<string>()
    return attributes.filter(({ name, value }) => {
      const key = name.toLowerCase()
      if (OPERATIONAL.has(key)) return false
      const isKept = this.#rules.keeps(name) && !value.binary
      if (!seen.has(key)) {
        seen.add(key)
        this.#meet(kind, name, isKept)
      }
      return isKept
    })
  }

  #meet(kind: MovedKind, name: string, isKept: boolean): void {
    const key = `${kind} ${name.toLowerCase()}`
    const met = this.#met.get(key)
    if (met !== undefined) met.entries += 1
    else if (this.#met.size < NAMES_MAX) this.#met.set(key, { kind, name, entries: 1, isKept })
  }

  /** A value of the wrong kind comes along as it is: whoever reads it will refuse it, and that is told now. */
  #check(dn: string, attributes: readonly LdifAttribute[]): void {
    for (const [name, list] of Map.groupBy(attributes, (one) => one.name)) {
      const reason = this.#rules.problem(
        name,
        list.map(({ value }) => value.text),
      )
      if (reason !== '') this.findings.add(`a value of ${name} is not allowed`, `${dn}: ${reason}`)
    }
  }

  /** A value that its attribute cannot have is told and left out; the entry comes all the same. */
  #write(id: number, dn: string, attributes: readonly LdifAttribute[]): void {
    let rest = attributes
    for (;;) {
      try {
        this.table.write(id, rest)
        return
      } catch (error) {
        if (!(error instanceof ValueRefused)) throw error
        const { attribute, value } = error
        this.findings.add(
          `a value of ${attribute} is none that it can have, and is left out`,
          `${dn}: ${value}`,
        )
        rest = rest.filter((one) => one.name !== attribute || one.value.text !== value)
      }
    }
  }
}
