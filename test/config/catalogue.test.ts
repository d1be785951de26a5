import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { CAPABILITIES } from '#src/config/attribute.ts'
import {
  ATTRIBUTES,
  TABLES,
  attributeOfParameter,
  findAttribute,
  suggestAttribute,
} from '#src/config/catalogue.ts'
import { valuesProblem } from '#src/config/check.ts'
import { LOCALCONFIG_KEYS } from '#src/config/localconfig-keys.ts'
import { keyProblem, keysOf } from '#src/config/localconfig.ts'
import { resolveSettings } from '#src/config/resolve.ts'
import { BY_ZIMBRA, SETTING_LIST, SETTINGS } from '#src/config/settings.ts'

const AMAVIS = ATTRIBUTES.filter(({ name }) => name.startsWith('amavis'))
const ZIMBRA = ATTRIBUTES.filter(({ name }) => name.startsWith('zimbra'))

/** A folder with tables of the names in Zimbra's schema, where there is one to compare with. */
const REFERENCE = process.env['POSTERN_REFERENCE'] ?? ''

function referenceNames(file: string): readonly string[] {
  return readFileSync(join(REFERENCE, file), 'utf8')
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t')[0] ?? '')
    .filter((name) => name !== '')
}

test('the catalogue has every attribute and key, each once', (t) => {
  t.is(new Set(ATTRIBUTES.map(({ name }) => name.toLowerCase())).size, ATTRIBUTES.length)
  // Zimbra's schema as far as it is about mail on its way, and zimbraDefaultDomainName.
  t.true(ZIMBRA.length >= 296)
  t.is(AMAVIS.length, 47)
  t.is(ZIMBRA.filter(({ name }) => name.startsWith('zimbraMta')).length, 161)
  t.is(ZIMBRA.filter(({ name }) => name.startsWith('zimbraCBPolicyd')).length, 21)
  // The keys of the MTA, the two names of the interval, and the name of the server.
  t.is(Object.keys(LOCALCONFIG_KEYS).length, 71)
})

const withReference = REFERENCE === '' ? test.skip : test

withReference('every name of the reference tables is in the catalogue', (t) => {
  const names = [...referenceNames('zimbra-attributes.tsv'), ...referenceNames('amavis-attributes.tsv')]
  t.deepEqual(
    names.filter((name) => findAttribute(name)?.name !== name),
    [],
  )
  t.deepEqual(
    referenceNames('localconfig.tsv').filter((key) => !Object.hasOwn(LOCALCONFIG_KEYS, key)),
    [],
  )
})

withReference('type, default and parameter of an attribute are those of the reference table', (t) => {
  const lines = readFileSync(join(REFERENCE, 'zimbra-attributes.tsv'), 'utf8').split('\n').slice(1)
  for (const line of lines.filter((one) => one !== '')) {
    const [name = '', type = '', , fallback = '', postfix = ''] = line.split('\t')
    const attribute = findAttribute(name)
    t.is(attribute?.postfix, postfix, name)
    t.is<string | undefined, string | undefined>(attribute?.type, type.split(' ')[0], name)
    t.is(attribute?.multi, type.endsWith(' multi'), name)
    t.is(attribute?.values.join(','), type.startsWith('enum ') ? type.split(' ')[1] : '', name)
    const shown = attribute?.default.join(', ').replaceAll(', ', ',') ?? ''
    const expected = fallback.replace(/^cos: /, '').replaceAll(', ', ',')
    t.true(expected.endsWith('...') ? shown.startsWith(expected.slice(0, -4)) : shown === expected, name)
  }
})

test('what is said to be honoured is one of the settings, with the same parameter, and every setting is known', (t) => {
  for (const { name, use, postfix, deprecatedSince } of ATTRIBUTES) {
    const key = BY_ZIMBRA.get(name.toLowerCase())
    t.is(use.kind === 'setting', key !== undefined, name)
    if (key !== undefined && postfix !== '' && deprecatedSince === '')
      t.is(SETTINGS[key].postfix, postfix, name)
  }
  for (const [key, setting] of SETTING_LIST) {
    for (const name of [setting.zimbra, ...(setting.zimbraAliases ?? [])].filter((one) => one !== ''))
      t.is(findAttribute(name)?.name, name, key)
    if (setting.zimbra === '' && setting.postfix !== '')
      t.is(attributeOfParameter(setting.postfix), undefined, key)
  }
})

