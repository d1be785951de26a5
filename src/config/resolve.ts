import { findAttribute } from './catalogue.ts'
import { translated, valuesProblem } from './check.ts'
import { defaultLookup, defaultOf } from './defaults.ts'
import { expandTexts } from './expand.ts'
import type { ParameterLookup } from './expand.ts'
import { localconfigTexts } from './localconfig.ts'
import { notesOf } from './notes.ts'
import type { SettingNote } from './notes.ts'
import { BY_POSTFIX, SETTING_LIST, SETTINGS } from './settings.ts'
import type { SettingKey, Settings } from './settings.ts'
import type { Setting, SettingValue } from './setting.ts'
import { ENTRIES } from './sources.ts'
import type { Attributes, SourceName, Sources } from './sources.ts'
import { parseSetting } from './values.ts'

/** Values that stand above the directory's: what postern.toml says, already checked. */
export type Overrides = Readonly<Partial<Record<SettingKey, SettingValue>>>

/** A value that is not allowed; what was in force before stays in force. */
export interface SettingProblem {
  /** The name under which it stands in its source. */
  readonly attribute: string
  readonly source: SourceName
  readonly value: string
  readonly reason: string
}

/** A setting that a rollback holds, as long as what its sources say is what they said then. */
export interface Hold {
  readonly value: SettingValue
  /** `fingerprint` of the setting at the time. */
  readonly fingerprint: string
}
export type Holds = Partial<Readonly<Record<SettingKey, Hold>>>

/** Where the value of a setting is from. */
export interface Origin {
  readonly source: SourceName
  /** The attribute, key or parameter as it stands there; '' for a default. */
  readonly name: string
  /** Whether its newest value is not allowed, so that this one was kept. */
  readonly kept: boolean
}

export interface Resolved {
  readonly settings: Settings
  readonly origins: Readonly<Record<SettingKey, Origin>>
  readonly problems: readonly SettingProblem[]
  /** What is set and has no effect, or less than it seems. */
  readonly notes: readonly SettingNote[]
  /** Holds that a change of their sources has ended. */
  readonly ended: readonly SettingKey[]
}

/**
 * The settings in force, each from the strongest source that has it: postern.toml, the server's entry, globalConfig,
 * an imported localconfig.xml, the default. Where the strongest value is not allowed, the one that was in force
 * (`before`) stays and the problem is told; at a first start without any before, the next source decides.
 */
export function resolveSettings(sources: Sources, before?: Settings, holds: Holds = {}): Resolved {
  const candidates = new Map(SETTING_LIST.map(([key, setting]) => [key, candidatesOf(key, setting, sources)]))
  const lookup = lookupIn(candidates)
  const problems: SettingProblem[] = []
  const ended: SettingKey[] = []
  const values: Partial<Record<SettingKey, SettingValue>> = {}
  const origins: Partial<Record<SettingKey, Origin>> = {}
  for (const [key, setting] of SETTING_LIST) {
    const stand = candidates.get(key) ?? []
    const hold = holds[key]
    const decided = decide({ setting, stand, lookup, before: before?.[key] })
    // A value that is held is not mended: the alarm stays.
    problems.push(...decided.problems)
    const isHeld = hold !== undefined && hold.fingerprint === fingerprintOf(stand)
    if (hold !== undefined && !isHeld) ended.push(key)
    values[key] = isHeld ? hold.value : decided.value
    origins[key] = isHeld ? { source: 'rollback', name: '', kept: false } : decided.origin
  }
  return {
    // oxlint-disable-next-line no-unsafe-type-assertion -- each value was read by its own entry of the table
    settings: values as Settings,
    // oxlint-disable-next-line no-unsafe-type-assertion -- one for each entry of the table
    origins: origins as Record<SettingKey, Origin>,
    problems: [...problems, ...otherProblems(sources, lookup)],
    notes: notesOf(sources),
    ended,
  }
}

/** What all sources say of a setting, as a text to be compared: a rollback holds until it changes. */
export function fingerprint(key: SettingKey, sources: Sources): string {
  return fingerprintOf(candidatesOf(key, SETTINGS[key], sources))
}

/** The texts that stand for a setting in the directory or localconfig.xml, as written there; undefined elsewhere. */
export function writtenTexts(key: SettingKey, sources: Sources): readonly string[] | undefined {
  const [first] = candidatesOf(key, SETTINGS[key], sources)
  return first?.kind === 'texts' ? first.texts : undefined
}

function fingerprintOf(stand: readonly Candidate[]): string {
  return JSON.stringify(
    stand.map((one) => (one.kind === 'value' ? [one.source, one.value] : [one.source, one.name, one.texts])),
  )
}

/** One place that has a setting; postern.toml was read before. */
type Candidate =
  | {
      readonly kind: 'value'
      readonly source: SourceName
      readonly name: string
      readonly value: SettingValue
    }
  | {
      readonly kind: 'texts'
      readonly source: SourceName
      readonly name: string
      readonly texts: readonly string[]
    }

/** The strongest first. */
function candidatesOf(key: SettingKey, setting: Setting, sources: Sources): readonly Candidate[] {
  const found: Candidate[] = []
  const override = sources.overrides[key]
  if (override !== undefined) {
    const name = setting.postfix === '' ? setting.zimbra : setting.postfix
    found.push({ kind: 'value', source: 'postern.toml', name, value: override })
  }
  for (const source of ENTRIES) {
    const entry = sources[source]
    const stands = entry === undefined ? undefined : inEntry(setting, entry)
    if (stands !== undefined && mayStandIn(stands[0], source))
      found.push({ kind: 'texts', source, name: stands[0], texts: stands[1] })
  }
  const local = localconfigTexts(setting, sources.localconfig)
  if (local !== undefined) found.push({ kind: 'texts', source: 'localconfig.xml', ...local })
  return found
}

