import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { REPOSITORY } from '#test/support/appliance.ts'
import { must, run } from '#test/support/run.ts'
import { ADMIN_DN, ADMIN_PASSWORD, Slapd, slapdLacks } from '#test/support/slapd.ts'
import { tempFolder } from '#test/support/temp.ts'
import {
  accountEntry,
  domainEntry,
  domainParents,
  entry,
  listEntry,
  serverEntry,
  tree,
} from '#test/support/zimbra-ldif.ts'

function postern(folder: string, ...words: readonly string[]) {
  return run(process.execPath, [join(REPOSITORY, 'bin', 'postern'), ...words], { cwd: folder })
}

const zmprov = (folder: string, ...words: readonly string[]) =>
  run(join(REPOSITORY, 'bin', 'zmprov'), words, { cwd: folder })

/** A Zimbra of two domains with nearly everything that can be wrong with one. */
const DUMP = [
  tree({
    zimbraMtaMaxMessageSize: '20480000',
    zimbraMtaTlsSecurityLevel: 'never',
    zimbraMtaAntiSpamLockMethod: 'lockfile',
    zimbraMtaNoSuchThing: 'x',
    zimbraDefaultDomainName: 'one.test',
  }),
  serverEntry('mx.one.test', { zimbraServiceEnabled: 'mta', zimbraMtaMyNetworks: '127.0.0.0/8 10.1.0.0/16' }),
  serverEntry('store.one.test', { zimbraServiceEnabled: 'mailbox' }),
  domainParents(['one.test', 'alias.test']),
  domainEntry('one.test'),
  domainEntry('alias.test', { zimbraDomainType: 'alias', zimbraDomainAliasTargetId: 'id-nowhere' }),
  accountEntry('ann@one.test', {
    zimbraMailAlias: 'shared@one.test',
    userPassword: '{SSHA}xyz',
    zimbraPrefLocale: 'de',
  }),
  accountEntry('bob@one.test', {
    zimbraMailAlias: 'shared@one.test',
    zimbraMailStatus: 'disabled',
    zimbraMailTransport: 'lmtp:other.test:7025',
  }),
  accountEntry('eve@gone.test').replace('zimbraMailStatus: enabled\n', ''),
  listEntry('a@one.test', ['b@one.test', 'ann@one.test', 'missing@one.test', 'out@elsewhere.test']),
  listEntry('b@one.test', ['c@one.test']),
  listEntry('c@one.test', ['a@one.test']),
  entry('uid=old,ou=people,dc=one,dc=test', ['zimbraAlias'], {
    uid: 'old',
    zimbraId: 'id-old',
    zimbraAliasTargetId: 'id-vanished',
  }),
  entry('cn=default,cn=cos,cn=zimbra', ['zimbraCOS'], {
    cn: 'default',
    zimbraPasswordLockoutEnabled: 'TRUE',
    zimbraPasswordLockoutFailureLifetime: '1h',
    zimbraFeatureGroupCalendarEnabled: 'TRUE',
  }),
].join('')

const POSTCONF = `message_size_limit = 10240000
maximal_queue_lifetime = 432000s
mynetworks = 127.0.0.0/8,
    10.1.0.0/16
content_filter = smtp-amavis:[127.0.0.1]:10024
smtpd_timeout = 77s
smtpd_recipient_restrictions = reject_non_fqdn_recipient, permit
made_up_parameter = yes
postconf: warning: /opt/zimbra/conf/main.cf: unused parameter: a=b
`

const LOCALCONFIG = `<?xml version="1.0" encoding="UTF-8"?>
<localconfig>
  <key name="postfix_queue_directory"><value>/x</value></key>
  <key name="mailboxd_java_heap_size"><value>1024</value></key>
</localconfig>
`

