import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Appliance, REPOSITORY } from '#test/support/appliance.ts'
import { run } from '#test/support/run.ts'
import { ADMIN_DN, ADMIN_PASSWORD, Slapd, slapdLacks } from '#test/support/slapd.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'
import { domainEntry, domainParents, tree } from '#test/support/zimbra-ldif.ts'

const scenario = slapdLacks() === undefined ? test : test.skip

scenario('zmprov changes the directory over LDAP, and the running appliance works by it', async (t) => {
  using folder = tempFolder('zmprov-ldap')
  await using slapd = await Slapd.start({
    folder: join(folder.path, 'slapd'),
    ldif: tree() + domainParents(['one.test']) + domainEntry('one.test'),
  })
  await using postern = await Appliance.start({
    folder: folder.path,
    directory: directoryLines(folder.path, slapd.url),
    settings: ['zimbraMtaMyNetworks = "192.0.2.0/24"'],
  })
  const zmprov = async (...words: readonly string[]) => {
    const ran = await run(join(REPOSITORY, 'bin', 'zmprov'), words, { cwd: folder.path })
    t.is(ran.code, 0, `${words.join(' ')}: ${ran.stdout}${ran.stderr}`)
    return ran.stdout
  }
  await zmprov('cd', 'fresh.test')
  await zmprov('ca', 'ann@fresh.test', 'secret1')
  await zmprov('cdl', 'all@one.test')
  await zmprov('adlm', 'all@one.test', 'ann@fresh.test')
  await until('the list takes mail', async () => (await rcpt(postern.smtpPort, 'all@one.test')) === 250)
  await send(postern.smtpPort, 'all@one.test')
  await until('the mail is in the mailbox', () => postern.mailboxFiles().length === 1)

  await zmprov('mcf', 'zimbraMtaMaxMessageSize', '100000')
  await until('the new limit is offered', async () => {
    using client = await SmtpClient.connect(postern.smtpPort)
    await client.reply()
    const reply = await client.command('EHLO client.example')
    return reply.lines.some((line) => line.includes('SIZE 100000'))
  })
  t.is(
    await zmprov('gacf', '-v', 'zimbraMtaMaxMessageSize'),
    '# zimbraMtaMaxMessageSize from globalConfig\nzimbraMtaMaxMessageSize: 100000\n',
  )
})

scenario('a server that takes no changes or knows us not is told, and nothing is changed', async (t) => {
  using folder = tempFolder('zmprov-ldap')
  await using master = await Slapd.start({
    folder: join(folder.path, 'master'),
    ldif: tree() + domainParents(['one.test']) + domainEntry('one.test'),
  })
  await using replica = await Slapd.start({ folder: join(folder.path, 'replica'), providerPort: master.port })
  const zmprov = async (lines: readonly string[], ...words: readonly string[]) => {
    writeFileSync(join(folder.path, 'postern.toml'), `[directory]\n${lines.join('\n')}\n`)
    return await run(join(REPOSITORY, 'bin', 'zmprov'), words, { cwd: folder.path })
  }
  const toReplica = directoryLines(folder.path, replica.url)
  await until('the replica has what the master has', async () => {
    return (await zmprov(toReplica, 'gad')).stdout === 'one.test\n'
  })
  const refused = await zmprov(toReplica, 'ca', 'ann@one.test', 'secret1')
  t.is(refused.code, 2)
  t.regex(
    refused.stderr,
    /^ERROR: service\.PERM_DENIED \(the server is a replica and takes no changes; name the one/,
  )
  const both = [...toReplica, `admin_urls = ["${master.url}"]`]
  t.is((await zmprov(both, 'ca', 'ann@one.test', 'secret1')).code, 0)

  writeFileSync(join(folder.path, 'password'), 'wrong\n', { mode: 0o600 })
  const unknown = await zmprov(both, 'gad')
  t.is(unknown.code, 2)
  t.regex(
    unknown.stderr,
    /^ERROR: service\.FAILURE \(no directory server can be used: .*Invalid credentials/i,
  )
  t.false(unknown.stderr.includes('wrong'))
  const nobody = await zmprov([`urls = ["${master.url}"]`, 'starttls = false'], 'da', 'ann@one.test')
  t.is(nobody.code, 2)
  t.regex(nobody.stderr, /^ERROR: /)
  const secure = await zmprov(
    both.filter((line) => !line.startsWith('starttls')),
    'gad',
  )
  t.regex(secure.stderr, /no directory server can be used/)
})

function directoryLines(folder: string, url: string): readonly string[] {
  const file = join(folder, 'password')
  writeFileSync(file, `${ADMIN_PASSWORD}\n`, { mode: 0o600 })
  return [`urls = ["${url}"]`, 'starttls = false', `bind_dn = "${ADMIN_DN}"`, `password_file = "${file}"`]
}

async function rcpt(port: number, recipient: string): Promise<number> {
  using client = await SmtpClient.greeted(port)
  await client.command('MAIL FROM:<me@elsewhere.test>')
  const reply = await client.command(`RCPT TO:<${recipient}>`)
  await client.quit()
  return reply.code
}

async function send(port: number, recipient: string): Promise<void> {
  using client = await SmtpClient.greeted(port)
  await client.command('MAIL FROM:<me@elsewhere.test>')
  await client.command(`RCPT TO:<${recipient}>`)
  await client.command('DATA')
  const reply = await client.command('Subject: x\r\n\r\ntext\r\n.')
  if (reply.code !== 250) throw new Error(`${reply.code} ${reply.lines.join(' ')}`)
  await client.quit()
}
