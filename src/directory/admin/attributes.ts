import type { LdifAttribute, LdifModification } from '#src/directory/ldif.ts'
import { sameKey } from './match.ts'
import { invalidRequest, ProvisionRefused } from './refusal.ts'
import type { AdminEntry } from './store.ts'
import { valuesOf } from './store.ts'

/** What an entry is; it decides which attributes it may have. */
export type EntryKind = 'account' | 'alias' | 'distributionList' | 'domain' | 'globalConfig' | 'server'

/** What the table of attributes says of a name. */
export type AttributeRule =
  | {
      readonly kind: 'known'
      /** As the schema spells it. */
      readonly name: string
      readonly multi: boolean
      /** Why these values may not stand in it, as half a sentence ("must be TRUE or FALSE"); '' if they may. */
      readonly check: (values: readonly string[]) => string
      /** What counts where globalConfig says nothing. */
      readonly defaults: readonly string[]
    }
  | { readonly kind: 'unknown'; readonly reason: string }

/** Which attributes there are, and what they may hold. The table itself is of another floor. */
export interface AttributeRules {
  rule(kind: EntryKind, name: string): AttributeRule
}

/** One `name value` of a command: `+name` adds a value, `-name` takes one away, '' takes all away. */
export interface AttributePair {
  readonly op: 'set' | 'add' | 'remove'
  readonly name: string
  readonly value: string
}

/** Pairs in one command; a script that makes a list of this length uses several. */
const PAIRS_MAX = 10_000
/** Characters of one value: far more than any text, less than a mistake with a file. */
const VALUE_CHARS_MAX = 1024 * 1024

/** Reads `name value name value …`; undefined where a value is missing. */
export function readPairs(words: readonly string[]): readonly AttributePair[] | undefined {
  if (words.length % 2 !== 0 || words.length > 2 * PAIRS_MAX) return undefined
  const pairs: AttributePair[] = []
  for (let i = 0; i < words.length; i += 2) {
    const given = words[i] ?? ''
    const value = words[i + 1] ?? ''
    if (value.length > VALUE_CHARS_MAX)
      throw new ProvisionRefused(
        'account.INVALID_ATTR_VALUE',
        `${given} value length(${value.length}) larger than max allowed: ${VALUE_CHARS_MAX}`,
      )
    const sign = given.charAt(0)
    const op = sign === '+' ? 'add' : sign === '-' ? 'remove' : 'set'
    pairs.push({ op, name: op === 'set' ? given : given.slice(1), value })
  }
  return pairs
}

/** Attributes that only the commands for them change, and which command that is. */
const OWN_COMMANDS: ReadonlyMap<string, string> = new Map([
  ['zimbraid', ''],
  ['zimbracreatetimestamp', ''],
  ['zimbraaliastargetid', ''],
  ['zimbradomainname', ''],
  ['zimbradomaintype', ''],
  ['zimbramailalias', 'use addAccountAlias, removeAccountAlias or their forms for lists'],
  ['uid', 'use renameAccount'],
  ['zimbramaildeliveryaddress', 'use renameAccount'],
])

export interface PlannedChanges {
  readonly changes: readonly LdifModification[]
  /** The entry's attributes afterwards. */
  readonly after: readonly LdifAttribute[]
}

export interface PlanOptions {
  readonly kind: EntryKind
  readonly rules: AttributeRules
  /** Attributes that this command may change although they have commands of their own, in lower case. */
  readonly allowed?: ReadonlySet<string>
  /**
   * Whether values are added to the defaults where there are none: a Zimbra stores its defaults in globalConfig, and
   * `+zimbraMtaRestriction …` there leaves them as they are.
   */
  readonly addsToDefaults?: boolean
}

/**
 * What pairs make of an entry, as changes that it can take. Names and new values are checked; values that the entry
 * has already are not, so that one that has become wrong can be taken away. Throws ProvisionRefused.
 */