test('an attribute that is read from entries is named by the code that reads them', (t) => {
  const code = globSync('src/{directory,main,policy}/**/*.ts')
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n')
    .toLowerCase()
  const unread = ATTRIBUTES.filter(({ use }) => use.kind === 'read').filter(
    ({ name }) => !code.includes(`'${name.toLowerCase()}'`),
  )
  t.deepEqual(
    unread.map(({ name }) => name),
    [],
  )
})

test('whatever is not honoured says why in sentences', (t) => {
  for (const { name, use } of ATTRIBUTES) {
    if (use.kind === 'setting' || use.kind === 'later') continue
    t.regex(use.text, /^[A-Z`].*\.$/, name)
  }
})

test('a mark goes when what it waits for is there', (t) => {
  const waited = new Set<string>(
    ATTRIBUTES.flatMap(({ use }) => (use.kind === 'later' ? [use.capability] : [])),
  )
  t.deepEqual(
    Object.keys(CAPABILITIES).filter((capability) => !waited.has(capability)),
    [],
  )
  const marked = TABLES.flatMap(([, table]) => Object.entries(table))
    .filter(([name, row]) => row.use !== undefined && BY_ZIMBRA.has(name.toLowerCase()))
    .map(([name]) => name)
  t.deepEqual(marked, [])
})

/** Settings whose default is not what Zimbra's is, each for a reason. */
const OWN_DEFAULTS: ReadonlyMap<string, string> = new Map([
  ['zimbraMtaSmtpdTlsReceivedHeader', 'Received says how a message came in'],
  ['zimbraIPMode', 'both families are there'],
  ['zimbraMtaSmtpdVirtualTransport', 'without a mailbox server the embedded store takes mail'],
  ['zimbraMtaSmtpTlsProtocols', 'the floor of TLS 1.2 is written out'],
  ['zimbraMtaSmtpTlsMandatoryProtocols', 'the floor of TLS 1.2 is written out'],
  ['zimbraMtaLmtpTlsProtocols', 'the floor of TLS 1.2 is written out'],
  ['zimbraMtaLmtpTlsMandatoryProtocols', 'the floor of TLS 1.2 is written out'],
  ['zimbraMtaSmtpTlsCiphers', 'OpenSSL has no export ciphers any more'],
  ['zimbraMtaLmtpTlsCiphers', 'OpenSSL has no export ciphers any more'],
  ['zimbraMtaSmtpdTlsCiphers', 'OpenSSL has no export ciphers any more'],
])

test('the default of an attribute may stand in it, and is that of its setting, but for a few', (t) => {
  const unset = resolveSettings({ overrides: {}, globalConfig: new Map() }).settings
  for (const attribute of ATTRIBUTES) {
    t.is(valuesProblem(attribute, attribute.default), '', attribute.name)
    const key = BY_ZIMBRA.get(attribute.name.toLowerCase())
    if (key === undefined || attribute.default.length === 0 || OWN_DEFAULTS.has(attribute.name)) continue
    const globalConfig = new Map([[attribute.name, attribute.default]])
    const { settings, problems } = resolveSettings({ overrides: {}, globalConfig })
    t.deepEqual(problems, [], attribute.name)
    t.deepEqual(settings[key], unset[key], attribute.name)
  }
})

test('a globalConfig with every default of Zimbra has no problems, and no notes but of what those defaults do there and not here', (t) => {
  const inGlobal = ATTRIBUTES.filter((one) => one.scope.includes('globalConfig') && one.default.length > 0)
  t.true(inGlobal.length > 200)
  const globalConfig = new Map(inGlobal.map((one) => [one.name, one.default]))
  const { problems, notes } = resolveSettings({ overrides: {}, globalConfig })
  t.deepEqual(problems, [])
  t.true(notes.every(({ kind }) => kind === 'later'))
  t.deepEqual(
    notes.map(({ attribute }) => attribute),
    [
      'zimbraMtaBlockedExtensionWarnAdmin',
      'zimbraMtaBlockedExtensionWarnRecipient',
      'zimbraMtaRestriction',
      'zimbraAmavisEnableDKIMVerification',
      'zimbraSpamKillPercent',
      'zimbraSpamTagPercent',
      'zimbraVirusBlockEncryptedArchive',
      'zimbraVirusDefinitionsUpdateFrequency',
      'zimbraVirusWarnAdmin',
      'zimbraVirusWarnRecipient',
    ],
  )
})

test('a key of localconfig.xml leads to an attribute, a setting or a sentence, and its default is allowed', (t) => {
  for (const [key, known] of Object.entries(LOCALCONFIG_KEYS)) {
    const leads = [
      known.attribute !== undefined && findAttribute(known.attribute) !== undefined,
      known.use !== undefined,
      SETTING_LIST.some(([, setting]) => setting.localconfig?.includes(key)),
    ]
    t.is(leads.filter(Boolean).length, 1, key)
    t.is(keyProblem(key, known.default), '', key)
  }
  t.deepEqual(keysOf(SETTINGS.hopcountLimit), [])
  t.deepEqual(keysOf(SETTINGS.heloRequired), ['postfix_smtpd_helo_required'])
})

for (const [name, values, reason] of [
  ['zimbraMtaTlsAuthOnly', ['yes'], 'must be TRUE or FALSE'],
  ['zimbraMtaTlsAuthOnly', ['TRUE', 'FALSE'], 'may have one value only'],
  ['zimbraMtaSmtpdHeloRequired', ['TRUE'], 'must be one of yes, no'],
  ['zimbraMtaHopcountLimit', ['many'], 'must be a whole number of at most 2147483647'],
  ['zimbraMtaHopcountLimit', ['0'], 'must be between 1 and 1000'],
  ['zimbraMtaMaximalBackoffTime', ['soon'], 'must be a time as Postfix writes it: 30s, 5m, 1h, 5d'],
  ['zimbraMilterBindPort', ['70000'], 'must be a port, 0 to 65535'],
  [
    'zimbraVirusDefinitionsUpdateFrequency',
    ['2 hours'],
    'must be a time as Zimbra writes it: 30s, 5m, 1h, 5d, 500ms',
  ],
  ['zimbraSpamIsSpamAccount', ['nobody'], 'must be an address such as user@example.com'],
  ['zimbraMailCatchAllAddress', ['example.com'], 'must be of the form ^@[A-Za-z0-9-.]+$'],
  [
    'zimbraMtaMyNetworks',
    ['10.0.0.0/8', 'all'],
    '"all" is not an IP address or network such as 192.0.2.0/24 or [2001:db8::]/32',
  ],
  ['zimbraMtaMyNetworks', ['10.0.0.0/8', '10.0.0.0/8'], '"10.0.0.0/8" stands there twice'],
  [
    'zimbraDNSMasterIP',
    ['ns.example.com'],
    '"ns.example.com" is not an IP address such as 192.0.2.1 or 2001:db8::1',
  ],
  ['zimbraMtaSmtpTransportRateDelay', ['$no_such_delay'], 'refers to $no_such_delay, which is not known'],
  [
    'zimbraMtaImportEnvironment',
    ['TZ=Nowhere/Land'],
    '"TZ=Nowhere/Land" is neither the name of a variable nor TZ=zone, such as TZ=Europe/Berlin',
  ],
  [
    'zimbraMtaImportEnvironment',
    ['LD_PRELOAD=/x'],
    '"LD_PRELOAD=/x" is neither the name of a variable nor TZ=zone, such as TZ=Europe/Berlin',
  ],
  ['zimbraMtaMyHostname', ['a\u0000b'], 'may not hold control characters'],
] as const) {
  test(`${name}: ${JSON.stringify(values)} ${reason}`, (t) => {
    const attribute = findAttribute(name)
    t.truthy(attribute)
    if (attribute !== undefined) t.is(valuesProblem(attribute, values), reason)
  })
}

test('a slip in the name of an attribute is told with the name that was meant', (t) => {
  t.is(findAttribute('ZIMBRAMTAMAXMESSAGESIZE')?.name, 'zimbraMtaMaxMessageSize')
  t.is(suggestAttribute('zimbraMtaMaxMesageSize'), 'zimbraMtaMaxMessageSize')
})