interface Report {
  readonly counts: Readonly<Record<string, number>>
  readonly server: string
  readonly settings: readonly { readonly name: string; readonly value: string; readonly from: string }[]
  readonly problems: readonly { readonly attribute: string; readonly reason: string }[]
  readonly notes: readonly { readonly attribute: string; readonly kind: string }[]
  readonly postconf: readonly {
    readonly kind: string
    readonly parameter: string
    readonly postern?: string
    readonly from?: string
    readonly reason?: string
  }[]
  readonly localconfig: { readonly read: number }
  readonly attributes: readonly {
    readonly name: string
    readonly kind: string
    readonly verdict: { readonly kind: string }
  }[]
  readonly findings: readonly {
    readonly text: string
    readonly count: number
    readonly examples: readonly string[]
  }[]
}

function filled(folder: string): readonly string[] {
  writeFileSync(join(folder, 'dump.ldif'), DUMP)
  writeFileSync(join(folder, 'postconf'), POSTCONF)
  writeFileSync(join(folder, 'theirs.xml'), LOCALCONFIG)
  return ['--ldif', 'dump.ldif', '--postconf', 'postconf', '--localconfig', 'theirs.xml']
}

async function reportOf(folder: string, ...words: readonly string[]): Promise<Report> {
  const ran = await postern(folder, 'import-zimbra', '--json', ...words)
  if (ran.code !== 0) throw new Error(`exit ${ran.code}: ${ran.stderr}`)
  // oxlint-disable-next-line no-unsafe-type-assertion -- what is not so is seen by the assertions
  return JSON.parse(ran.stdout) as Report
}

test('what a Zimbra would be here is told before anything is changed', async (t) => {
  using folder = tempFolder('import-zimbra')
  const report = await reportOf(folder.path, ...filled(folder.path))
  t.like(report.counts, { globalConfig: 1, server: 2, domain: 2, account: 3, alias: 1, list: 3, cos: 1 })
  t.is(report.server, 'mx.one.test')
  const setting = (name: string) => report.settings.find((one) => one.name === name)
  t.like(setting('zimbraMtaMaxMessageSize'), { value: '20480000', from: 'globalConfig' })
  t.like(setting('zimbraMtaMyNetworks'), { value: '127.0.0.0/8 10.1.0.0/16', from: 'server' })
  t.deepEqual(
    report.problems.map(({ attribute }) => attribute),
    ['zimbraMtaTlsSecurityLevel'],
  )
  const note = (attribute: string) => report.notes.find((one) => one.attribute === attribute)?.kind
  t.is(note('zimbraMtaAntiSpamLockMethod'), 'fixed')
  t.is(note('zimbraMtaNoSuchThing'), 'unknown')
  const parameter = (name: string) => report.postconf.find((one) => one.parameter === name)
  t.like(parameter('message_size_limit'), { kind: 'differs', postern: '20480000' })
  t.like(parameter('maximal_queue_lifetime'), { kind: 'same' })
  t.like(parameter('mynetworks'), { kind: 'same' })
  t.like(parameter('content_filter'), { kind: 'lost' })
  t.like(parameter('smtpd_timeout'), { kind: 'differs', from: 'default' })
  t.regex(parameter('smtpd_recipient_restrictions')?.reason ?? '', /zimbraMtaRestriction/)
  t.like(parameter('made_up_parameter'), { kind: 'lost' })
  t.regex(
    report.postconf.find(({ parameter: line }) => line.includes('warning'))?.reason ?? '',
    /was not read/,
  )
  const verdict = (name: string) => report.attributes.find((one) => one.name === name)?.verdict.kind
  t.is(verdict('zimbraMailDeliveryAddress'), 'honoured')
  t.is(verdict('uid'), 'honoured')
  t.is(verdict('zimbraPrefLocale'), 'lost')
  t.is(verdict('zimbraPasswordLockoutFailureLifetime'), 'honoured')
  t.is(verdict('zimbraFeatureGroupCalendarEnabled'), 'lost')
  // Nothing of it is left behind.
  t.false(existsSync(join(folder.path, 'var')))
})

