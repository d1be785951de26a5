import test from 'ava'
import { pairsOf, scopesOf, unchangeable } from '#src/console/settings-edit.ts'
import type { SettingRow } from '#src/console/settings-edit.ts'
import { settingName } from '#src/config/generations.ts'
import { SETTING_LIST } from '#src/config/settings.ts'

function rowOf(name: string, source = 'default'): SettingRow {
  const found = SETTING_LIST.find(([, setting]) => settingName(setting) === name)
  if (found === undefined) throw new Error(`no setting ${name}`)
  const [key, setting] = found
  return { key, setting, name, value: '', source }
}

for (const [name, text, values] of [
  ['message_size_limit', ' 5000000 ', ['5000000']],
  ['smtpd_tls_auth_only', 'yes', ['TRUE']],
  ['smtpd_tls_auth_only', 'off', ['FALSE']],
  ['smtpd_tls_auth_only', 'perhaps', ['perhaps']],
  ['zimbraMtaBlockedExtension', 'exe, bat  com', ['exe', 'bat', 'com']],
  ['zimbraMtaBlockedExtension', '  ', ['']],
] as const)
  test(`what is typed for ${name} becomes what the directory has: ${JSON.stringify(text)}`, (t) => {
    const { setting } = rowOf(name)
    t.deepEqual(
      pairsOf(setting, text),
      values.map((value) => ({ op: 'set', name: setting.zimbra, value })),
    )
  })

test('a setting says why it cannot be changed here, and where it may stand', (t) => {
  t.is(unchangeable(rowOf('message_size_limit')), '')
  t.regex(unchangeable(rowOf('message_size_limit', 'postern.toml')), /stands in postern\.toml/)
  t.deepEqual(scopesOf(rowOf('message_size_limit')), ['globalConfig'])
  t.deepEqual(scopesOf(rowOf('myhostname')), ['globalConfig', 'server'])
})
