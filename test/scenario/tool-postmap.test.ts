import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { REPOSITORY } from '#test/support/appliance.ts'
import { installed, run } from '#test/support/run.ts'
import { ADMIN_DN, ADMIN_PASSWORD, Slapd, slapdLacks } from '#test/support/slapd.ts'
import { tempFolder } from '#test/support/temp.ts'
import { makeDirectory } from '#test/support/zimbra-directory.ts'
import { mapText, writeZimbraMaps, ZIMBRA_MAPS } from '#test/support/zimbra-maps.ts'

const POSTMAP = join(REPOSITORY, 'bin', 'postmap')
const lacks = slapdLacks() ?? (installed('postmap') ? undefined : 'postfix is not installed')
const real = lacks === undefined ? test.serial : test.serial.skip
const ACCOUNTS = 3000

/** What is also asked alone: found once, found many times, not found, and what means something to a filter. */
const ONE_BY_ONE = [
  'user7@split.test',
  'list3@one.test',
  'group1@one.test',
  'nobody@two.test',
  'nobody@one.test',
  '*)(uid=*))(|(uid=*@one.test',
  '*',
]

/** Debian's postmap, with a main.cf of its own that says nothing. */
function debians(folder: string, ...words: readonly string[]) {
  const config = join(folder, 'postfix')
  mkdirSync(config, { recursive: true })
  writeFileSync(join(config, 'main.cf'), 'compatibility_level = 3.6\n')
  return ['-c', config, ...words]
}

interface Shared {
  readonly folder: ReturnType<typeof tempFolder>
  readonly slapd: Slapd
  readonly files: ReadonlyMap<string, string>
  /** One key a line. */
  readonly input: string
}

/** Some thousand entries take seconds to load: they are loaded once. */
let shared: Shared | undefined

test.before(async () => {
  if (lacks !== undefined) return
  const folder = tempFolder('postmap')
  const { ldif, keys } = makeDirectory(ACCOUNTS)
  const slapd = await Slapd.start({ folder: join(folder.path, 'slapd'), ldif })
  const files = writeZimbraMaps(folder.path, {
    port: slapd.port,
    dn: ADMIN_DN,
    password: ADMIN_PASSWORD,
  })
  shared = { folder, slapd, files, input: `${keys.join('\n')}\n` }
})

test.after.always(async () => {
  await shared?.slapd[Symbol.asyncDispose]()
  shared?.folder[Symbol.dispose]()
})

for (const name of Object.keys(ZIMBRA_MAPS)) {
  real(`ldap-${name}.cf says to every key what it says in Postfix`, async (t) => {
    const { folder, files, input } = must(shared)
    const map = `ldap:${files.get(name) ?? ''}`
    const theirs = await run('/usr/sbin/postmap', debians(folder.path, '-q', '-', map), { input })
    t.is(theirs.code, 0, theirs.stderr)
    t.true(theirs.stdout.split('\n').length > 1)
    const ours = await run(POSTMAP, ['-q', '-', map], { input })
    t.is(ours.stdout, theirs.stdout)
    t.is(ours.code, theirs.code, ours.stderr)
  })
}

real('one key has its value alone on the line, and the exit code says whether there is one', async (t) => {
  const { folder, files } = must(shared)
  const map = `ldap:${files.get('vam') ?? ''}`
  for (const key of ONE_BY_ONE) {
    const theirs = await run('/usr/sbin/postmap', debians(folder.path, '-q', key, map))
    const ours = await run(POSTMAP, ['-q', key, map])
    t.deepEqual([ours.code, ours.stdout], [theirs.code, theirs.stdout], key)
  }
})

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the directory was not made')
  return value
}

/** What ldap_table(5) knows beyond Zimbra's maps: [what, query_filter, result_attribute, other lines]. */
const OTHERS: readonly (readonly [string, string, string, string])[] = [
  [
    'parts of the key in filter and result',
    '(&(uid=%u)(mail=*@%d))',
    'zimbraId',
    'result_format = %U at %D: %s',
  ],
  ['labels of the domain', '(&(mail=%s)(o=%2.%1))', 'uid', ''],
  ['labels in the search base', '(mail=%s)', 'uid', 'search_base = dc=%2,dc=%1'],
  ['a domain list', '(zimbraMailCatchAllAddress=%s)', 'mail', 'domain = two.test, split.test'],
  ['a domain list with whole addresses', '(mail=%s)', 'mail', 'domain = two.test split.test'],
  [
    'terminal attributes',
    '(zimbraMailAlias=%s)',
    'mail',
    'terminal_result_attribute = zimbraMailForwardingAddress',
  ],
  [
    'leaf-only attributes',
    '(zimbraMailAlias=%s)',
    'zimbraId',
    'leaf_result_attribute = mail\nspecial_result_attribute = member',
  ],
  [
    'special attributes that are URLs',
    '(zimbraMailAlias=%s)',
    'mail',
    'special_result_attribute = memberURL',
  ],
  [
    'an OR of a negation and a comparison',
    '(|(&(mail=%s)(!(zimbraMailStatus=disabled)))(&(uid=%s)(uid>=user5)))',
    'mail',
    '',
  ],
  ['escapes of a filter', String.raw`(&(mail=%s)(!(cn=\2a))(objectClass=*))`, 'mail', ''],
  ['one level', '(uid=%u)', 'mail', `scope = one\nsearch_base = ou=people,dc=one,dc=test`],
  ['one entry', '(mail=%s)', 'mail', `scope = base\nsearch_base = uid=%u,ou=people,dc=%2,dc=%1`],
  ['results that are split', '(mail=%s)', 'zimbraMailForwardingAddress', 'result_format = %u on %d'],
  ['a filter of several lines', '(&\n  (mail=%s)\n  (zimbraMailStatus=enabled))', 'mail', ''],
]

