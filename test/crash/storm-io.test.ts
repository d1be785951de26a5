import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import test from 'ava'
import type { Appliance } from '#test/support/appliance.ts'
import { inject, type Injection } from '#test/support/faults.ts'
import type { FaultSpan } from '#test/support/ledger.ts'
import { queueFolder } from '#test/support/queue-folder.ts'
import { seededRandom, seedOfRun, type Random } from '#test/support/random.ts'
import { installed } from '#test/support/run.ts'
import { until } from '#test/support/wait.ts'
import { PLAN } from './plan.ts'
import { storm } from './storm.ts'

const withStrace = installed('strace') ? test.serial : test.serial.skip
if (!installed('strace'))
  process.stderr.write('Write faults amid tool use are skipped: strace is not installed.\n')

const FAULTS: readonly Pick<Injection, 'calls' | 'error'>[] = [
  { calls: 'fdatasync,fsync', error: 'EIO' },
  { calls: 'pwrite64', error: 'EIO' },
  { calls: 'pwrite64', error: 'ENOSPC' },
]
/** The first call that fails, and how many after it. */
const FIRST_MAX = 12
const CALLS_MAX = 4
/** From the first that fails. */
const HELD_MS = 100

withStrace(
  'writes that fail amid retries, bounces and queue tools lose nothing, and what a tool said stays so',
  async (t) => {
    t.timeout(3_600_000)
    const random = seededRandom(seedOfRun())
    t.log(`seed ${random.seed}`)
    let failed = 0
    await storm(t, {
      random,
      rounds: PLAN.stormIoRounds,
      fault: async (postern) => {
        const { failures, ...span } = await breakWrites(postern, random)
        failed += failures
        return span
      },
    })
    t.log(`${failed} calls failed`)
    t.true(failed > 0)
  },
)

async function breakWrites(
  postern: Appliance,
  random: Random,
): Promise<FaultSpan & { readonly failures: number }> {
  const fromMs = performance.now()
  const [pid] = postern.pids('qmgr')
  const folder = queueFolder(postern.data)
  const first = random.between(1, FIRST_MAX)
  let failures = 0
  if (pid !== undefined) {
    await using fault = await inject({
      ...random.pick(FAULTS),
      pid,
      when: `${first}..${first + random.between(0, CALLS_MAX)}`,
      paths: ['queue.db', 'queue.db-wal'].map((name) => join(folder, name)),
    })
    // Mail goes on coming, so the call does too.
    await until('a call has failed', () => fault.failures() > 0)
    // Those behind it fail too, as long as strace holds the process.
    await sleep(HELD_MS)
    failures = fault.failures()
  }
  await postern.serving()
  return { fromMs, toMs: performance.now(), failures }
}
