import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { plainMail } from '#test/support/mails.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

function setGlobal(postern: Appliance, attribute: string, value: string) {
  return postern.importLdif(
    `dn: cn=config,cn=zimbra\nchangetype: modify\nreplace: ${attribute}\n${attribute}: ${value}\n-\n`,
  )
}

async function sizeOffered(postern: Appliance): Promise<string> {
  using client = await SmtpClient.connect(postern.smtpPort)
  await client.reply()
  const reply = await client.command('EHLO client.example')
  return /SIZE (\d+)/.exec(reply.text)?.[1] ?? ''
}

/** Sends mail in one session until told to stop; resolves to how many got 250. Any other answer rejects. */
async function traffic(postern: Appliance, signal: AbortSignal): Promise<number> {
  using client = await SmtpClient.greeted(postern.smtpPort)
  let taken = 0
  while (!signal.aborted) {
    const message = plainMail(`mail ${taken}`, 'Hello.')
    const reply = await client.send({ from: 'me@client.example', to: ['alice@example.test'], message })
    if (reply.code !== 250) throw new Error(`${reply.code} ${reply.text}`)
    taken += 1
  }
  await client.quit()
  return taken
}

test('generations change amid traffic: no session is dropped, no mail is refused or lost', async (t) => {
  using folder = tempFolder('generation-traffic')
  await using postern = await Appliance.start({ folder: folder.path, workers: 2 })
  const stop = new AbortController()
  const sessions = Array.from({ length: 4 }, () => traffic(postern, stop.signal))
  for (let size = 20_001; size <= 20_008; size++) {
    t.is((await setGlobal(postern, 'zimbraMtaMaxMessageSize', String(size))).code, 0)
    await until('the size is offered', async () => (await sizeOffered(postern)) === String(size))
  }
  t.is((await postern.tool('rollback', '3')).code, 0)
  await until('the size of generation 3 is offered', async () => (await sizeOffered(postern)) === '20002')
  stop.abort()
  const taken = (await Promise.all(sessions)).reduce((sum, one) => sum + one, 0)
  t.true(taken > 0)
  await until('all mail has arrived', () => postern.mailboxFiles().length === taken)
})

test('a rollback holds over a restart, is shown by status, and ends by a change of the directory or a release', async (t) => {
  using folder = tempFolder('generation-rollback')
  await using postern = await Appliance.start({ folder: folder.path })
  await setGlobal(postern, 'zimbraMtaMaxMessageSize', '20001')
  await setGlobal(postern, 'zimbraMtaMaxMessageSize', '20002')
  const rolled = await postern.tool('rollback', '2')
  t.is(rolled.code, 0, rolled.stderr)
  t.regex(rolled.stdout, /^Generation 4 of the settings is in force\.\nmessage_size_limit: 20002 -> 20001\n/)
  await postern.stop()
  await postern.startAgain()
  t.is(await sizeOffered(postern), '20001')
  t.regex((await postern.tool('status')).stdout, /^Held by a rollback: message_size_limit$/m)
  await setGlobal(postern, 'zimbraMtaMaxMessageSize', '20003')
  await until('the new size is offered', async () => (await sizeOffered(postern)) === '20003')
  t.notRegex((await postern.tool('status')).stdout, /Held/)
  t.is((await postern.tool('rollback', '1')).code, 0)
  await until('the size of the start is offered', async () => (await sizeOffered(postern)) === '10240000')
  const released = await postern.tool('rollback', '--release')
  t.regex(released.stdout, /message_size_limit: 10240000 -> 20003/)
  await until('the size of the directory is offered', async () => (await sizeOffered(postern)) === '20003')
  for (const [words, said] of [
    [['rollback', '99'], /There is no generation 99/],
    [['rollback'], /say "postern rollback N"/],
    [['rollback', 'x'], /must be a number/],
    [['diff', '99'], /there is no generation 99/],
  ] as const) {
    const ran = await postern.tool(...words)
    t.not(ran.code, 0)
    t.regex(ran.stderr, said)
  }
  await postern.stop()
  t.is((await postern.tool('rollback', '1')).code, 3)
  t.is((await postern.tool('generations', '--limit', '2')).stdout.trimEnd().split('\n').length, 2)
})

test('mail carries the number of the generation that it was taken under', async (t) => {
  using folder = tempFolder('generation-mail')
  await using postern = await Appliance.start({
    folder: folder.path,
    settings: ['zimbraMtaSmtpdVirtualTransport = "retry:4.2.0 not today"'],
  })
  await setGlobal(postern, 'zimbraMtaMaxMessageSize', '20001')
  await until('the size is offered', async () => (await sizeOffered(postern)) === '20001')
  using client = await SmtpClient.greeted(postern.smtpPort)
  const message = plainMail('one', 'Hello.')
  const reply = await client.send({ from: 'me@client.example', to: ['alice@example.test'], message })
  const id = /queued as (\S+)/.exec(reply.text)?.[1] ?? ''
  const shown = await until('it waits', async () => {
    const { stdout } = await postern.tool('queue', 'show', id)
    return stdout.includes('not today') && stdout
  })
  t.regex(shown, /^Taken under generation 2 of the settings\.$/m)
})

test('a history that is damaged is set aside, and a new one begins', async (t) => {
  using folder = tempFolder('generation-damage')
  await using postern = await Appliance.start({ folder: folder.path })
  await postern.stop()
  const file = join(postern.data, 'settings', 'generations.db')
  writeFileSync(file, 'no database at all'.repeat(1000))
  await postern.startAgain()
  t.true(existsSync(`${file}.damaged`))
  t.regex(postern.output, /generations\.db is damaged; it is set aside/)
  t.regex((await postern.tool('generations')).stdout, /^\* {4}1 .* start$/m)
})

test('TZ of import_environment is the time zone of what is written', async (t) => {
  using folder = tempFolder('generation-zone')
  await using postern = await Appliance.start({
    folder: folder.path,
    settings: ['zimbraMtaImportEnvironment = ["TZ=Asia/Kathmandu"]'],
  })
  using client = await SmtpClient.greeted(postern.smtpPort)
  const message = plainMail('zone', 'Hello.')
  t.is((await client.send({ from: 'me@client.example', to: ['alice@example.test'], message })).code, 250)
  await until('the mail has arrived', () => postern.mailboxFiles().length === 1)
  t.regex(postern.mailboxFiles()[0] ?? '', /^Received: [^]*?; [^\r\n]* \+0545/m)
})
