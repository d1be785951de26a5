import * as fc from 'fast-check'
import test from 'ava'
import type { Attribute } from '#src/config/attribute.ts'
import { ATTRIBUTES } from '#src/config/catalogue.ts'
import { valuesProblem } from '#src/config/check.ts'
import { defaultSettings } from '#src/config/defaults.ts'
import { shownValue } from '#src/config/document.ts'
import { readConfig } from '#src/config/config.ts'
import { resolveSettings } from '#src/config/resolve.ts'
import { BY_ZIMBRA, SETTING_LIST, SETTINGS } from '#src/config/settings.ts'
import type { SettingKey } from '#src/config/settings.ts'
import type { Setting } from '#src/config/setting.ts'
import { parseSetting } from '#src/config/values.ts'

/** Values that are nearly right, as people write them. */
const LIKELY = [
  '',
  ' ',
  '0',
  '1',
  '-1',
  '007',
  '1e3',
  '0x10',
  '25',
  '65536',
  '2147483647',
  '2147483648',
  '99999999999999999999',
  '1.5',
  'TRUE',
  'FALSE',
  'true',
  'yes',
  'no',
  'YES',
  '30s',
  '5d',
  '1h 30m',
  '500ms',
  '2w',
  '${stress?3}${stress:5}',
  '$myhostname',
  '$mydestination',
  '${',
  '$',
  'error',
  'lmtp:host:7025',
  '!SSLv2, !SSLv3',
  '>=TLSv1.2',
  'medium',
  '10.0.0.0/8',
  '[::1]/128',
  '!192.0.2.1',
  '::1',
  '@example.com',
  'user@example.com',
  'a@b, c@d',
  '<>',
  'x\u0000y',
  'x\ny',
  'ü',
  '*',
  '/etc/passwd',
  '../..',
  '<script>',
  "' OR 1=1 --",
  '__proto__',
  'constructor',
] as const

function aValue(attribute: Attribute): fc.Arbitrary<string> {
  return fc.oneof(
    fc.constantFrom(...LIKELY),
    fc.constantFrom('', ...attribute.default, ...attribute.values),
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.integer().map(String),
    fc.stringMatching(/^\d{1,4}[smhdw]?$/),
  )
}

function valuesOf(attribute: Attribute): fc.Arbitrary<readonly string[]> {
  return fc.array(aValue(attribute), { minLength: 1, maxLength: 4 })
}

const named = fc
  .constantFrom(...ATTRIBUTES)
  .chain((attribute) => fc.tuple(fc.constant(attribute), valuesOf(attribute)))

/** What a setting of this kind can be, whatever was written. */
function isSound(setting: Setting, value: unknown): boolean {
  switch (setting.type) {
    case 'integer':
    case 'bytes':
      return isBetween(value, setting.least, setting.most)
    case 'duration':
      return isBetween(value, setting.leastMs, setting.mostMs)
    case 'boolean':
      return typeof value === 'boolean'
    case 'enum':
      return setting.values.some((one) => one === value)
    case 'text':
      return typeof value === 'string' && (setting.pattern?.test(value) ?? true)
    case 'list':
      return Array.isArray(value) && value.every((word) => typeof word === 'string')
  }
}

function isBetween(value: unknown, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most
}

const RUNS = 2000
/** Of each single attribute, and there are hundreds. */
const RUNS_EACH = 5

test('whatever stands in an attribute, it counts whole or the value before stays and the reason is told', (t) => {
  const before = { ...defaultSettings(), hopcountLimit: 33, smtpdTimeoutMs: 77_000 }
  for (const attribute of ATTRIBUTES) {
    fc.assert(
      fc.property(valuesOf(attribute), fc.constantFrom('globalConfig', 'server'), (values, source) => {
        const entry = new Map([[attribute.name, values]])
        const sources = { overrides: {}, globalConfig: new Map<string, string[]>(), [source]: entry }
        const { settings, problems, origins } = resolveSettings(sources, before)
        const key = BY_ZIMBRA.get(attribute.name.toLowerCase())
        for (const [one, setting] of SETTING_LIST) {
          if (!isSound(setting, settings[one])) return false
          if (one !== key && origins[one].source !== 'default') return false
        }
        for (const problem of problems)
          if (problem.attribute !== attribute.name || problem.reason === '') return false
        if (key === undefined || !attribute.scope.includes(source)) return true
        const isKept = JSON.stringify(settings[key]) === JSON.stringify(before[key])
        return problems.length === 0 ? !origins[key].kept : isKept && origins[key].kept
      }),
      { numRuns: RUNS_EACH },
    )
  }
  t.pass()
})

test('a value that is allowed is taken, and one that is not is told, by the same words everywhere', (t) => {
  fc.assert(
    fc.property(named, ([attribute, values]) => {
      const reason = valuesProblem(attribute, values)
      const source = attribute.scope.includes('globalConfig') ? 'globalConfig' : 'server'
      if (!attribute.scope.includes(source)) return true
      const sources = {
        overrides: {},
        globalConfig: new Map<string, string[]>(),
        [source]: new Map([[attribute.name, values]]),
      }
      const { problems } = resolveSettings(sources)
      return problems.length === (reason === '' ? 0 : 1) && (problems[0]?.reason ?? '') === reason
    }),
    { numRuns: RUNS },
  )
  t.pass()
})

test('one bad value takes no other with it', (t) => {
  const good = new Map([
    ['zimbraMtaHopcountLimit', ['44']],
    ['zimbraMtaMaxMessageSize', ['5000']],
  ])
  fc.assert(
    fc.property(named, ([attribute, values]) => {
      if (good.has(attribute.name)) return true
      const { settings } = resolveSettings({
        overrides: {},
        globalConfig: new Map([...good, [attribute.name, values]]),
      })
      return settings.hopcountLimit === 44 && settings.messageSizeLimitBytes === 5000
    }),
    { numRuns: RUNS },
  )
  t.pass()
})

test('a value that was read is shown so that it reads back as itself', (t) => {
  const written = fc.constantFrom(...SETTING_LIST).chain(([key, setting]) =>
    fc.tuple(
      fc.constant([key, setting] as const),
      fc.array(fc.oneof(fc.constantFrom(...LIKELY), fc.stringMatching(/^\d{1,4}[smhd]?$/)), {
        minLength: 1,
        maxLength: 3,
      }),
    ),
  )
  fc.assert(
    fc.property(written, ([[, setting], texts]) => {
      const parsed = parseSetting(setting, texts)
      if (parsed.kind === 'wrong') return true
      const again = parseSetting(setting, [shownValue(setting, parsed.value)])
      return again.kind === 'value' && JSON.stringify(again.value) === JSON.stringify(parsed.value)
    }),
    { numRuns: RUNS },
  )
  t.pass()
})

test('whatever [settings] and [limits] hold, the file is taken or every mistake in it is told', (t) => {
  const names = SETTING_LIST.map(([key]) => key)
  fc.assert(
    fc.property(fc.constantFrom(...names), fc.constantFrom(...LIKELY), (key: SettingKey, value) => {
      const { postfix, zimbra }: Setting = SETTINGS[key]
      const table = postfix === '' ? 'settings' : 'limits'
      const name = postfix === '' ? zimbra : postfix
      if (name === '') return true
      const loaded = readConfig(`[${table}]\n${name} = ${JSON.stringify(value)}\n`, 'postern.toml', '/box')
      return (
        loaded.kind === 'config' || loaded.problems.every(({ reason, line }) => reason !== '' && line >= 1)
      )
    }),
    { numRuns: RUNS },
  )
  t.pass()
})
