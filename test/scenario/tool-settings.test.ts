import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Appliance, REPOSITORY } from '#test/support/appliance.ts'
import { run } from '#test/support/run.ts'
import type { Ran } from '#test/support/run.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

/** A folder with a postern.toml, and what was imported; nothing runs. */
function box(path: string): { readonly tool: (name: string, ...args: readonly string[]) => Promise<Ran> } {
  writeFileSync(
    join(path, 'postern.toml'),
    '[limits]\nsmtpd_timeout = "2m"\nsmtpd_banner = "$myhostname ESMTP $mail_name ready"\n[settings]\nzimbraMtaMyHostname = "mx.example.test"\n',
  )
  return { tool: (name, ...args) => run(join(REPOSITORY, 'bin', name), args, { cwd: path }) }
}

const SETTINGS_LDIF = `dn: cn=config,cn=zimbra
objectClass: zimbraGlobalConfig
zimbraMtaMaxMessageSize: 7000
zimbraMtaSmtpTransportRateDelay: $default_transport_rate_delay
zimbraMtaHopcountLimit: many
zimbraSpamTagPercent: 20
`

test('postconf shows settings by Postfix’s names, as Postfix’s own does', async (t) => {
  using folder = tempFolder('postconf')
  const { tool } = box(folder.path)
  writeFileSync(join(folder.path, 'settings.ldif'), SETTINGS_LDIF)
  t.is((await tool('postern', 'directory', 'import', 'settings.ldif')).code, 0)

  const all = await tool('postconf')
  t.is(all.code, 0, all.stderr)
  const names = all.stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' = ')[0] ?? '')
  t.true(names.length > 80)
  t.deepEqual(names, names.toSorted())
  t.regex(all.stdout, /^message_size_limit = 7000$/m)
  t.regex(all.stdout, /^myhostname = mx\.example\.test$/m)
  t.regex(all.stdout, /^relayhost =$/m)
  t.regex(all.stderr, /^postconf: warning: zimbraMtaHopcountLimit \(globalConfig\): must be a whole number/m)
  t.regex(all.stderr, /^postconf: warning: zimbraSpamTagPercent \(globalConfig\): Has no effect yet/m)

  const cases: readonly (readonly [readonly string[], string])[] = [
    [['smtpd_timeout', 'hopcount_limit'], 'smtpd_timeout = 120s\nhopcount_limit = 50\n'],
    [['-h', 'message_size_limit'], '7000\n'],
    [['-H', 'message_size_limit'], 'message_size_limit\n'],
    [['-d', 'message_size_limit', 'smtpd_timeout'], 'message_size_limit = 10240000\nsmtpd_timeout = 300s\n'],
    [
      ['-n'],
      'message_size_limit = 7000\nmyhostname = mx.example.test\nsmtp_transport_rate_delay = $default_transport_rate_delay\nsmtpd_banner = $myhostname ESMTP $mail_name ready\nsmtpd_timeout = 120s\n',
    ],
    [['-x', 'smtpd_banner'], 'smtpd_banner = mx.example.test ESMTP Postern ready\n'],
    [['-x', 'smtp_transport_rate_delay'], 'smtp_transport_rate_delay = 0s\n'],
    [['-h', 'queue_directory'], `${join(folder.path, 'var', 'queue')}\n`],
    [
      ['-v', 'message_size_limit', 'smtpd_timeout', 'hopcount_limit', 'relayhost'],
      'message_size_limit = 7000  # globalConfig: zimbraMtaMaxMessageSize\nsmtpd_timeout = 120s  # postern.toml: smtpd_timeout\nhopcount_limit = 50  # default (what is set is not allowed)\nrelayhost =  # default\n',
    ],
  ]
  for (const [args, stdout] of cases) {
    const ran = await tool('postconf', ...args)
    t.is(ran.stdout, stdout, args.join(' '))
    t.is(ran.code, 0, args.join(' '))
  }
})

