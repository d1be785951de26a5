import type { Attribute } from './attribute.ts'
import { CAPABILITIES, useText } from './attribute.ts'
import { ATTRIBUTES, findAttribute } from './catalogue.ts'
import { allowedText } from './check.ts'
import { LOCALCONFIG_KEYS } from './localconfig-keys.ts'
import { keysOf } from './localconfig.ts'
import { defaultOf } from './defaults.ts'
import type { Setting, SettingValue } from './setting.ts'
import { formatDuration } from './setting.ts'
import { SETTING_GROUPS, SETTING_LIST } from './settings.ts'

/** docs/settings.md, whole. `postern settings --markdown` prints it; a test holds the file to it. */
export function settingsDocument(): string {
  return `${INTRODUCTION}
# Settings that are honoured

${groups().join('\n')}
# Attributes of accounts, lists and domains that are read

${attributeTable(ATTRIBUTES.filter(({ use }) => use.kind === 'read'))}
# Attributes that change nothing

They may be set, as a directory of Zimbra's has them. The appliance has one way to do what they are about, or it is another
server's business. A value other than Zimbra's own default is told in the log once, and by \`postern settings --notes\`,
\`postconf\` and \`zmprov\`.

${attributeTable(ATTRIBUTES.filter(({ use }) => use.kind === 'fixed'))}
# Attributes that are refused

A value other than Zimbra's own default is an alarm in \`postern status\` and in the log: whoever relies on it is mistaken.

${attributeTable(ATTRIBUTES.filter(({ use }) => use.kind === 'refused'))}
# Attributes that have no effect yet

What each of them waits for comes with a later release. Until then a value other than Zimbra's own default is told, as above, and the default too where a Zimbra does something by it.

${laterSections().join('\n')}
# Keys of localconfig.xml

A key counts where neither globalConfig nor the server's entry has its attribute. \`zmlocalconfig\` shows and edits the file.

${keyTable()}`
}

const INTRODUCTION = `# About this page

Every parameter of Postfix, attribute of Zimbra's directory and key of localconfig.xml that has to do with mail on its way, and what
Postern does with it. This page is made from the tables in \`src/config/\` by \`bin/postern settings --markdown\`;
\`bin/postern settings\` and \`bin/postconf\` show the values that are in force, \`bin/postconf -v\` also where each is from.

A value is looked for in five places, the first that has it decides:

1. \`postern.toml\`: under Postfix's name in \`[limits]\`, or under Zimbra's in \`[settings]\`
   ([configuration.md](configuration.md));
2. the directory: the attribute of that name in the entry of this server, \`cn=NAME,cn=servers,cn=zimbra\`;
3. the directory: the attribute in the entry \`cn=config,cn=zimbra\` (globalConfig);
4. \`localconfig.xml\`, where one was imported: the key that stands for the attribute;
5. the default.

A value that is not allowed is not used: what was in force stays in force, all other changes count, and the log and
\`postern status\` name the attribute and the reason until it is mended. Each change that differs is a numbered generation;
\`postern generations\`, \`postern diff\` and \`postern rollback\` show and undo them ([configuration.md](configuration.md)).

Durations are written as in Postfix: \`30s\`, \`5m\`, \`1h\`, \`5d\`, \`2w\`. A value may refer to other parameters: \`$name\`,
\`\${name}\`, \`\${name?text}\`, \`\${name:text}\`, \`\${name?{text}:{text}}\`; \`stress\` is always empty.
`

/** The settings of each group, and what is in none of them at the end. */
function groups(): string[] {
  const grouped = new Set(SETTING_GROUPS.flatMap(([, table]) => Object.keys(table)))
  const rest = SETTING_LIST.filter(([key]) => !grouped.has(key)).map(([, setting]) => setting)
  const named = SETTING_GROUPS.map(([title, table]) => groupText(title, Object.values(table)))
  return rest.length === 0 ? named : [...named, groupText('Others', rest)]
}

function groupText(title: string, settings: readonly Setting[]): string {
  return `## ${title}\n\n${settings.map(section).join('\n')}`
}

function section(setting: Setting): string {
  const zimbra = [setting.zimbra, ...(setting.zimbraAliases ?? [])].filter((name) => name !== '')
  const keys = keysOf(setting)
  return `### ${headingOf(setting)}

${setting.text}

| | |
|---|---|
| Postfix | ${setting.postfix === '' ? 'no such parameter' : `\`${setting.postfix}\``} |
| Zimbra | ${zimbra.length === 0 ? 'no such attribute' : zimbra.map(attributeText).join(', also ')} |
${keys.length === 0 ? '' : `| localconfig | ${keys.map((key) => `\`${key}\``).join(', ')} |\n`}| Type | ${typeText(setting)} |
| Default | ${codeOrEmpty(shownValue(setting, defaultOf(setting)))} |
| Takes hold | ${setting.takesHold} |
`
}

