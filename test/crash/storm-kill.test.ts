import test from 'ava'
import type { ProcessKind } from '#test/support/appliance.ts'
import { seededRandom, seedOfRun } from '#test/support/random.ts'
import { PLAN } from './plan.ts'
import { storm } from './storm.ts'

const VICTIMS: readonly ProcessKind[] = ['qmgr', 'qmgr', 'qmgr', 'smtpd', 'master']

test.serial(
  'kill -9 amid retries, bounces and queue tools loses nothing, and what a tool said stays so',
  async (t) => {
    t.timeout(3_600_000)
    const random = seededRandom(seedOfRun())
    t.log(`seed ${random.seed}`)
    await storm(t, {
      random,
      rounds: PLAN.stormKillRounds,
      fault: async (postern) => {
        const fault = await postern.killOne(random.pick(VICTIMS), (pids) => random.pick(pids))
        return fault ?? { fromMs: performance.now(), toMs: performance.now() }
      },
    })
  },
)