real(
  'what else ldap_table(5) has is as in Postfix: templates, scopes, domains, terminal and leaf attributes',
  async (t) => {
    using folder = tempFolder('postmap')
    const { ldif, keys } = makeDirectory(200)
    await using slapd = await Slapd.start({ folder: join(folder.path, 'slapd'), ldif })
    const server = { port: slapd.port, dn: ADMIN_DN, password: ADMIN_PASSWORD }
    const input = `${keys.filter((key) => !key.includes('\n')).join('\n')}\n`
    let found = 0
    for (const [what, filter, results, more] of OTHERS) {
      const file = join(folder.path, `ldap-${what.replaceAll(/\W/g, '-')}.cf`)
      writeFileSync(file, mapText({ filter, results, more }, server))
      const theirs = await run('/usr/sbin/postmap', debians(folder.path, '-q', '-', `ldap:${file}`), {
        input,
      })
      const ours = await run(POSTMAP, ['-q', '-', `proxy:ldap:${file}`], { input })
      t.is(ours.stdout, theirs.stdout, what)
      t.is(ours.code, theirs.code, `${what}: ${ours.stderr} ${theirs.stderr}`)
      if (theirs.code === 0) found += 1
    }
    t.true(found > OTHERS.length / 2, 'most of them find something')
  },
)

real(
  'limits, servers that are gone and wrong passwords are errors, as in Postfix, and not absences',
  async (t) => {
    using folder = tempFolder('postmap')
    const { ldif } = makeDirectory(200)
    await using slapd = await Slapd.start({ folder: join(folder.path, 'slapd'), ldif })
    const server = { port: slapd.port, dn: ADMIN_DN, password: ADMIN_PASSWORD }
    const vam = ZIMBRA_MAPS['vam']
    if (vam === undefined) throw new Error('there is no vam')
    const member = `${vam.more ?? ''}\n`
    for (const [what, map, at] of [
      ['an expansion limit', { ...vam, more: `${member}expansion_limit = 5\nsize_limit = 0` }, server],
      ['a size limit', { ...vam, filter: '(|(mail=%s)(uid=user*))', more: 'size_limit = 3' }, server],
      ['a recursion limit', { ...vam, more: `${member}recursion_limit = 1` }, server],
      ['a wrong password', vam, { ...server, password: 'wrong' }],
      ['a search base that does not exist', { ...vam, more: 'search_base = dc=nowhere' }, server],
      ['a server that is gone', vam, { ...server, port: 1 }],
    ] as const) {
      const file = join(folder.path, `ldap-${what.replaceAll(' ', '-')}.cf`)
      writeFileSync(file, mapText(map, at))
      const theirs = await run(
        '/usr/sbin/postmap',
        debians(folder.path, '-q', 'group0@one.test', `ldap:${file}`),
      )
      const ours = await run(POSTMAP, ['-q', 'group0@one.test', `ldap:${file}`])
      t.deepEqual([ours.code, ours.stdout], [theirs.code, theirs.stdout], what)
      t.regex(theirs.stderr, /fatal: table ldap:.*: query error/, what)
      t.regex(ours.stderr, /fatal: table ldap:.*: query error/, what)
      t.false(ours.stderr.includes(ADMIN_PASSWORD), what)
    }
  },
)

for (const [words, said] of [
  [['-q', 'key', 'hash:/etc/aliases'], /tables of the type hash are not used here/],
  [['-q', 'key', 'texthash:/etc/x'], /tables of the type texthash are not used here/],
  [['-q', 'key', '/etc/x'], /tables of the type hash are not used here/],
  [['hash:/etc/postfix/virtual'], /there are no tables to build here/],
  [['-d', 'key', 'hash:/etc/x'], /-d is for tables that are built or changed/],
  [['-s', 'ldap:/etc/x'], /-s is for tables/],
  [['-q', 'key'], /usage: postmap/],
  [['-Z'], /invalid option -- 'Z'/],
  [['-q', 'key', 'ldap:/nonexistent/ldap-vam.cf'], /open \/nonexistent\/ldap-vam.cf: /],
] as const) {
  test(`postmap ${words.join(' ')} is refused with a sentence`, async (t) => {
    const ran = await run(POSTMAP, words)
    t.is(ran.code, 1)
    t.regex(ran.stderr, said)
    t.is(ran.stdout, '')
  })
}
