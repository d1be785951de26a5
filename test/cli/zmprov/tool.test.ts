import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { REPOSITORY } from '#test/support/appliance.ts'
import { run } from '#test/support/run.ts'
import { tempFolder } from '#test/support/temp.ts'

function zmprov(folder: string, words: readonly string[], input?: string) {
  return run(join(REPOSITORY, 'bin', 'zmprov'), words, {
    cwd: folder,
    ...(input === undefined ? {} : { input }),
  })
}

const BATCH = `# what a new site needs
cd batch.test

ca ann@batch.test 'pass word 1' displayName "Ann O'Neill"
ca ann@batch.test secret1
nonsense
ga ann@batch.test displayName
`

test('a batch goes on after what fails, says so, and ends with 2', async (t) => {
  using folder = tempFolder('zmprov')
  const ran = await zmprov(folder.path, [], BATCH)
  t.is(ran.code, 2)
  t.is(ran.stderr, 'ERROR: account.ACCOUNT_EXISTS (email address already exists: ann@batch.test)\n')
  const [domainId = '', accountId = '', ...rest] = ran.stdout.split('\n')
  t.regex(domainId, /^[0-9a-f-]{36}$/)
  t.regex(accountId, /^[0-9a-f-]{36}$/)
  t.deepEqual(rest, [
    "Unknown command. Type: 'help commands' for a list",
    '# name ann@batch.test',
    "displayName: Ann O'Neill",
    '',
    '',
  ])
})

test('a batch from a file is what one from standard input is, and exit ends it', async (t) => {
  using folder = tempFolder('zmprov')
  const file = join(folder.path, 'commands')
  writeFileSync(file, 'cd one.test\r\ngad\r\nexit\r\ncd two.test\r\n')
  const ran = await zmprov(folder.path, ['-f', file])
  t.is(ran.code, 0)
  t.regex(ran.stdout, /^[0-9a-f-]{36}\none\.test\n$/)
  t.is((await zmprov(folder.path, ['gad'])).stdout, 'one.test\n')
  const missing = await zmprov(folder.path, ['-f', join(folder.path, 'nowhere')])
  t.is(missing.code, 2)
  t.regex(missing.stderr, /^ERROR: service\.INVALID_REQUEST \(.*nowhere cannot be read/)
})

for (const [words, code, out, error] of [
  [['ga', 'x@y.test'], 2, /^$/, /^ERROR: account\.NO_SUCH_ACCOUNT \(no such account: x@y\.test\)\n$/],
  [['ga'], 1, /^usage: {2}getAccount\(ga\) .*\nFor general help, type : zmprov --help\n$/, /not enough/],
  [['frobnicate'], 1, /zmprov \[args\] \[cmd\]/, /^$/],
  [['--help'], 1, /zmprov help commands/, /^$/],
  [['--nonsense'], 1, /zmprov \[args\]/, /^error: Unrecognized option: --nonsense\n$/],
  [['help', 'list'], 0, /createDistributionList\(cdl\) \{list@domain\}/, /^$/],
  [['-l', '-v', 'gad'], 0, /^$/, /^$/],
  [['-l', '-s', 'host', 'gad'], 1, /./, /cannot specify both -l and -s/],
  [['desc', '-a', 'zimbraMtaMaxMessageSize'], 0, /^zimbraMtaMaxMessageSize\n[^]+ +type : long\n/, /^$/],
  [['desc', '-a', 'zimbraMtaMaxMesageSize'], 0, /is zimbraMtaMaxMessageSize meant\?/, /^$/],
  [['desc', 'server'], 0, /^zimbraMtaMyNetworks$/m, /^$/],
  [['desc', '-ni', 'domain'], 0, /^zimbraDomainType$/m, /^$/],
  [['desc', 'gizmo'], 2, /^$/, /INVALID_REQUEST \(invalid entry type gizmo; valid are account,/],
] as const) {
  test(`zmprov ${words.join(' ')} ends with ${code}`, async (t) => {
    using folder = tempFolder('zmprov')
    const ran = await zmprov(folder.path, words)
    t.is(ran.code, code, ran.stdout + ran.stderr)
    t.regex(ran.stdout, out)
    t.regex(ran.stderr, error)
  })
}

test('where a value in force comes from is shown by gacf -v', async (t) => {
  using folder = tempFolder('zmprov')
  writeFileSync(join(folder.path, 'postern.toml'), '[settings]\nzimbraMtaMyNetworks = "192.0.2.0/24"\n')
  await zmprov(folder.path, [
    'mcf',
    'zimbraMtaMaxMessageSize',
    '20000000',
    'zimbraMtaMyNetworks',
    '10.0.0.0/8',
  ])
  const ran = await zmprov(folder.path, [
    'gacf',
    '-v',
    'zimbraMtaMaxMessageSize',
    'zimbraMtaMyNetworks',
    'zimbraMtaMaximalQueueLifetime',
    'zimbraMtaMyHostname',
  ])
  t.is(
    ran.stdout,
    [
      '# zimbraMtaMaxMessageSize from globalConfig',
      'zimbraMtaMaxMessageSize: 20000000',
      '# zimbraMtaMaximalQueueLifetime from default',
      'zimbraMtaMaximalQueueLifetime: 5d',
      '# zimbraMtaMyHostname from default',
      '# zimbraMtaMyNetworks from postern.toml',
      'zimbraMtaMyNetworks: 192.0.2.0/24',
      '',
    ].join('\n'),
  )
})

test('a password is stored as a salted hash and shown only with -l; values of several lines are shown in base64', async (t) => {
  using folder = tempFolder('zmprov')
  await zmprov(
    folder.path,
    [],
    'cd one.test\nca a@one.test secret1 description "one\\nzimbraMailStatus: enabled"\n',
  )
  const plain = await zmprov(folder.path, ['ga', 'a@one.test', 'userPassword', 'description'])
  const text = Buffer.from('one\nzimbraMailStatus: enabled').toString('base64')
  t.is(plain.stdout, `# name a@one.test\ndescription:: ${text}\nuserPassword: VALUE-BLOCKED\n\n`)
  const stored = await zmprov(folder.path, ['-l', 'ga', 'a@one.test', 'userPassword'])
  t.regex(stored.stdout, /^userPassword: \{SSHA512\}[A-Za-z0-9+/]{96}$/m)
  await zmprov(folder.path, ['sp', 'a@one.test', 'another2'])
  const changed = await zmprov(folder.path, ['-l', 'ga', 'a@one.test', 'userPassword'])
  t.not(changed.stdout, stored.stdout)
})
