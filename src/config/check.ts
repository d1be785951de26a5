import { parseAddress } from '#src/mail/address.ts'
import type { Attribute, AttributeType } from './attribute.ts'
import { defaultLookup } from './defaults.ts'
import { expandTexts } from './expand.ts'
import type { ParameterLookup } from './expand.ts'
import { BY_ZIMBRA, SETTINGS } from './settings.ts'
import type { Setting } from './setting.ts'
import { parseSetting } from './values.ts'

/** More values of one attribute than this are no list that a person keeps. */
const VALUES_MAX = 10_000
/** Characters of one value: a disclaimer in HTML is the longest. */
const VALUE_CHARS_MAX = 65_536
/** Zimbra's `integer` has 32 bits. */
const INTEGER_MOST = 2_147_483_647

/**
 * Why these values may not stand in the attribute, as half a sentence ("must be TRUE or FALSE"); '' if they may. No
 * values at all are always allowed: that takes the attribute away. An attribute that a setting reads must be of use to
 * it as well. `lookup` gives the values that `$name` stands for.
 */
export function valuesProblem(
  attribute: Attribute,
  values: readonly string[],
  lookup: ParameterLookup = defaultLookup,
): string {
  if (values.length === 0) return ''
  const schema = schemaProblem(attribute, values)
  if (schema !== '') return schema
  const key = BY_ZIMBRA.get(attribute.name.toLowerCase())
  if (key === undefined) return ''
  const setting: Setting = SETTINGS[key]
  const texts = expandTexts(setting, translated(setting, attribute.name, values), lookup)
  if (texts.kind === 'wrong') return texts.reason
  const parsed = parseSetting(setting, texts.values)
  return parsed.kind === 'wrong' ? parsed.reason : ''
}

/** What Zimbra's schema says about the values, whoever reads them. */
function schemaProblem(attribute: Attribute, values: readonly string[]): string {
  if (values.length > VALUES_MAX) return `may have ${VALUES_MAX} values at most`
  if (values.length > 1 && !attribute.multi) return 'may have one value only'
  const seen = new Set<string>()
  for (const value of values) {
    const reason = valueProblem(attribute, value)
    if (reason !== '') return values.length > 1 ? `${JSON.stringify(value)} ${reason}` : reason
    if (seen.has(value)) return `${JSON.stringify(value)} stands there twice`
    seen.add(value)
  }
  return ''
}

/** A zero octet and its like have no place in any value; a line end has, in a disclaimer. */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/

function valueProblem(attribute: Attribute, value: string): string {
  if (value.length > VALUE_CHARS_MAX) return `may have ${VALUE_CHARS_MAX} characters at most`
  if (CONTROL.test(value)) return 'may not hold control characters'
  return TYPES[attribute.type].fits(value, attribute) ? '' : `must be ${allowedText(attribute)}`
}

interface TypeRule {
  readonly fits: (value: string, attribute: Attribute) => boolean
  /** What a value may be, behind "must be". */
  readonly allowed: (attribute: Attribute) => string
}

function ruleOf(pattern: RegExp, allowed: string): TypeRule {
  return { fits: (value) => pattern.test(value), allowed: () => allowed }
}

const TYPES: Readonly<Record<AttributeType, TypeRule>> = {
  string: { fits: () => true, allowed: () => 'text' },
  astring: ruleOf(/^[\x20-\x7e]*$/, 'text in ASCII'),
  boolean: ruleOf(/^(?:TRUE|FALSE)$/, 'TRUE or FALSE'),
  integer: {
    fits: (value) => /^-?\d{1,10}$/.test(value) && Math.abs(Number(value)) <= INTEGER_MOST,
    allowed: () => `a whole number of at most ${INTEGER_MOST}`,
  },
  long: {
    fits: (value) => /^-?\d{1,16}$/.test(value) && Number.isSafeInteger(Number(value)),
    allowed: () => 'a whole number',
  },
  port: {
    fits: (value) => /^\d{1,5}$/.test(value) && Number(value) <= 65_535,
    allowed: () => 'a port, 0 to 65535',
  },
  duration: ruleOf(/^\d{1,15}(?:[smhd]|ms)?$/, 'a time as Zimbra writes it: 30s, 5m, 1h, 5d, 500ms'),
  email: { fits: isAddress, allowed: () => 'an address such as user@example.com' },
  cs_emailp: {
    fits: (value) => value.split(',').every((one) => isAddress(one.trim())),
    allowed: () => 'addresses such as user@example.com, parted by commas',
  },
  enum: {
    fits: (value, { values }) => values.includes(value),
    allowed: ({ values }) => (values.length === 1 ? (values[0] ?? '') : `one of ${values.join(', ')}`),
  },
  regex: {
    fits: (value, { pattern }) => pattern?.test(value) === true,
    allowed: ({ pattern }) => `of the form ${pattern?.source ?? ''}`,
  },
}

/** What a value may be: `TRUE or FALSE`, `one of enabled, disabled`. */
export function allowedText(attribute: Attribute): string {
  return TYPES[attribute.type].allowed(attribute)
}

function isAddress(text: string): boolean {
  const address = parseAddress(text)
  return address !== undefined && address.domain !== ''
}

/**
 * The values as the setting takes them: an attribute may have words of its own for the same things (`both` of
 * zimbraIPMode is Postfix's `all`).
 */
export function translated(
  setting: Setting,
  attribute: string,
  values: readonly string[],
): readonly string[] {
  const folded = attribute.toLowerCase()
  const words = Object.entries(setting.words ?? {}).find(([name]) => name.toLowerCase() === folded)?.[1]
  if (words === undefined) return values
  return values.map((value) => (Object.hasOwn(words, value) ? (words[value] ?? value) : value))
}
