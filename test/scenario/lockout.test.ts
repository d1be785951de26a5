import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { ALICE_PASSWORD, giveAlicePassword } from '#test/support/accounts.ts'
import { Appliance, REPOSITORY } from '#test/support/appliance.ts'
import { run } from '#test/support/run.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const FAILURES = 2

/** The answer to one attempt, of a client of its own. */
async function login(postern: Appliance, password: string): Promise<number> {
  using client = await SmtpClient.connectTls(postern.submissionsPort)
  await client.reply()
  await client.command('EHLO client.example')
  return (await client.authenticate('alice', password)).code
}

/** The answer to the right password, as soon as there is somebody again who knows. */
async function decided(postern: Appliance): Promise<number> {
  let code = 0
  await until('somebody checks passwords again', async () => {
    code = await login(postern, ALICE_PASSWORD)
    return code !== 454
  })
  return code
}

/** All of them at once: that is no way round the limit, and takes less time. */
async function failEach(t: ExecutionContext, postern: Appliance): Promise<void> {
  const codes = await Promise.all(Array.from({ length: FAILURES }, () => login(postern, 'wrong')))
  for (const code of codes) t.is(code, 535)
}

test('an account that is locked out stays so through kill -9 and a restart, for all workers, until it is forgiven', async (t) => {
  using folder = tempFolder('lockout')
  await using postern = await Appliance.start({
    folder: folder.path,
    submission: true,
    workers: 2,
    limits: ['mynetworks = []'],
    tables: ['[auth]', `account_failures = ${FAILURES}`, 'lockout = "1h"'],
  })
  await giveAlicePassword(postern)
  t.regex((await postern.tool('lockouts')).stdout, /^Nobody is locked out/)
  await failEach(t, postern)
  const lockedOut = await Promise.all([1, 2, 3, 4].map(() => login(postern, ALICE_PASSWORD)))
  t.deepEqual(lockedOut, [535, 535, 535, 535], 'whichever worker is met')

  const [pid] = postern.pids('directory')
  if (pid === undefined) throw new Error('no directory process')
  process.kill(pid, 'SIGKILL')
  await until('another directory process', () => postern.pids('directory').some((one) => one !== pid))
  t.is(await decided(postern), 535)
  await postern.kill()
  await postern.startAgain()
  t.is(await decided(postern), 535)

  const shown = await postern.tool('lockouts')
  t.regex(shown.stdout, /^account alice@example\.test: 2 failures, until 20\d\d-.*Z\n$/)
  t.is((await postern.tool('lockouts', 'forget', 'alice')).code, 2)
  t.is((await postern.tool('lockouts', 'forgive', 'alice')).stdout, '1 may try again.\n')
  t.is(await login(postern, ALICE_PASSWORD), 235)

  await failEach(t, postern)
  t.is(await login(postern, ALICE_PASSWORD), 535)
  const made = await run(
    join(REPOSITORY, 'bin', 'zmprov'),
    ['ma', 'alice@example.test', 'zimbraAccountStatus', 'active'],
    {
      cwd: folder.path,
    },
  )
  t.is(made.code, 0, made.stderr)
  t.is(await login(postern, ALICE_PASSWORD), 235, 'zmprov that makes an account active lets it in')
})