test('postconf says as Postfix does what it does not know, and edits nothing', async (t) => {
  using folder = tempFolder('postconf-edit')
  const { tool } = box(folder.path)
  const before = readFileSync(join(folder.path, 'postern.toml'), 'utf8')
  t.deepEqual(await tool('postconf', 'no_such_parameter'), {
    code: 0,
    stdout: '',
    stderr: 'postconf: warning: no_such_parameter: unknown parameter\n',
  })
  // The same of Debian's own, which is a peer of other tests.
  mkdirSync(join(folder.path, 'postfix'))
  writeFileSync(join(folder.path, 'postfix', 'main.cf'), '')
  writeFileSync(join(folder.path, 'postfix', 'master.cf'), '')
  const postfix = await run('/usr/sbin/postconf', ['-c', join(folder.path, 'postfix'), 'no_such_parameter'])
  t.deepEqual(postfix, {
    code: 0,
    stdout: '',
    stderr: '/usr/sbin/postconf: warning: no_such_parameter: unknown parameter\n',
  })

  const idle = await tool('postconf', 'milter_connect_timeout')
  t.is(idle.stdout, 'milter_connect_timeout = 30s\n')
  t.regex(idle.stderr, /^postconf: warning: milter_connect_timeout: Has no effect yet/)

  for (const args of [['-e', 'message_size_limit=5000'], ['message_size_limit = 5000']]) {
    const edit = await tool('postconf', ...args)
    t.is(edit.code, 1)
    t.regex(
      edit.stderr,
      /^postconf: fatal: settings are not edited with postconf; use "zmprov mcf zimbraMtaMaxMessageSize '5000'"/,
    )
    t.regex(edit.stderr, /message_size_limit = "5000" in \[limits\] of postern\.toml, then "postern reload"/)
  }
  t.regex((await tool('postconf', '-e', 'smtpd_timeout=1m')).stderr, /put smtpd_timeout = "1m" in \[limits\]/)
  t.regex((await tool('postconf', '-X', 'no_such_parameter')).stderr, /no_such_parameter: unknown parameter/)
  t.regex((await tool('postconf', '-d', '-n')).stderr, /^postconf: fatal: specify one of -d -n$/m)
  t.regex((await tool('postconf', '-M')).stderr, /^postconf: fatal: -M: there is no master\.cf/m)
  t.is((await tool('postconf', '-Z')).code, 1)
  t.is(readFileSync(join(folder.path, 'postern.toml'), 'utf8'), before)
  t.deepEqual(await tool('newaliases'), { code: 0, stdout: '', stderr: '' })
})