/** The right spelling wins over a deprecated alias, in whichever order they come. */
function inEntry(setting: Setting, entry: Attributes): readonly [string, readonly string[]] | undefined {
  for (const wanted of [setting.zimbra, ...(setting.zimbraAliases ?? [])]) {
    const name = wanted === '' ? undefined : spellings(entry).get(wanted.toLowerCase())
    if (name !== undefined) return [name, entry.get(name) ?? []]
  }
  return undefined
}

/** How each attribute that has values is spelt in an entry, by its name in lower case; read once for each entry. */
function spellings(entry: Attributes): ReadonlyMap<string, string> {
  const known = SPELLINGS.get(entry)
  if (known !== undefined) return known
  const names = [...entry]
    .filter(([, texts]) => texts.length > 0)
    .map(([name]) => [name.toLowerCase(), name] as const)
  const made = new Map(names.toReversed())
  SPELLINGS.set(entry, made)
  return made
}

const SPELLINGS = new WeakMap<Attributes, ReadonlyMap<string, string>>()

function mayStandIn(name: string, source: (typeof ENTRIES)[number]): boolean {
  const scope = findAttribute(name)?.scope
  return scope === undefined || scope.includes(source)
}

/** What `$name` means: the text of the parameter's own setting, whichever source it is from. */
function lookupIn(candidates: ReadonlyMap<SettingKey, readonly Candidate[]>): ParameterLookup {
  return (name) => {
    const key = BY_POSTFIX.get(name)
    const first = key === undefined ? undefined : candidates.get(key)?.[0]
    if (first === undefined) return defaultLookup(name)
    if (first.kind === 'texts') return first.texts.join(', ')
    const { value } = first
    // Durations of postern.toml are in milliseconds by now.
    if (typeof value === 'number' && key !== undefined && SETTINGS[key].type === 'duration')
      return `${value / 1000}s`
    return typeof value === 'object' ? value.join(', ') : String(value)
  }
}

interface Question {
  readonly setting: Setting
  readonly stand: readonly Candidate[]
  readonly lookup: ParameterLookup
  readonly before: SettingValue | undefined
}

interface Decision {
  readonly value: SettingValue
  readonly origin: Origin
  readonly problems: readonly SettingProblem[]
}

function decide({ setting, stand, lookup, before }: Question): Decision {
  const problems: SettingProblem[] = []
  for (const one of stand) {
    const origin: Origin = { source: one.source, name: one.name, kept: problems.length > 0 }
    if (one.kind === 'value') return { value: one.value, origin, problems }
    const reason = problemOf(setting, one, lookup)
    if (reason.kind === 'value') return { value: reason.value, origin, problems }
    problems.push({
      attribute: one.name,
      source: one.source,
      value: shownTexts(one.name, one.texts),
      reason: reason.reason,
    })
    if (before !== undefined) return { value: before, origin: { ...origin, kept: true }, problems }
  }
  return {
    value: expandedDefault(setting, lookup),
    origin: { source: 'default', name: '', kept: problems.length > 0 },
    problems,
  }
}

/** A list may have another parameter for its default, as smtpd_sasl_tls_security_options has. */
function expandedDefault(setting: Setting, lookup: ParameterLookup): SettingValue {
  if (setting.type !== 'list' || !setting.default.some((word) => word.includes('$')))
    return defaultOf(setting)
  const texts = expandTexts(setting, setting.default, lookup)
  const parsed = texts.kind === 'wrong' ? texts : parseSetting(setting, texts.values)
  return parsed.kind === 'value' ? parsed.value : defaultOf(setting)
}

function problemOf(setting: Setting, one: Candidate & { kind: 'texts' }, lookup: ParameterLookup) {
  // Zimbra's own schema is checked for what stands in the directory; localconfig.xml writes yes where it writes TRUE.
  const attribute = one.source === 'localconfig.xml' ? undefined : findAttribute(one.name)
  const schema = attribute === undefined ? '' : valuesProblem(attribute, one.texts, lookup)
  if (schema !== '') return { kind: 'wrong', reason: schema } as const
  const texts = expandTexts(setting, translated(setting, one.name, one.texts), lookup)
  return texts.kind === 'wrong' ? texts : parseSetting(setting, texts.values)
}

/** As much of a value as goes into a log and a status: a disclaimer has pages, and passwords are never shown. */
const VALUE_CHARS_MAX = 200

function shownTexts(name: string, texts: readonly string[]): string {
  if (/password$/i.test(name)) return '(not shown)'
  const text = texts.join(', ')
  return text.length > VALUE_CHARS_MAX ? `${text.slice(0, VALUE_CHARS_MAX)}…` : text
}

/** Values that no setting reads, yet are not what the schema allows; and values in an entry where they do not count. */
function otherProblems(sources: Sources, lookup: ParameterLookup): SettingProblem[] {
  return ENTRIES.flatMap((source) =>
    [...(sources[source] ?? [])].flatMap(([name, values]) => {
      const attribute = findAttribute(name)
      if (attribute === undefined || values.length === 0) return []
      const problem = { attribute: name, source, value: shownTexts(name, values) }
      if (!attribute.scope.includes(source)) {
        return [
          {
            ...problem,
            reason: `does not count in ${source === 'server' ? 'the entry of a server' : source}`,
          },
        ]
      }
      if (attribute.use.kind === 'setting') return []
      const reason = valuesProblem(attribute, values, lookup)
      return reason === '' ? [] : [{ ...problem, reason }]
    }),
  )
}
