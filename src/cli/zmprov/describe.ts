import type { Attribute, AttributeScope } from '#src/config/attribute.ts'
import { useText } from '#src/config/attribute.ts'
import { ATTRIBUTES, findAttribute, suggestAttribute } from '#src/config/catalogue.ts'
import { allowedText } from '#src/config/check.ts'
import { BY_ZIMBRA, SETTINGS } from '#src/config/settings.ts'
import type { Setting } from '#src/config/setting.ts'
import { invalidRequest } from '#src/directory/admin/refusal.ts'
import type { Command, Output } from './command.ts'
import { CommandUsage } from './command.ts'

/** Zimbra's words for kinds of entries, and which scopes of the table they have. */
const ENTRY_TYPES: ReadonlyMap<string, readonly AttributeScope[]> = new Map([
  ['account', ['account', 'recipient']],
  ['cos', ['cos']],
  ['distributionlist', ['group', 'groupStaticUnit', 'recipient']],
  ['domain', ['domain', 'recipient']],
  ['globalconfig', ['globalConfig']],
  ['server', ['server']],
])

/** Whose values an entry inherits: `-ni` leaves them out. */
const INHERITS: ReadonlyMap<string, AttributeScope> = new Map([
  ['account', 'cos'],
  ['domain', 'globalConfig'],
  ['server', 'globalConfig'],
])

interface Asked {
  readonly isVerbose: boolean
  readonly isOwnOnly: boolean
  readonly type: string | undefined
  readonly attribute: string | undefined
}

async function* describe(_context: unknown, args: readonly string[]): Output {
  const asked = askedOf(args)
  if (asked.attribute !== undefined) {
    yield* describeOne(asked.attribute)
    return
  }
  for (const attribute of listOf(asked)) {
    yield `${attribute.name}\n`
    if (asked.isVerbose) yield `${wrapped(textOf(attribute))}\n\n`
  }
}

function askedOf(args: readonly string[]): Asked {
  const [isVerbose, isOwnOnly] = [args.includes('-v'), args.includes('-ni')]
  const words = args.filter((arg) => arg !== '-v' && arg !== '-ni')
  if (words[0] === '-a') {
    if (words.length !== 2 || isVerbose || isOwnOnly)
      throw new CommandUsage('can only specify either an entry type or a specific attribute')
    return { isVerbose, isOwnOnly, type: undefined, attribute: words[1] }
  }
  if (words.length > 1) throw new CommandUsage(`entry type is already specified as ${words[0] ?? ''}`)
  const type = words[0]?.toLowerCase()
  if (isOwnOnly && type === undefined) throw new CommandUsage('-ni must be specified with an entry type')
  if (type !== undefined && !ENTRY_TYPES.has(type))
    throw invalidRequest(`invalid entry type ${type}; valid are ${[...ENTRY_TYPES.keys()].join(', ')}`)
  return { isVerbose, isOwnOnly, type, attribute: undefined }
}

function listOf(asked: Asked): readonly Attribute[] {
  const scopes = asked.type === undefined ? undefined : ENTRY_TYPES.get(asked.type)
  const above = asked.isOwnOnly ? INHERITS.get(asked.type ?? '') : undefined
  return ATTRIBUTES.filter(
    ({ scope }) =>
      (scopes === undefined || scopes.some((one) => scope.includes(one))) &&
      (above === undefined || !scope.includes(above)),
  ).toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

function* describeOne(name: string): Generator<string> {
  const attribute = findAttribute(name)
  if (attribute === undefined) {
    const near = suggestAttribute(name)
    yield `no attribute info for ${name}${near === undefined ? '' : `; is ${near} meant?`}\n\n`
    return
  }
  yield `${attribute.name}\n${wrapped(textOf(attribute))}\n\n`
  for (const [field, value] of fieldsOf(attribute)) yield `    ${field.padStart(15)} : ${value}\n`
  yield '\n'
}

/** Zimbra's fields as far as the table has them, then what Postern adds. */
function fieldsOf(attribute: Attribute): readonly (readonly [string, string])[] {
  const key = BY_ZIMBRA.get(attribute.name.toLowerCase())
  const setting: Setting | undefined = key === undefined ? undefined : SETTINGS[key]
  const bounds = setting !== undefined && (setting.type === 'integer' || setting.type === 'bytes')
  return [
    ['type', attribute.type],
    ['value', attribute.type === 'enum' ? attribute.values.join(',') : (attribute.pattern?.source ?? '')],
    ['cardinality', attribute.multi ? 'multi' : 'single'],
    ['optionalIn', attribute.scope.join(',')],
    ['defaults', attribute.default.join(',')],
    ['min', bounds ? String(setting.least) : ''],
    ['max', bounds ? String(setting.most) : ''],
    ['deprecatedSince', attribute.deprecatedSince],
    ['allowed', allowedText(attribute)],
    ['postfix', attribute.postfix === '' ? (setting?.postfix ?? '') : attribute.postfix],
    ['takesHold', setting?.takesHold ?? ''],
    ['postern', useText(attribute)],
  ]
}

function textOf(attribute: Attribute): string {
  return attribute.text === '' ? useText(attribute) : attribute.text
}

const WIDTH = 70

function wrapped(text: string): string {
  const lines: string[] = ['']
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1) ?? ''
    if (last !== '' && last.length + 1 + word.length > WIDTH) lines.push(word)
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`
  }
  return lines.map((one) => `    ${one}`).join('\n')
}

export const DESCRIBE: Command = {
  name: 'describe',
  alias: 'desc',
  help: '[[-v] [-ni] [{entry-type}]] | [-a {attribute-name}]',
  category: 'misc',
  least: 0,
  most: 5,
  changes: 'nothing',
  run: describe,
}
