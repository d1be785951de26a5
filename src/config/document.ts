import { defaultOf } from './resolve.ts'
import type { Setting, SettingValue } from './setting.ts'
import { formatDuration } from './setting.ts'
import { SETTING_LIST } from './settings.ts'

/** docs/settings.md, whole. `postern settings --markdown` prints it; a test holds the file to it. */
export function settingsDocument(): string {
  return `# Settings

Every setting that has a name in Postfix or in Zimbra. This page is made from the table in \`src/config/\` by
\`bin/postern settings --markdown\`; \`bin/postern settings\` shows the values that are in force.

A value is looked for in three places, the first that has it decides:

1. \`postern.toml\`: under Postfix's name in \`[limits]\`, or under Zimbra's in \`[settings]\`
   ([configuration.md](configuration.md));
2. the directory: the attribute of that name in the entry \`cn=config,cn=zimbra\` (globalConfig);
3. the default.

A value in the directory that is not allowed is not used: what was in force stays in force, and the log and
\`postern status\` name the attribute. Durations are written as in Postfix: \`30s\`, \`5m\`, \`1h\`, \`5d\`, \`2w\`.

${SETTING_LIST.map(([, setting]) => section(setting)).join('\n')}`
}

function section(setting: Setting): string {
  const aliases = setting.zimbraAliases ?? []
  return `## ${setting.postfix === '' ? setting.zimbra : setting.postfix}

${setting.text}

| | |
|---|---|
| Postfix | ${setting.postfix === '' ? 'no such parameter' : `\`${setting.postfix}\``} |
| Zimbra | ${setting.zimbra === '' ? 'no such attribute' : [setting.zimbra, ...aliases].map((name) => `\`${name}\``).join(', also ')} |
| Type | ${typeText(setting)} |
| Default | ${codeOrEmpty(shownValue(setting, defaultOf(setting)))} |
| Takes hold | ${setting.takesHold} |
`
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
