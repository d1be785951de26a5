import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Appliance, REPOSITORY } from '#test/support/appliance.ts'
import { plainMail } from '#test/support/mails.ts'
import { installed, must } from '#test/support/run.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const canTrace = installed('strace') && installed('systemd-analyze')
const withStrace = canTrace ? test : test.skip
const FOLDER = join(REPOSITORY, 'systemd')
const text = (unit: string) => readFileSync(join(FOLDER, unit), 'utf8')
/** What faces the internet may speak all that any of them speaks. */
const UNIT = text('postern-smtpd@.service')
const SERVICES = ['postern', 'postern-qmgr', 'postern-directory', 'postern-health', 'postern-mailbox']

/** The values of every line of a setting, in their order. */
function values(setting: string, unit = UNIT): readonly string[] {
  return [...unit.matchAll(new RegExp(`^${setting}=(.*)$`, 'gm'))].map((match) => match[1] ?? '')
}

/** Calls in a set of systemd's, with those of the sets in it. */
async function callsIn(word: string): Promise<readonly string[]> {
  if (!word.startsWith('@')) return [word]
  const lines = (await must('systemd-analyze', ['--no-pager', 'syscall-filter', word])).split('\n')
  const words = lines.slice(1).map((line) => line.trim())
  const inside = await Promise.all(words.filter((one) => /^[@\w]/.test(one)).map(callsIn))
  return inside.flat()
}

/** What SystemCallFilter= allows: lines are added, and with ~ taken away. */
async function allowedCalls(): Promise<ReadonlySet<string>> {
  const allowed = new Set<string>()
  for (const line of values('SystemCallFilter')) {
    const words = line.replace('~', '').split(' ')
    const calls = (await Promise.all(words.map(callsIn))).flat()
    for (const call of calls)
      if (line.startsWith('~')) allowed.delete(call)
      else allowed.add(call)
  }
  return allowed
}

test('one set of system calls is allowed to all of the services', (t) => {
  for (const name of SERVICES)
    t.deepEqual(values('SystemCallFilter', text(`${name}.service`)), values('SystemCallFilter'), name)
})

/** SQLite gives its files to the owner of the database where it runs as root; the service does not. */
const AS_ROOT = new Set(['fchown'])

withStrace(
  'every system call and address family of start, mail, reload and stop is allowed in the unit',
  async (t) => {
    t.timeout(300_000)
    using folder = tempFolder('sandbox')
    const trace = join(folder.path, 'trace')
    await using postern = await Appliance.start({
      folder: folder.path,
      workers: 2,
      under: ['strace', '-f', '-qq', '-s', '0', '-o', trace],
    })
    using client = await SmtpClient.greeted(postern.smtpPort)
    const mail = {
      from: 'me@client.example',
      to: ['alice@example.test'],
      message: plainMail('one', 'Hello.'),
    }
    t.is((await client.send(mail)).code, 250)
    await client.quit()
    await until('the mail has arrived', () => postern.mailboxFiles().length === 1)
    t.is((await postern.tool('reload')).code, 0)
    t.is((await postern.tool('stop')).code, 0)
    await until('strace has ended', () => !postern.running)

    const traced = readFileSync(trace, 'utf8')
    const used = new Set([...traced.matchAll(/^\d+ +(\w+)\(/gm)].map((match) => match[1] ?? ''))
    t.true(used.size > 50 && used.has('socket'))
    const allowed = await allowedCalls()
    t.true(allowed.size > 100 && !allowed.has('mount') && !allowed.has('chown'))
    t.deepEqual(
      [...used].filter((call) => !allowed.has(call) && !(process.getuid?.() === 0 && AS_ROOT.has(call))),
      [],
    )
    const families = new Set(
      [...traced.matchAll(/\bsocket(?:pair)?\((AF_\w+)/g)].map((match) => match[1] ?? ''),
    )
    const permitted = new Set(values('RestrictAddressFamilies').flatMap((line) => line.split(' ')))
    t.true(families.has('AF_INET'))
    t.deepEqual(
      [...families].filter((family) => !permitted.has(family)),
      [],
    )
  },
)
