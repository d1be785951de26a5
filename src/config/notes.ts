import type { Attribute } from './attribute.ts'
import { useText } from './attribute.ts'
import { findAttribute, suggestAttribute } from './catalogue.ts'
import { LOCALCONFIG_KEYS } from './localconfig-keys.ts'
import type { SourceName, Sources } from './sources.ts'
import { ENTRIES, isDefault } from './sources.ts'
import { BY_ZIMBRA, SETTINGS } from './settings.ts'
import type { Setting } from './setting.ts'

/**
 * Something that is set and does not do what it says. `refused` is an alarm: whoever relies on it is mistaken. A value
 * that is Zimbra's own default asks for nothing, and a Zimbra has them all in its globalConfig: it is no note, unless the
 * default itself does something there that is not done here yet.
 */
export interface SettingNote {
  readonly attribute: string
  readonly source: SourceName
  readonly kind: 'fixed' | 'refused' | 'later' | 'unknown' | 'overridden'
  readonly text: string
  /** Nobody has set it so: it is Zimbra's own default, which does something there and not here yet. */
  readonly byDefault?: true
}

/** Families of attributes that are about mail on its way; the rest of Zimbra's schema is for other servers. */
const OURS =
  /^(?:zimbra(?:Mta|Amavis|Spam|Virus|ClamAV|CBPolicyd|Milter|Lmtp|ShareNotificationMta|DNS)|amavis)/i

/** Everything that is set and has no effect, or not the one that it seems to have. */
export function notesOf(sources: Sources): SettingNote[] {
  const notes: SettingNote[] = []
  const lacking = sources.lacksServer ?? ''
  if (lacking !== '') {
    const text = `The directory has no entry of a server ${lacking}; \`server\` in [directory] of postern.toml names the one that counts.`
    notes.push({ attribute: 'server', source: 'server', kind: 'unknown', text })
  }
  for (const source of ENTRIES) {
    const entry = sources[source] ?? new Map<string, readonly string[]>()
    const names = new Set([...entry.keys()].map((name) => name.toLowerCase()))
    for (const [name, values] of entry) {
      if (values.length === 0) continue
      if (notes.length >= NOTES_MAX) break
      const note = noteOn(name, values, names)
      if (note !== undefined) notes.push({ attribute: name, source, ...note })
    }
  }
  return [...notes, ...localconfigNotes(sources)].slice(0, NOTES_MAX)
}

function localconfigNotes(sources: Sources): readonly SettingNote[] {
  const source = 'localconfig.xml'
  const notes = [...(sources.localconfig ?? [])].flatMap(([attribute, value]): SettingNote[] => {
    const note = noteOnKey(attribute, value)
    return note === undefined ? [] : [{ attribute, source, ...note }]
  })
  if (sources.isEmbedded === true && (sources.localconfig?.get('ldap_url') ?? '') !== '')
    notes.push({ attribute: 'ldap_url', source, kind: 'fixed', text: UNASKED })
  return notes
}

const UNASKED =
  'Is not asked, since the directory is the embedded one; `localconfig = true` in [directory] of postern.toml has it asked, with the name and password of localconfig.xml.'

/** There are some three hundred attributes that could have one; more are a broken import. */
const NOTES_MAX = 1000

type Remark = Pick<SettingNote, 'kind' | 'text' | 'byDefault'>

/** `names`: all attributes of the entry, in lower case. */
function noteOn(name: string, values: readonly string[], names: ReadonlySet<string>): Remark | undefined {
  const attribute = findAttribute(name)
  if (attribute === undefined) {
    // Attributes that a setting reads and Zimbra's schema does not have would be none of these families.
    if (!OURS.test(name) || BY_ZIMBRA.has(name.toLowerCase())) return undefined
    const meant = suggestAttribute(name)
    return { kind: 'unknown', text: `Is not known.${meant === undefined ? '' : ` Did you mean ${meant}?`}` }
  }
  if (isDefault(attribute, values)) return missedDefault(attribute)
  if (attribute.name === 'zimbraServiceEnabled') return remarkOnServices(values)
  return attribute.use.kind === 'setting' ? overridden(attribute, names) : remark(attribute)
}

/** What Zimbra's default does there is not done here. */
function missedDefault(attribute: Attribute): Remark | undefined {
  const { use } = attribute
  if (use.kind !== 'later' || !use.actsByDefault) return undefined
  return { kind: 'later', text: useText(attribute), byDefault: true }
}

/** Services of a Zimbra's MTA that a later release brings. All others are other servers', or always there (snmp, stats). */
const SERVICES_LATER: ReadonlySet<string> = new Set([
  'amavis',
  'antispam',
  'archiving',
  'cbpolicyd',
  'dnscache',
  'opendkim',
])

function remarkOnServices(values: readonly string[]): Remark | undefined {
  if (!values.includes('mta'))
    return {
      kind: 'fixed',
      text: 'Lacks mta; mail is taken all the same. Stop Postern where it shall take none.',
    }
  const missing = values.filter((service) => SERVICES_LATER.has(service))
  if (missing.length === 0) return undefined
  return { kind: 'later', text: `Has no effect yet: ${missing.join(', ')}.` }
}

/** A deprecated attribute beside the one that has replaced it: the new one decides. */
function overridden(attribute: Attribute, names: ReadonlySet<string>): Remark | undefined {
  const key = BY_ZIMBRA.get(attribute.name.toLowerCase())
  if (key === undefined) return undefined
  const { zimbra }: Setting = SETTINGS[key]
  if (zimbra.toLowerCase() === attribute.name.toLowerCase() || !names.has(zimbra.toLowerCase()))
    return undefined
  return { kind: 'overridden', text: `Is deprecated, and ${zimbra} beside it decides.` }
}

function remark(attribute: Attribute): Remark | undefined {
  const { kind } = attribute.use
  if (kind === 'setting' || kind === 'read') return undefined
  return { kind, text: useText(attribute) }
}

function noteOnKey(key: string, value: string): Remark | undefined {
  const known = Object.hasOwn(LOCALCONFIG_KEYS, key) ? LOCALCONFIG_KEYS[key] : undefined
  // localconfig.xml holds what all of Zimbra's servers want to know; only the keys of the MTA are ours.
  if (known === undefined || value === '' || value === known.default) return undefined
  const attribute = known.attribute === undefined ? undefined : findAttribute(known.attribute)
  if (attribute !== undefined) return remark(attribute)
  if (known.use === undefined) return undefined
  const { kind } = known.use
  return kind === 'setting' || kind === 'read' ? undefined : { kind, text: useText({ use: known.use }) }
}
