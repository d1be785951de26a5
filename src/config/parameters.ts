import { VERSION } from '#src/base/version.ts'
import type { Attribute } from './attribute.ts'
import { attributeOfParameter } from './catalogue.ts'
import { defaultOf } from './defaults.ts'
import { shownValue } from './document.ts'
import { expand } from './expand.ts'
import type { ParameterLookup } from './expand.ts'
import type { Origin, Resolved } from './resolve.ts'
import { writtenTexts } from './resolve.ts'
import { BY_POSTFIX, SETTING_LIST, SETTINGS } from './settings.ts'
import type { SettingKey, Settings } from './settings.ts'
import type { Setting } from './setting.ts'
import type { Sources } from './sources.ts'
import { ENTRIES } from './sources.ts'

/** A parameter of Postfix as Postern has it. */
export type Parameter =
  | { readonly kind: 'setting'; readonly name: string; readonly key: SettingKey; readonly setting: Setting }
  /** It has an attribute in Zimbra's directory and no effect here, for the reason that the attribute's use says. */
  | { readonly kind: 'idle'; readonly name: string; readonly attribute: Attribute }
  | { readonly kind: 'built-in'; readonly name: string; readonly value: string }

/** Parameters that scripts ask for and nobody sets. */
const BUILT_IN: ReadonlyMap<string, string> = new Map([
  ['mail_name', 'Postern'],
  ['mail_version', VERSION],
])

/** Where things lie, by the parameters that name them: an installation decides that, and no setting. */
export type Places = ReadonlyMap<string, string>

/** undefined for a name that neither Postern nor Zimbra knows. */
export function findParameter(name: string, places: Places = new Map()): Parameter | undefined {
  const place = places.get(name)
  if (place !== undefined) return { kind: 'built-in', name, value: place }
  const key = BY_POSTFIX.get(name)
  if (key !== undefined) return { kind: 'setting', name, key, setting: SETTINGS[key] }
  const attribute = attributeOfParameter(name)
  if (attribute !== undefined) return { kind: 'idle', name, attribute }
  const value = BUILT_IN.get(name)
  return value === undefined ? undefined : { kind: 'built-in', name, value }
}

/** Every parameter that is honoured, by name. */
export function honouredParameters(): readonly (Parameter & { readonly kind: 'setting' })[] {
  return SETTING_LIST.flatMap(([key, setting]) =>
    setting.postfix === '' ? [] : [{ kind: 'setting' as const, name: setting.postfix, key, setting }],
  ).toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** What the values of parameters are looked up in. */
export interface ParameterValues {
  readonly settings: Settings
  readonly resolved: Resolved
  readonly sources: Sources
}

/** The value of a parameter as its source has written it: `$name` stands as it is. */
export function writtenValue(parameter: Parameter, values: ParameterValues): string {
  switch (parameter.kind) {
    case 'built-in':
      return parameter.value
    case 'idle':
      return idleTexts(parameter.attribute, values.sources).join(', ')
    case 'setting': {
      const { key, setting } = parameter
      const texts = values.resolved.origins[key].kept ? undefined : writtenTexts(key, values.sources)
      const isHeld = values.resolved.origins[key].source === 'rollback'
      // As Postfix shows it: not worked out, and a time in the unit that it was given in.
      const isShown = texts?.some((text) => text.includes('$')) === true || setting.type === 'duration'
      if (!isHeld && texts !== undefined && isShown) return texts.join(', ')
      return shownValue(setting, values.settings[key])
    }
  }
}

/** The value with everything that it refers to filled in. */
export function expandedParameter(parameter: Parameter, values: ParameterValues): string {
  const text =
    parameter.kind === 'setting'
      ? shownValue(parameter.setting, values.settings[parameter.key])
      : writtenValue(parameter, values)
  const lookup: ParameterLookup = (name) => {
    const other = findParameter(name)
    return other === undefined ? undefined : writtenValue(other, values)
  }
  const expanded = expand(text, lookup)
  return expanded.kind === 'text' ? expanded.text : text
}

export function defaultParameter(parameter: Parameter): string {
  switch (parameter.kind) {
    case 'built-in':
      return parameter.value
    case 'idle':
      return parameter.attribute.default.join(', ')
    case 'setting':
      return shownValue(parameter.setting, defaultOf(parameter.setting))
  }
}

/** Where the value of a parameter is from; undefined for its default. */
export function originOf(parameter: Parameter, { resolved, sources }: ParameterValues): Origin | undefined {
  if (parameter.kind === 'built-in') return undefined
  if (parameter.kind === 'setting') {
    const origin = resolved.origins[parameter.key]
    return origin.source === 'default' && !origin.kept ? undefined : origin
  }
  for (const source of ENTRIES) {
    const values = sources[source]?.get(parameter.attribute.name) ?? []
    if (values.length > 0) return { source, name: parameter.attribute.name, kept: false }
  }
  return undefined
}

function idleTexts(attribute: Attribute, sources: Sources): readonly string[] {
  for (const source of ENTRIES) {
    const values = sources[source]?.get(attribute.name) ?? []
    if (values.length > 0) return values
  }
  return attribute.default
}
