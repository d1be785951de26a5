import test from 'ava'
import { Turnstile } from '#src/dns/turnstile.ts'

const PATIENT = new AbortController().signal

test('only so many are inside, and the others enter in order', async (t) => {
  const turnstile = new Turnstile(2)
  let inside = 0
  let most = 0
  const order: number[] = []
  await Promise.all(
    Array.from({ length: 20 }, async (_, n) => {
      await turnstile.pass(async () => {
        order.push(n)
        inside += 1
        most = Math.max(most, inside)
        await Promise.resolve()
        inside -= 1
      }, PATIENT)
    }),
  )
  t.is(most, 2)
  t.deepEqual(
    order,
    [...order].toSorted((one, other) => one - other),
  )
})

test('who gives up leaves the place in the row to others', async (t) => {
  const turnstile = new Turnstile(1)
  const { promise: held, resolve: release } = Promise.withResolvers<void>()
  const first = turnstile.pass(async () => {
    await held
    return 'first'
  }, PATIENT)
  const patience = new AbortController()
  const second = turnstile.pass(async () => 'second', patience.signal)
  const third = turnstile.pass(async () => 'third', PATIENT)
  patience.abort()
  t.is(await second, undefined)
  release()
  t.deepEqual(await Promise.all([first, third]), ['first', 'third'])
  t.is(await turnstile.pass(async () => 'again', PATIENT), 'again')
})

test('work that fails gives its place back', async (t) => {
  const turnstile = new Turnstile(1)
  await t.throwsAsync(turnstile.pass(async () => await Promise.reject(new Error('no')), PATIENT))
  t.is(await turnstile.pass(async () => 'next', PATIENT), 'next')
})

test('when too many wait, the next is turned away at once', async (t) => {
  const turnstile = new Turnstile(1)
  const { promise: held, resolve: release } = Promise.withResolvers<void>()
  const inside = turnstile.pass(async () => {
    await held
  }, PATIENT)
  const patience = new AbortController()
  const waiting = Array.from(
    { length: 10_000 },
    async () => await turnstile.pass(async () => 'late', patience.signal),
  )
  t.is(await turnstile.pass(async () => 'one more', PATIENT), undefined)
  patience.abort()
  t.true((await Promise.all(waiting)).every((done) => done === undefined))
  release()
  await inside
})
