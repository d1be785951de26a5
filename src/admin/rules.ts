import type { Attribute, AttributeScope } from '#src/config/attribute.ts'
import { useText } from '#src/config/attribute.ts'
import { findAttribute, suggestAttribute } from '#src/config/catalogue.ts'
import { valuesProblem } from '#src/config/check.ts'
import { isDefault } from '#src/config/sources.ts'
import { defaultTexts } from './value-texts.ts'
import type { AttributeRule, AttributeRules, EntryKind } from '#src/directory/admin/attributes.ts'

/** Where attributes of the table may stand, by the kind of entry. Every mail recipient has those of `recipient`. */
const SCOPES: Readonly<Record<EntryKind, readonly AttributeScope[]>> = {
  account: ['account', 'cos', 'recipient'],
  alias: [],
  distributionList: ['group', 'groupStaticUnit', 'groupDynamicUnit', 'recipient'],
  domain: ['domain', 'recipient'],
  globalConfig: ['globalConfig'],
  server: ['server'],
}

/** Families that the table holds whole: a name in them that it does not know is a slip of the pen. */
const FAMILIES =
  /^(?:zimbra(?:Mta|Spam|Amavis|Virus|ClamAV|CBPolicyd|Milter|Lmtp|DNS|ShareNotificationMta)|amavis|DKIM)/i

/** Attributes of persons, organisations and the tree: RFC 4519, RFC 2798. */
const OF_ENTRIES: ReadonlyMap<string, { readonly name: string; readonly multi: boolean }> = new Map(
  [
    'cn sn givenName initials title o ou l st c street postalCode postalAddress telephoneNumber description',
    'facsimileTelephoneNumber mobile pager homePhone homePostalAddress mail objectClass seeAlso memberURL',
    'physicalDeliveryOfficeName businessCategory departmentNumber roomNumber',
  ]
    .flatMap((line) => line.split(' '))
    .map((name) => ({ name, multi: true }))
    .concat(
      [
        'displayName',
        'userPassword',
        'employeeNumber',
        'employeeType',
        'preferredLanguage',
        'company',
        'co',
      ].map((name) => ({ name, multi: false })),
    )
    .map((one) => [one.name.toLowerCase(), one] as const),
)

/** What is worth saying of an attribute that was set, beyond an error; undefined for nothing. */
export function attributeNote(name: string): string | undefined {
  const attribute = findAttribute(name)
  if (attribute === undefined) return undefined
  if (attribute.use.kind === 'fixed' || attribute.use.kind === 'later')
    return `${attribute.name}: ${useText(attribute)}`
  return undefined
}

/** `Warn: attribute X has been deprecated since Y`, as the original says it. */
export function deprecation(name: string): string | undefined {
  const attribute = findAttribute(name)
  return attribute === undefined || attribute.deprecatedSince === ''
    ? undefined
    : `Warn: attribute ${attribute.name} has been deprecated since ${attribute.deprecatedSince}`
}

/** Whether a name is of one of the families that are about mail on its way. */
export function isOfMail(name: string): boolean {
  return FAMILIES.test(name)
}

/** Whether an attribute is one that entries of any directory have: names, telephones, the password. */
export function isCommonAttribute(name: string): boolean {
  return OF_ENTRIES.has(name.toLowerCase())
}

/** The table of settings as the administration asks it. */
export const RULES: AttributeRules = { rule }

function rule(kind: EntryKind, name: string): AttributeRule {
  const attribute = findAttribute(name)
  if (attribute !== undefined) return inTable(kind, attribute)
  const key = name.toLowerCase()
  const common = OF_ENTRIES.get(key)
  if (common !== undefined) return { kind: 'known', ...common, check: textProblem, defaults: [] }
  const near = suggestAttribute(name)
  const isSlip = isOfMail(name) || (near !== undefined && differLittle(name, near))
  if (/^zimbra[A-Z][A-Za-z0-9]{0,120}$/.test(name) && !isSlip)
    return { kind: 'known', name, multi: true, check: textProblem, defaults: [] }
  const hint = near === undefined ? '' : `; is ${near} meant?`
  return { kind: 'unknown', reason: `invalid attr name: ${name}: there is no such attribute${hint}` }
}

/** Whether two names are the same but for a letter or two in one place. */
function differLittle(one: string, other: string): boolean {
  const [a, b] = [one.toLowerCase(), other.toLowerCase()]
  const least = Math.min(a.length, b.length)
  let head = 0
  while (head < least && a[head] === b[head]) head += 1
  let tail = 0
  while (tail < least - head && a.at(-1 - tail) === b.at(-1 - tail)) tail += 1
  return Math.max(a.length, b.length) - head - tail <= LETTERS_WRONG_MAX
}

const LETTERS_WRONG_MAX = 2

function inTable(kind: EntryKind, attribute: Attribute): AttributeRule {
  const { name, multi, scope, use } = attribute
  if (!scope.some((one) => SCOPES[kind].includes(one)))
    return {
      kind: 'unknown',
      reason: `invalid attr name: ${name} may not stand in ${kind}, only in ${scope.join(', ')}`,
    }
  const check = (values: readonly string[]) => {
    const problem = valuesProblem(attribute, values)
    if (problem !== '' || use.kind !== 'refused' || isDefault(attribute, values)) return problem
    return `is refused: ${use.text}`
  }
  return { kind: 'known', name, multi, check, defaults: defaultTexts(attribute) }
}

/** A zero octet and its like have no place in any value. */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/

function textProblem(values: readonly string[]): string {
  return values.some((value) => CONTROL.test(value)) ? 'may not hold control characters' : ''
}