function headingOf(setting: Setting): string {
  if (setting.postfix !== '') return setting.postfix
  return setting.zimbra === '' ? (setting.localconfig?.[0] ?? '') : setting.zimbra
}

/** An attribute, with where it may stand and what Zimbra's own default is where that is another one. */
function attributeText(name: string): string {
  const attribute = findAttribute(name)
  if (attribute === undefined) return `\`${name}\``
  const notes = [attribute.scope.join(', ')]
  if (attribute.default.length > 0) notes.push(`default \`${attribute.default.join(', ')}\``)
  if (attribute.deprecatedSince !== '') notes.push(`deprecated since ${attribute.deprecatedSince}`)
  return `\`${name}\` (${notes.join('; ')})`
}

function codeOrEmpty(text: string): string {
  return text === '' ? 'empty' : `\`${text}\``
}

function typeText(setting: Setting): string {
  switch (setting.type) {
    case 'integer':
      return `whole number, ${setting.least} to ${setting.most}`
    case 'bytes':
      return `bytes, ${setting.least} to ${setting.most}`
    case 'duration':
      return `time, ${formatDuration(setting.leastMs)} to ${formatDuration(setting.mostMs)}; a bare number is in \`${setting.unit}\``
    case 'boolean':
      return '`yes` or `no`'
    case 'enum':
      return setting.values.map((value) => (value === '' ? 'empty' : `\`${value}\``)).join(' or ')
    case 'list':
      return `list of ${setting.items}`
    case 'text':
      return setting.means ?? 'text'
  }
}

/** A value as an operator would write it. */
export function shownValue(setting: Setting, value: SettingValue): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value === 'string') return value
  if (typeof value !== 'number')
    return value.join(setting.type === 'list' && setting.items === 'networks' ? ' ' : ', ')
  return setting.type === 'duration' ? formatDuration(value) : String(value)
}

function attributeTable(attributes: readonly Attribute[]): string {
  const rows = attributes.map((one) => `| \`${one.name}\`${parameterText(one)} | ${aboutText(one)} |\n`)
  return `| attribute | what becomes of it |\n|---|---|\n${rows.join('')}`
}

function parameterText({ postfix }: Attribute): string {
  return postfix === '' ? '' : ` (\`${postfix}\`)`
}

function aboutText(attribute: Attribute): string {
  const type = `${allowedText(attribute)}${attribute.multi ? ', several' : ''}`
  const fallback = attribute.default.length === 0 ? '' : `, default ${cell(attribute.default.join(', '))}`
  return `${cell(useText(attribute))} ${capital(cell(type))}${fallback}; ${attribute.scope.join(', ')}.`
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function cell(text: string): string {
  return text.replaceAll('|', String.raw`\|`)
}

function laterSections(): string[] {
  const later = ATTRIBUTES.filter(({ use }) => use.kind === 'later')
  return Object.entries(CAPABILITIES).flatMap(([capability, title]) => {
    const waiting = later.filter(({ use }) => use.kind === 'later' && use.capability === capability)
    if (waiting.length === 0) return []
    const rows = waiting.map((one) => {
      const type = `${allowedText(one)}${one.multi ? ', several' : ''}`
      const text = one.text === '' ? '' : `${cell(one.text)} `
      return `| \`${one.name}\`${parameterText(one)} | ${text}${capital(cell(type))}. | ${cell(one.default.join(', '))} | ${one.scope.join(', ')} |\n`
    })
    return [
      `## ${capital(title)}\n\n| attribute | may be | default | stands in |\n|---|---|---|---|\n${rows.join('')}`,
    ]
  })
}

function keyTable(): string {
  const rows = Object.entries(LOCALCONFIG_KEYS).map(([key, { attribute, use, text, default: fallback }]) => {
    const reader = SETTING_LIST.find(([, setting]) => keysOf(setting).includes(key))
    const about = attribute === undefined ? [text, use === undefined ? undefined : useText({ use })] : []
    const what =
      attribute === undefined ? about.filter((one) => one !== undefined).join(' ') : `\`${attribute}\``
    const isHonoured = reader !== undefined || use?.kind === 'read'
    return `| \`${key}\` | ${cell(fallback)} | ${cell(what)} | ${isHonoured ? 'yes' : 'no'} |\n`
  })
  return `| key | Zimbra's default | attribute, or what it is | honoured |\n|---|---|---|---|\n${rows.join('')}`
}
