import test from 'ava'
import { killIfThere, type Appliance, type ProcessKind } from '#test/support/appliance.ts'
import type { FaultSpan } from '#test/support/ledger.ts'
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
      fault: (postern) => kill(postern, random.pick(VICTIMS)),
    })
  },
)

async function kill(postern: Appliance, victim: ProcessKind): Promise<FaultSpan> {
  const fromMs = performance.now()
  const [pid] = postern.pids(victim)
  if (pid !== undefined) killIfThere(pid)
  if (victim === 'master') await postern.startAgain()
  else await postern.serving()
  return { fromMs, toMs: performance.now() }
}
