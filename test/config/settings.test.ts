import { readFileSync } from 'node:fs'
import test from 'ava'
import { settingsDocument } from '#src/config/document.ts'
import { defaultOf, defaultSettings } from '#src/config/defaults.ts'
import { resolveSettings } from '#src/config/resolve.ts'
import { settingName } from '#src/config/generations.ts'
import { formatDuration, parseDurationMs } from '#src/config/setting.ts'
import { BY_POSTFIX, BY_ZIMBRA, SETTING_LIST } from '#src/config/settings.ts'
import { shownValue } from '#src/config/document.ts'
import { suggest } from '#src/config/suggest.ts'
import { parseSetting } from '#src/config/values.ts'

test('docs/settings.md is what the table says (make docs)', (t) => {
  t.is(readFileSync('docs/settings.md', 'utf8'), settingsDocument())
})

test('every default is a value that the setting itself allows', (t) => {
  for (const [key, setting] of SETTING_LIST) {
    const value = defaultOf(setting)
    const parsed = parseSetting(
      setting,
      setting.type === 'list' ? setting.default : [shownValue(setting, value)],
    )
    t.deepEqual(parsed, { kind: 'value', value }, key)
  }
})

test('every setting has a name, each name is used once, and every text is a sentence', (t) => {
  const names = SETTING_LIST.flatMap(([, setting]) => [
    setting.postfix,
    setting.zimbra,
    ...(setting.zimbraAliases ?? []),
  ]).filter((name) => name !== '')
  t.is(new Set(names.map((name) => name.toLowerCase())).size, names.length)
  t.is(BY_POSTFIX.size + BY_ZIMBRA.size, names.length)
  for (const [key, setting] of SETTING_LIST) {
    t.not(settingName(setting), '', key)
    t.regex(setting.text, /\.$/, key)
  }
})

for (const [text, unit, ms] of [
  ['300s', 's', 300_000],
  ['5', 'd', 432_000_000],
  ['5', 's', 5000],
  ['2w', 's', 1_209_600_000],
  ['0h', 's', 0],
  [' 1m ', 's', 60_000],
  ['', 's', undefined],
  ['1.5h', 's', undefined],
  ['-1s', 's', undefined],
  ['5x', 's', undefined],
  ['1h30m', 's', undefined],
  ['999999999999w', 's', undefined],
] as const) {
  test(`"${text}" with the unit ${unit} is ${ms === undefined ? 'no time' : `${ms} ms`}`, (t) => {
    t.is(parseDurationMs(text, unit), ms)
  })
}

test('a duration is written so that it reads back as itself', (t) => {
  for (const ms of [
    0, 1000, 60_000, 300_000, 4_000_000, 3_600_000, 86_400_000, 432_000_000, 604_800_000, 31_536_000_000,
  ]) {
    t.is(parseDurationMs(formatDuration(ms), 's'), ms, formatDuration(ms))
  }
  t.is(formatDuration(432_000_000), '5d')
  t.is(formatDuration(4_000_000), '4000s')
})

test('postern.toml stands above the directory, the directory above the default', (t) => {
  const directory = new Map([
    ['zimbraMtaHopcountLimit', ['7']],
    ['zimbraMtaMaxMessageSize', ['2000']],
    ['cn', ['config']],
  ])
  const { settings, problems } = resolveSettings({
    overrides: { messageSizeLimitBytes: 1000 },
    globalConfig: directory,
  })
  t.deepEqual(problems, [])
  t.is(settings.messageSizeLimitBytes, 1000)
  t.is(settings.hopcountLimit, 7)
  t.is(settings.recipientLimit, 1000)
})

test('a value of the directory that is not allowed is told, and what was in force stays', (t) => {
  const before = { ...defaultSettings(), hopcountLimit: 33 }
  const { settings, problems } = resolveSettings(
    { overrides: {}, globalConfig: new Map([['zimbramtahopcountlimit', ['many']]]) },
    before,
  )
  t.is(settings.hopcountLimit, 33)
  t.deepEqual(problems, [
    {
      attribute: 'zimbramtahopcountlimit',
      source: 'globalConfig',
      value: 'many',
      reason: 'must be a whole number of at most 2147483647',
    },
  ])
})

test('the misspelt attribute of Zimbra counts where the right one is absent, and only there', (t) => {
  const wrong: [string, string[]] = ['zimbraMtaStpdSoftErrorLimit', ['3']]
  const right: [string, string[]] = ['zimbraMtaSmtpdSoftErrorLimit', ['4']]
  t.is(resolveSettings({ overrides: {}, globalConfig: new Map([wrong]) }).settings.softErrorLimit, 3)
  t.is(resolveSettings({ overrides: {}, globalConfig: new Map([wrong, right]) }).settings.softErrorLimit, 4)
  t.is(resolveSettings({ overrides: {}, globalConfig: new Map([right, wrong]) }).settings.softErrorLimit, 4)
})

test('a list may be one value of several words or several values', (t) => {
  for (const texts of [['10.0.0.0/8 192.0.2.1'], ['10.0.0.0/8,', '192.0.2.1']]) {
    t.deepEqual(
      resolveSettings({ overrides: {}, globalConfig: new Map([['zimbraMtaMyNetworks', texts]]) }).settings
        .myNetworks,
      ['10.0.0.0/8', '192.0.2.1'],
    )
  }
})

test('a name is suggested for a slip, and none for a different word', (t) => {
  const known = ['message_size_limit', 'smtpd_timeout', 'hopcount_limit']
  t.is(suggest('mesage_size_limit', known), 'message_size_limit')
  t.is(suggest('SMTPD_TIMEUOT', known), 'smtpd_timeout')
  t.is(suggest('colour', known), undefined)
})