for (const [text, examples] of [
  [/has no zimbraMailStatus/, ['uid=eve,ou=people,dc=gone,dc=test']],
  [/is switched off/, ['uid=bob,ou=people,dc=one,dc=test']],
  [/names no target/, ['dc=alias,dc=test']],
  [/leads to an entry that is not there/, ['uid=old,ou=people,dc=one,dc=test']],
  [/belongs to more than one entry/, ['shared@one.test']],
  [/of a domain that the directory does not have/, ['eve@gone.test']],
  [/nobody has the address/, ['missing@one.test in uid=a,ou=people,dc=one,dc=test']],
  [/name different hosts/, ['uid=bob,ou=people,dc=one,dc=test: store.test, lmtp:other.test:7025']],
  [
    /in a circle/,
    ['uid=a,ou=people,dc=one,dc=test > uid=b,ou=people,dc=one,dc=test > uid=c,ou=people,dc=one,dc=test'],
  ],
] as const) {
  test(`what ${text.source} is found, and nothing else is taken for it`, async (t) => {
    using folder = tempFolder('import-zimbra')
    const { findings } = await reportOf(folder.path, ...filled(folder.path))
    t.like(
      findings.find((one) => text.test(one.text)),
      { count: examples.length, examples },
    )
  })
}

test('what is taken over is the directory from then on, and what was there can stay or go', async (t) => {
  using folder = tempFolder('import-zimbra')
  await zmprov(folder.path, 'cd', 'before.test')
  const first = await postern(folder.path, 'import-zimbra', ...filled(folder.path), '--apply')
  t.is(first.code, 0, first.stderr)
  t.regex(first.stdout, /18 entries added, 1 replaced\.\n3 entries that were there before stay beside them/)
  t.regex(first.stdout, /1 keys of the MTA taken over, 1 of other servers left out/)
  t.is((await zmprov(folder.path, 'gad')).stdout, 'before.test\none.test\nalias.test\n')
  t.regex(
    (await zmprov(folder.path, '-l', 'ga', 'ann', 'userPassword', 'zimbraPrefLocale')).stdout,
    /^userPassword: \{SSHA\}xyz$/m,
  )
  t.regex(readFileSync(join(folder.path, 'var', 'localconfig.xml'), 'utf8'), /postfix_queue_directory/)

  const second = await postern(folder.path, 'import-zimbra', '--ldif', 'dump.ldif', '--apply', '--replace')
  t.regex(second.stdout, /19 entries added, 0 replaced\.\n22 entries that were there are gone/)
  t.is((await zmprov(folder.path, 'gad')).stdout, 'one.test\nalias.test\n')
})

for (const [words, says] of [
  [[], /say where from/],
  [['--ldif', 'a', '--ldap', 'ldap://b'], /say where from/],
  [['--ldif', 'nowhere.ldif'], /nowhere\.ldif cannot be read/],
  [['--ldif', 'broken.ldif'], /broken\.ldif:2: not "attribute: value"/],
  [['--ldif', 'change.ldif'], /change\.ldif:1: this is a change; a dump holds entries only/],
  [['--ldif', 'dump.ldif', '--localconfig', 'broken.ldif'], /broken\.ldif:1: /],
  [['--ldap', 'http://x'], /--ldap wants an address/],
  [['--ldap', 'ldap://127.0.0.1:9', '--no-starttls'], /no directory server can be used/],
  [['--ldap', 'ldap://x', '--bind-dn', 'cn=a'], /belong together/],
  [['--ldif', 'dump.ldif', '--replace'], /--replace says what --apply does/],
] as const) {
  test(`import-zimbra ${words.join(' ')} is refused with a reason and changes nothing`, async (t) => {
    using folder = tempFolder('import-zimbra')
    filled(folder.path)
    writeFileSync(join(folder.path, 'broken.ldif'), 'dn: cn=x\nno colon here\n')
    writeFileSync(join(folder.path, 'change.ldif'), 'dn: cn=x\nchangetype: delete\n')
    const ran = await postern(folder.path, 'import-zimbra', ...words)
    t.not(ran.code, 0)
    t.regex(ran.stderr, says)
    t.false(existsSync(join(folder.path, 'var')))
  })
}

