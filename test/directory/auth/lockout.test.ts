import { writeFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { memoryLog } from '#src/base/log.ts'
import { AttemptStore } from '#src/directory/auth/attempt-store.ts'
import { FailureCounts } from '#src/directory/auth/limits.ts'
import { tempFolder } from '#test/support/temp.ts'
import type { AuthRig } from './rig.ts'
import { account, authRig, domainLdif, fakeClock } from './rig.ts'

/** The failures that lock, by the rig's settings. */
const FAILURES = 5
const LOCK_MS = 60_000

async function failAs(rig: AuthRig, user: string, times: number, from?: string): Promise<void> {
  for (let n = 0; n < times; n += 1) await rig.login(user, 'wrong', from)
}

test('an account that is locked stays locked when the process is killed and starts anew, and no longer than it would have', async (t) => {
  using rig = authRig()
  await failAs(rig, 'alice', FAILURES)
  t.is((await rig.login('alice', 'secret')).kind, 'refused')
  rig.startAgain()
  t.is((await rig.login('alice', 'secret')).kind, 'refused', 'the right password opens nothing')
  rig.startAgain(LOCK_MS)
  t.is((await rig.login('alice', 'secret')).kind, 'ok')
})

test('failures before a restart and after it add up', async (t) => {
  using rig = authRig()
  await failAs(rig, 'alice', FAILURES - 1)
  rig.startAgain()
  await failAs(rig, 'a.lice', 1)
  t.is((await rig.login('alice', 'secret')).kind, 'refused')
})

test('a success is remembered over a restart as well', async (t) => {
  using rig = authRig()
  await failAs(rig, 'alice', FAILURES - 1)
  await rig.login('alice', 'secret')
  // The next batch is written before the next refusal is told.
  await failAs(rig, 'nobody', 1)
  rig.startAgain()
  await failAs(rig, 'alice', FAILURES - 1)
  t.is((await rig.login('alice', 'secret')).kind, 'ok')
})

test('an address that is blocked stays blocked over a restart, an IPv6 client with its /64', async (t) => {
  using rig = authRig({ settings: { addressLockout: { failuresMax: 2, windowMs: 60_000, lockMs: 60_000 } } })
  await failAs(rig, 'nobody', 2, '2001:db8:1:2::3')
  rig.startAgain()
  t.is((await rig.login('alice', 'secret', '2001:db8:1:2:ffff::1')).kind, 'blocked')
  t.is((await rig.login('alice', 'secret', '2001:db8:1:3::3')).kind, 'ok')
})

test('a rate is no other after a restart', async (t) => {
  using rig = authRig({ settings: { rateLimit: 2 } })
  await rig.login('alice', 'secret')
  await failAs(rig, 'nobody', 1)
  rig.startAgain()
  t.is((await rig.login('alice', 'secret')).kind, 'too-fast')
  rig.clock.pass(60_000)
  t.is((await rig.login('alice', 'secret')).kind, 'ok')
})

test('an account has a rate of its own, whatever addresses the attempts come from, and clients of mynetworks have none', async (t) => {
  using rig = authRig({ settings: { accountRateLimit: 2 } })
  t.is((await rig.login('alice', 'secret', '192.0.2.1')).kind, 'ok')
  t.is((await rig.login('ALICE@example.test', 'secret', '192.0.2.2')).kind, 'ok')
  t.is((await rig.login('alice', 'secret', '192.0.2.3')).kind, 'too-fast')
  t.is((await rig.login('alice', 'secret', '10.0.0.1')).kind, 'ok')
  t.is((await rig.login('a.lice', 'secret')).kind, 'ok', 'an alias does not tell whose it is')
  for (const kind of ['refused', 'refused', 'too-fast'] as const)
    t.is((await rig.login('nobody', 'wrong', '192.0.2.4')).kind, kind, 'who is not there is counted alike')
})

test('a lock without an end outlives restarts, until an operator forgives it by any name of the account', async (t) => {
  const lockout = [
    'zimbraPasswordLockoutEnabled: TRUE',
    'zimbraPasswordLockoutMaxFailures: 2',
    'zimbraPasswordLockoutDuration: 0',
    'zimbraMailAlias: b@example.test',
  ]
  using rig = authRig({ ldif: domainLdif([account('bob', lockout)]) })
  await failAs(rig, 'bob', 2)
  rig.startAgain(365 * 86_400_000)
  t.is((await rig.login('bob', 'secret')).kind, 'refused')
  t.like(rig.authenticator.lockouts, [
    { kind: 'account', key: 'bob@example.test', failures: 2, untilMs: Infinity },
  ])
  t.is(rig.authenticator.forgive({ name: 'b@example.test' }), 1)
  t.is((await rig.login('bob', 'secret')).kind, 'ok')
  await failAs(rig, 'nobody', 1)
  rig.startAgain()
  t.deepEqual(rig.authenticator.lockouts, [])
})

test('who is locked out is told once, and listed until it is over; all may be forgiven at once', async (t) => {
  using rig = authRig({ settings: { addressLockout: { failuresMax: 7, windowMs: 60_000, lockMs: 60_000 } } })
  await failAs(rig, 'alice', FAILURES)
  await failAs(rig, 'nobody', 2)
  await rig.login('alice', 'wrong')
  t.deepEqual(
    rig.told.map(({ kind, key, failures }) => [kind, key, failures]),
    [
      ['account', 'alice@example.test', FAILURES],
      ['address', '192.0.2.1', 7],
    ],
  )
  t.is(rig.authenticator.lockouts.length, 2)
  t.is(rig.authenticator.forgive({ name: '192.0.2.1' }), 1)
  t.is(rig.authenticator.forgive({ name: 'somebody@else.test' }), 0)
  t.is(rig.authenticator.forgive('all'), 1)
  t.is((await rig.login('alice', 'secret')).kind, 'ok')
})

test('a clock that was set back makes no lock longer and forgives nobody', (t) => {
  using folder = tempFolder('attempts')
  const path = join(folder.path, 'attempts.db')
  const rule = { failuresMax: 1, windowMs: 60_000, lockMs: 60_000 }
  const clock = fakeClock()
  {
    using keeper = new AttemptStore(path, clock, memoryLog())
    const counts = new FailureCounts(clock, { scope: 'account', keeper })
    counts.begin('a', rule)
    counts.end('a', rule, 'failed')
  }
  const earlier = fakeClock()
  earlier.pass(-500_000)
  using keeper = new AttemptStore(path, earlier, memoryLog())
  const counts = new FailureCounts(earlier, { scope: 'account', keeper })
  t.false(counts.begin('a', rule))
  earlier.pass(rule.lockMs)
  t.true(counts.begin('a', rule))
})

test('the file is for nobody else, and one that is damaged is made anew and told of', (t) => {
  using folder = tempFolder('attempts')
  const path = join(folder.path, 'attempts.db')
  writeFileSync(path, 'this is no database, however long it may be '.repeat(200))
  const log = memoryLog()
  using keeper = new AttemptStore(path, fakeClock(), log)
  t.is(log.lines.length, 1)
  t.is(statSync(path).mode & 0o777, 0o600)
  keeper.keep('account', { key: 'a', failures: 1, sinceMs: Date.UTC(2026, 10, 22), lockedUntilMs: undefined })
  keeper.flush()
  t.is(keeper.load('account').length, 1)
})

test('where there can be no file, failures are counted all the same, and it is told once', (t) => {
  using folder = tempFolder('attempts')
  const log = memoryLog()
  const clock = fakeClock()
  using keeper = new AttemptStore(join(folder.path, 'no', 'such', 'folder.db'), clock, log)
  const counts = new FailureCounts(clock, { scope: 'account', keeper })
  const rule = { failuresMax: 1, windowMs: 60_000, lockMs: 60_000 }
  counts.begin('a', rule)
  counts.end('a', rule, 'failed')
  t.false(counts.begin('a', rule))
  keeper.flush()
  t.is(log.lines.length, 1)
})