export function planChanges(
  entry: AdminEntry,
  pairs: readonly AttributePair[],
  options: PlanOptions,
): PlannedChanges {
  const groups = Map.groupBy(pairs, ({ name }) => name.toLowerCase())
  const changes: LdifModification[] = []
  let after = entry.attributes
  for (const [key, group] of groups) {
    const rule = ruleOf(group[0]?.name ?? '', key, options)
    const before = valuesOf(entry, rule.name)
    const isExtended = options.addsToDefaults === true && before.length === 0
    const values = valuesAfter(rule.name, isExtended ? rule.defaults : before, group)
    const held = new Set(before)
    const fresh = values.filter((value) => !held.has(value))
    if (!rule.multi && values.length > 1) throw severalValues(rule.name, before)
    checkValues(rule, fresh)
    changes.push(...changesOf(rule.name, before, values))
    const kept = after.filter((one) => one.name.toLowerCase() !== key)
    after = [...kept, ...values.map((text) => ({ name: rule.name, value: { text, binary: false } }))]
  }
  return { changes, after }
}

function ruleOf(name: string, key: string, options: PlanOptions): AttributeRule & { readonly kind: 'known' } {
  const owner = OWN_COMMANDS.get(key)
  if (owner !== undefined && options.allowed?.has(key) !== true)
    throw invalidRequest(`${name} is immutable${owner === '' ? '' : `: ${owner}`}`)
  const rule = options.rules.rule(options.kind, name)
  if (rule.kind === 'unknown') throw new ProvisionRefused('account.INVALID_ATTR_NAME', rule.reason)
  return rule
}

function checkValues(rule: AttributeRule & { readonly kind: 'known' }, fresh: readonly string[]): void {
  const reason = fresh.length === 0 ? '' : rule.check(fresh)
  if (reason === '') return
  // Of several values the reason itself names the one.
  const shown = fresh.length === 1 ? `: ${fresh[0] ?? ''}` : ''
  throw new ProvisionRefused('account.INVALID_ATTR_VALUE', `${rule.name} ${reason}${shown}`)
}

function severalValues(name: string, before: readonly string[]): ProvisionRefused {
  const now = before.length > 0 ? `, and it is ${before.join(', ')} now` : ''
  return new ProvisionRefused('account.INVALID_ATTR_VALUE', `${name} may have one value only${now}`)
}

function valuesAfter(
  name: string,
  before: readonly string[],
  group: readonly AttributePair[],
): readonly string[] {
  const set = group.filter(({ op }) => op === 'set')
  // A list has members by the ten thousand: values are found by their keys.
  const values = set.length === 0 ? byKey(name, before) : new Map<string, string>()
  for (const { op, value } of [...set, ...group.filter((one) => one.op !== 'set')]) {
    const key = sameKey(name, value)
    if (value === '') continue
    if (op === 'remove') values.delete(key)
    else values.getOrInsert(key, value)
  }
  return [...values.values()]
}

function byKey(name: string, values: readonly string[]): Map<string, string> {
  return new Map(values.map((value) => [sameKey(name, value), value]))
}

/**
 * Values to add and to delete where both sides have some: a list of ten thousand members is not sent whole for one
 * more. A value that only changes its spelling is the same value to LDAP, so it must be replaced.
 */
function changesOf(
  name: string,
  before: readonly string[],
  values: readonly string[],
): readonly LdifModification[] {
  const old = byKey(name, before)
  const wanted = byKey(name, values)
  const gone = before.filter((value) => !wanted.has(sameKey(name, value)))
  const fresh = values.filter((value) => !old.has(sameKey(name, value)))
  const isRespelt = [...wanted].some(([key, value]) => (old.get(key) ?? value) !== value)
  const isOther = before.length > 0 && gone.length === before.length
  if (isRespelt || isOther) return [textChange('replace', name, values)]
  return [
    ...(gone.length > 0 ? [textChange('delete', name, gone)] : []),
    ...(fresh.length > 0 ? [textChange('add', name, fresh)] : []),
  ]
}

/** A change of one attribute, with values that are text. */
export function textChange(
  op: LdifModification['op'],
  name: string,
  texts: readonly string[],
): LdifModification {
  return { op, name, values: texts.map((text) => ({ text, binary: false })) }
}