const overLdap = slapdLacks() === undefined ? test : test.skip

overLdap('a running directory says what its dump says', async (t) => {
  using folder = tempFolder('import-zimbra')
  const rest = filled(folder.path).slice(2)
  const ldif = DUMP.replaceAll(/(?:zimbraMtaNoSuchThing|zimbraPrefLocale): .*\n/g, '').replace(
    /dn: cn=default,cn=cos[^]*$/,
    '',
  )
  await using slapd = await Slapd.start({
    folder: join(folder.path, 'slapd'),
    ldif: ldif.replace('dn: uid=eve', `${domainTree('gone.test')}dn: uid=eve`),
  })
  writeFileSync(join(folder.path, 'password'), `${ADMIN_PASSWORD}\n`, { mode: 0o600 })
  const live = await reportOf(
    folder.path,
    '--ldap',
    slapd.url,
    '--no-starttls',
    '--bind-dn',
    ADMIN_DN,
    '--password-file',
    'password',
    ...rest,
  )
  await slapd.kill()
  const dump = await must('/usr/sbin/slapcat', ['-f', join(slapd.folder, 'slapd.conf')])
  writeFileSync(join(folder.path, 'slapcat.ldif'), dump)
  t.deepEqual(await reportOf(folder.path, '--ldif', 'slapcat.ldif', ...rest), live)
  t.is(live.counts['account'], 3)
})

/** What an entry needs above it in a real directory. */
function domainTree(domain: string): string {
  const [dc = ''] = domain.split('.')
  const dn = domain
    .split('.')
    .map((label) => `dc=${label}`)
    .join(',')
  return (
    entry(dn, ['dcObject', 'organization'], { dc, o: domain }) +
    entry(`ou=people,${dn}`, ['organizationalUnit'], { ou: 'people' })
  )
}

test('a dump needs the memory of a few entries, however many it has', async (t) => {
  using folder = tempFolder('import-zimbra')
  const head = tree() + domainParents(['one.test']) + domainEntry('one.test')
  // 12,000 accounts with preferences, some 40 MB of text; as strings they would need more than twice the heap.
  const preferences = Object.fromEntries(
    Array.from({ length: 60 }, (_, i) => [`zimbraPrefNumber${i}`, 'the value of a preference']),
  )
  const accounts = Array.from({ length: 12_000 }, (_, i) =>
    accountEntry(`user${i}@one.test`, { ...preferences, entryUUID: `uuid-${i}` }),
  )
  const ran = await run(
    process.execPath,
    ['--max-old-space-size=40', join(REPOSITORY, 'bin', 'postern'), 'import-zimbra', '--ldif', '-', '--json'],
    { cwd: folder.path, input: head + accounts.join('') },
  )
  t.is(ran.code, 0, ran.stderr)
  // oxlint-disable-next-line no-unsafe-type-assertion -- what is not so is seen by the assertions
  const report = JSON.parse(ran.stdout) as Report
  t.is(report.counts['account'], 12_000)
  t.like(
    report.attributes.find(({ name }) => name === 'zimbraPrefNumber59'),
    { entries: 12_000, kind: 'account' },
  )
})

test('nothing that was read moves the cursor of who reads the report', async (t) => {
  using folder = tempFolder('import-zimbra')
  const words = filled(folder.path)
  writeFileSync(join(folder.path, 'postconf'), 'no parameter \u001b[2J \u009b2J \u2028 \u007f\n')
  const { stdout } = await postern(folder.path, 'import-zimbra', ...words)
  t.true(stdout.includes(String.raw`no parameter \u001b[2J \u009b2J \u2028 \u007f`), stdout)
})
