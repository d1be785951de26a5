import { mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { tellAlarmsTo } from '#src/base/alarms.ts'
import type { AlarmChange } from '#src/base/alarms.ts'
import { TimeWatch } from '#src/main/time-watch.ts'
import { VirtualClock } from '#test/simulate/virtual-clock.ts'
import { freePorts, tempFolder } from '#test/support/temp.ts'

const MINUTE_MS = 60_000

test('a clock that no time server keeps for a quarter of an hour is an alarm until one does', async (t) => {
  using folder = tempFolder('time-watch')
  const [chronyPort = 0] = await freePorts(1)
  const timesyncFolder = join(folder.path, 'timesync')
  const clock = new VirtualClock(Date.UTC(2026, 10, 22))
  const watch = new TimeWatch(clock, { timesyncFolder, chronyPort })
  const told: AlarmChange[] = []
  tellAlarmsTo((change) => told.push(change))
  const pass = async (minutes: number): Promise<void> => {
    for (let n = 0; n < minutes; n += 1) {
      await clock.advance(MINUTE_MS)
      await watch.look()
    }
  }
  const synchronized = (): void => {
    const file = join(timesyncFolder, 'synchronized')
    writeFileSync(file, '')
    utimesSync(file, clock.nowMs() / 1000, clock.nowMs() / 1000)
  }
  await pass(30)
  t.deepEqual(told, [], 'of a machine without a time service nothing is known')
  mkdirSync(timesyncFolder)
  await pass(14)
  synchronized()
  await pass(1)
  t.deepEqual(told.splice(0), [{ kind: 'cleared', code: 'CLOCK_WRONG', key: 'time service' }])
  await pass(6 * 60 + 15)
  t.deepEqual(told.splice(0).slice(0, 1), [
    {
      kind: 'raised',
      code: 'CLOCK_WRONG',
      key: 'time service',
      reason: 'no time server has answered systemd-timesyncd for 6 hours',
    },
  ])
  synchronized()
  await pass(5)
  t.deepEqual(told, [{ kind: 'cleared', code: 'CLOCK_WRONG', key: 'time service' }])
})
