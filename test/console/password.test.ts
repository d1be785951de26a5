import { readFileSync, statSync, writeFileSync, chmodSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { ConsolePassword } from '#src/admin/console-password.ts'
import { VirtualClock } from '#test/simulate/virtual-clock.ts'
import { tempFolder } from '#test/support/temp.ts'

function world() {
  const folder = tempFolder('password')
  const clock = new VirtualClock(Date.UTC(2026, 10, 22))
  return { folder, clock, password: new ConsolePassword(folder.path, clock) }
}

test('a password is kept as a hash that its owner alone can read, and is taken away with an empty one', async (t) => {
  const { folder, password } = world()
  using _ = folder
  t.false(password.isSet)
  await t.throwsAsync(password.set('seven 7'), { message: /8 characters at least/ })
  await t.throwsAsync(password.set('x'.repeat(129)), { message: /128 characters at most/ })
  await password.set('a long password')
  const file = join(folder.path, 'console', 'password')
  t.notRegex(readFileSync(file, 'latin1'), /long/)
  t.is(statSync(file).mode & 0o777, 0o600)
  t.true(password.isSet)
  t.deepEqual(await password.check('a long password'), { kind: 'right' })
  await password.set('')
  t.false(password.isSet)
})

test('five wrong ones in a row lock it for five minutes, for the right one too, and each further one again', async (t) => {
  const { folder, clock, password } = world()
  using _ = folder
  await password.set('a long password')
  for (const left of [4, 3, 2, 1]) t.deepEqual(await password.check('guess'), { kind: 'wrong', left })
  t.deepEqual(await password.check('guess'), { kind: 'locked', forMs: 300_000 })
  await clock.advance(100_000)
  // Neither a restart of the console nor the right password opens the lock.
  const again = new ConsolePassword(folder.path, clock)
  t.deepEqual(await again.check('a long password'), { kind: 'locked', forMs: 200_000 })
  await clock.advance(200_000)
  t.deepEqual(await again.check('guess'), { kind: 'locked', forMs: 300_000 })
  await clock.advance(300_000)
  t.deepEqual(await again.check('a long password'), { kind: 'right' })
  t.deepEqual(await again.check('guess'), { kind: 'wrong', left: 4 }, 'a right one begins the count anew')
})

test('a clock that was set back does not lock for longer than a lock lasts', async (t) => {
  const { folder, clock, password } = world()
  using _ = folder
  await password.set('a long password')
  for (let n = 0; n < 5; n += 1) await password.check('guess')
  clock.leap(-86_400_000)
  t.deepEqual(await password.check('a long password'), { kind: 'locked', forMs: 300_000 })
})

test('a file that is damaged locks, and opens for nobody', async (t) => {
  const { folder, password } = world()
  using _ = folder
  await password.set('a long password')
  const file = join(folder.path, 'console', 'password')
  chmodSync(file, 0o600)
  for (const text of ['scrypt:x:y', 'a long password', 'scrypt::'])
    for (const given of ['a long password', '', text]) {
      writeFileSync(file, text)
      t.true(password.isSet)
      t.not((await password.check(given)).kind, 'right')
    }
})
