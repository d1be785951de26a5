import test from 'ava'
import type { ExecutionContext } from 'ava'
import { seededRandom, seedOfRun } from '#test/support/random.ts'
import type { Random } from '#test/support/random.ts'
import { FAIR, World } from './world.ts'
import type { Weather } from './world.ts'

const DAY_MS = 86_400_000

interface Plan {
  readonly weather: Weather
  readonly crashes: boolean
  readonly operator: boolean
  readonly activeMax: number
}

/** A day of mail under a plan, then fair weather until the queue is empty; then every recipient must be accounted for. */
async function run(t: ExecutionContext, random: Random, plan: Plan): Promise<void> {
  await using world = new World(random, plan.weather, plan.activeMax)
  for (let step = 0; step < 250; step++) {
    for (let n = random.between(0, 4); n > 0; n--) world.submit()
    await world.clock.advance(random.between(1, 600_000))
    t.true(
      world.activeRecipients <= plan.activeMax + 10,
      `seed ${random.seed}: ${world.activeRecipients} in memory`,
    )
    if (plan.operator && random.fraction() < 0.1) await meddle(world, random)
    if (plan.crashes && random.fraction() < 0.05) await world.crash()
  }
  world.weather = FAIR
  await world.act('release', null)
  for (let day = 0; day < 8 && world.messages > 0; day++) await world.clock.advance(DAY_MS)
  t.is(world.messages, 0, `seed ${random.seed}: the queue does not empty`)
  t.is(world.activeRecipients, 0)
  t.true(world.fates.size > 100)
  for (const [address, { delivered, bounced, deleted, wantsArrival, told: reports }] of world.fates) {
    const inDoubt = world.inDoubt.has(address)
    const told = `seed ${random.seed}: ${address} delivered ${delivered}, bounced ${bounced}, deleted ${deleted}`
    if (!deleted) t.true(delivered + bounced >= 1, told)
    if (!inDoubt) t.true(delivered + bounced <= 1, told)
    // A report is one with the end of its recipient: in doubt is only what the peer has, never what the sender hears.
    t.true(bounced + reports <= 1, `${told}, reported ${reports}`)
    if (wantsArrival && !deleted) t.is(bounced + reports, 1, `${told}, reported ${reports}`)
    if (!wantsArrival) t.is(reports, 0)
  }
}

async function meddle(world: World, random: Random): Promise<void> {
  const action = random.pick(['delete', 'hold', 'release', 'requeue', 'flush'] as const)
  const all = action !== 'delete' && random.fraction() < 0.2
  const { ids } = world
  const chosen = all ? null : Array.from({ length: Math.min(3, ids.length) }, () => random.pick(ids))
  await world.act(action, chosen)
}

const BAD: Weather = { bounced: 0.1, deferred: 0.4, mistakes: 0.05, full: 0.05, unroutable: 0.05 }

const PLANS: readonly (readonly [string, Plan])[] = [
  [
    'in fair weather every recipient is delivered once',
    { weather: FAIR, crashes: false, operator: false, activeMax: 20_000 },
  ],
  [
    'with refusals, deferrals, mistakes and a full disk every recipient is delivered or bounced once',
    { weather: BAD, crashes: false, operator: false, activeMax: 20_000 },
  ],
  [
    'with an active set that is too small for what is due every recipient is delivered or bounced once',
    { weather: BAD, crashes: false, operator: false, activeMax: 6 },
  ],
  [
    'after crashes at any moment no recipient is lost, and only those in doubt may come twice',
    { weather: BAD, crashes: true, operator: false, activeMax: 50 },
  ],
  [
    'with an operator who moves messages while they are tried none is lost but what is deleted',
    { weather: BAD, crashes: true, operator: true, activeMax: 50 },
  ],
]

for (const [i, [title, plan]] of PLANS.entries()) {
  test(title, async (t) => {
    const random = seededRandom(seedOfRun() + i)
    t.log(`seed ${random.seed - i}`)
    await run(t, random, plan)
  })
}
