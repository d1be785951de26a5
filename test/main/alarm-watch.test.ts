import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'ava'
import { memoryLog } from '#src/base/log.ts'
import type { MetricsSnapshot } from '#src/base/metrics.ts'
import { AlarmWatch } from '#src/main/alarm-watch.ts'
import { VirtualClock } from '#test/simulate/virtual-clock.ts'
import { tempFolder } from '#test/support/temp.ts'

const DAY_MS = 86_400_000
const LOOK_MS = 10_000
/** Hardware is looked at so often. */
const SLOW_MS = 60_000

/** Master's watch over a machine whose /sys and metrics are this test's own. */
function world() {
  const folder = tempFolder('watch')
  const clock = new VirtualClock(Date.UTC(2026, 10, 22))
  const log = memoryLog()
  const mails: string[] = []
  let metrics: MetricsSnapshot = {}
  const watch = new AlarmWatch({
    clock,
    log,
    metrics: { collect: () => Promise.resolve({ metrics, atMs: clock.nowMs(), silent: [] }) },
    sight: () => ({ children: [], settings: [], signaturesMaxMs: 14 * DAY_MS }),
    sysFolder: folder.path,
    diskFolder: join(folder.path, 'disks'),
    updateFile: join(folder.path, 'failed.json'),
    isMailing: () => true,
    mail: (subject) => mails.push(subject),
  })
  return {
    clock,
    mails,
    file: (name: string, text: string): void => {
      mkdirSync(dirname(join(folder.path, name)), { recursive: true })
      writeFileSync(join(folder.path, name), text)
    },
    remove: (name: string): void => rmSync(join(folder.path, name), { recursive: true }),
    measured: (snapshot: MetricsSnapshot): void => {
      metrics = snapshot
    },
    pass: async (ms: number): Promise<void> => {
      for (let at = 0; at < ms; at += LOOK_MS) {
        await clock.advance(LOOK_MS)
        await watch.look()
      }
    },
    raised: () => watch.list.map(({ code, key }) => `${code} ${key}`.trim()),
    logged: () => log.lines.map(({ event, facts }) => `${event} ${String(facts['code'])}`),
    [Symbol.dispose]: () => {
      watch[Symbol.dispose]()
      folder[Symbol.dispose]()
    },
  }
}

test('what the hardware says is an alarm within a minute, mailed once, and over when it no longer says it', async (t) => {
  using it = world()
  await it.pass(SLOW_MS)
  t.deepEqual(it.raised(), [])
  it.file('class/hwmon/hwmon0/name', 'coretemp')
  it.file('class/hwmon/hwmon0/temp1_input', '101000')
  it.file('class/hwmon/hwmon0/temp1_crit', '100000')
  it.file('block/mmcblk0/device/life_time', '0x0a 0x01')
  await it.pass(SLOW_MS)
  t.deepEqual(it.raised(), ['TEMPERATURE coretemp temp1', 'DISK_WORN mmcblk0'])
  await it.pass(5 * SLOW_MS)
  it.file('class/hwmon/hwmon0/temp1_input', '60000')
  await it.pass(SLOW_MS)
  t.deepEqual(it.raised(), ['DISK_WORN mmcblk0'])
  it.remove('block')
  await it.pass(20 * SLOW_MS)
  t.deepEqual(it.raised(), [])
  t.deepEqual(it.mails, [
    'Postern: error: TEMPERATURE coretemp temp1 and 1 more',
    'Postern: over: TEMPERATURE coretemp temp1, DISK_WORN mmcblk0',
  ])
  t.deepEqual(it.logged(), [
    'alarm.raised TEMPERATURE',
    'alarm.raised DISK_WORN',
    'alarm.cleared TEMPERATURE',
    'alarm.cleared DISK_WORN',
  ])
})

function written(ms: number): MetricsSnapshot {
  return { postern_signatures_timestamp_seconds: [{ labels: [], value: ms / 1000 }] }
}

test('signatures that nothing renews are an alarm, until a newer file is there', async (t) => {
  using it = world()
  it.measured(written(it.clock.nowMs() - 14 * DAY_MS + 60_000))
  await it.pass(LOOK_MS)
  t.deepEqual(it.raised(), [])
  await it.pass(SLOW_MS)
  t.deepEqual(it.raised(), ['SIGNATURES_OLD'])
  it.measured(written(it.clock.nowMs()))
  await it.pass(LOOK_MS)
  t.deepEqual(it.raised(), [])
})