test('zmlocalconfig shows and edits keys, hides passwords, and refuses what is not allowed', async (t) => {
  using folder = tempFolder('zmlocalconfig')
  const { tool } = box(folder.path)
  const local = (...args: readonly string[]) => tool('zmlocalconfig', ...args)
  const file = join(folder.path, 'var', 'localconfig.xml')
  t.is((await local('-p')).stdout, `${file}\n`)
  const listed = await local()
  t.is(listed.code, 0, listed.stderr)
  t.is(listed.stdout.trimEnd().split('\n').length, 71)
  t.regex(listed.stdout, /^postfix_smtpd_hard_error_limit = 20$/m)

  const edit = await local(
    '-e',
    'postfix_smtpd_hard_error_limit=13',
    'ldap_postfix_password=it\'s "secret" & <odd>',
  )
  t.is(edit.code, 0, edit.stderr)
  t.is(statSync(file).mode & 0o777, 0o600)
  t.is((await local('-k', 'postfix_smtpd_hard_error_limit')).stdout, 'postfix_smtpd_hard_error_limit = 13\n')
  t.is((await local('ldap_postfix_password')).stdout, 'ldap_postfix_password = **********\n')
  t.is(
    (await local('-s', 'ldap_postfix_password')).stdout,
    'ldap_postfix_password = it\'s "secret" & <odd>\n',
  )
  t.is((await local('-m', 'nokey', '-d', 'postfix_smtpd_hard_error_limit')).stdout, '20\n')
  t.is(
    (await local('-m', 'export', 'postfix_smtpd_hard_error_limit')).stdout,
    "export postfix_smtpd_hard_error_limit='13';\n",
  )
  const shell = await local('-s', '-m', 'shell', 'ldap_postfix_password')
  t.is(
    (await run('/bin/sh', ['-c', `${shell.stdout}printf %s "$ldap_postfix_password"`])).stdout,
    'it\'s "secret" & <odd>',
  )
  t.deepEqual((await local('-n')).stdout.trimEnd().split('\n'), [
    'ldap_postfix_password = **********',
    'postfix_smtpd_hard_error_limit = 13',
  ])
  t.regex(
    (await local('-m', 'xml', '-n')).stdout,
    /<key name="postfix_smtpd_hard_error_limit">\n {4}<value>13<\/value>/,
  )
  t.regex((await local('-i', 'postfix_mail_owner')).stdout, /Postern: All processes run as the user/)
  t.is((await tool('postconf', '-h', 'smtpd_hard_error_limit')).stdout, '13\n')
  t.regex(
    (await tool('postconf', '-v', 'smtpd_hard_error_limit')).stdout,
    /# localconfig\.xml: postfix_smtpd_hard_error_limit$/m,
  )

  for (const [args, said] of [
    [
      ['-e', 'postfix_smtpd_hard_error_limit=many'],
      'postfix_smtpd_hard_error_limit: must be a whole number, not "many"',
    ],
    [['-e', 'postfix_smtpd_hard_eror_limit=1'], 'did you mean postfix_smtpd_hard_error_limit?'],
    [['-e', 'postfix_smtpd_hard_error_limit'], 'is not in key=value form'],
    [['-u', 'zmconfigd_interval'], "key 'zmconfigd_interval' is not set"],
    [['-m', 'yaml'], 'the format is one of plain, xml, shell, export, nokey'],
    [['--no-such'], 'Unknown option'],
  ] as const) {
    const ran = await local(...args)
    t.is(ran.code, 1, args.join(' '))
    t.true(ran.stderr.includes(said), ran.stderr)
  }
  t.is((await local('no_such_key')).stderr, "Warning: null valued key 'no_such_key'\n")
  t.is((await local('-f', '-e', 'mysql_root_password=x')).code, 0)
  t.is((await local('-u', 'mysql_root_password')).code, 0)
  t.is((await local('-r', '-e', '-f', 'some_password')).code, 0)
  t.regex((await local('-s', 'some_password')).stdout, /^some_password = [\w-]{32}\n$/)
  writeFileSync(file, '<localconfig><key></localconfig>')
  t.regex((await local()).stderr, /localconfig\.xml:1: <key name="…"> is expected here/)
})

test('a key that is edited counts at once, and a generation tells what has changed', async (t) => {
  using folder = tempFolder('local-live')
  await using postern = await Appliance.start({ folder: folder.path })
  const tool = (name: string, ...args: readonly string[]) =>
    run(join(REPOSITORY, 'bin', name), args, { cwd: postern.folder })
  t.is((await tool('zmlocalconfig', '-e', 'postfix_smtpd_banner=$myhostname ESMTP changed')).code, 0)
  await until('the banner is the new one', async () => {
    using client = await SmtpClient.connect(postern.smtpPort)
    return (await client.reply()).text.endsWith(' ESMTP changed')
  })
  t.is(
    (await tool('postern', 'diff', '1')).stdout,
    'smtpd_banner: $myhostname ESMTP $mail_name -> $myhostname ESMTP changed\n',
  )
  const listed = (await tool('postern', 'generations', '--json')).stdout.trimEnd().split('\n')
  t.is(listed.length, 2)
  t.like(JSON.parse(listed[0] ?? ''), { number: 2, changes: [{ name: 'smtpd_banner' }] })
  // Whoever looks first: the tool that has asked for it, or master by itself.
  t.regex(listed[0] ?? '', /"reason":"(?:reload|directory)"/)
})
