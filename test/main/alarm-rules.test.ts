import test from 'ava'
import type { MetricsSnapshot } from '#src/base/metrics.ts'
import { AlarmRules } from '#src/main/alarm-rules.ts'
import type { Sight } from '#src/main/alarm-rules.ts'

const GIB = 1024 ** 3
const DAY_MS = 86_400_000

function world() {
  let wallMs = Date.UTC(2026, 0, 20)
  let steadyMs = 0
  const rules = new AlarmRules({
    nowMs: () => wallMs,
    monotonicMs: () => steadyMs,
    sleep: () => Promise.resolve(),
  })
  const look = (sight: Partial<Sight> = {}): string[] => {
    wallMs += 10_000
    steadyMs += 10_000
    const all = { metrics: {}, children: [], settings: [], signaturesMaxMs: 14 * DAY_MS, ...sight }
    return rules.look(all).map(({ code, key, reason }) => `${code} ${key}: ${reason}`)
  }
  return {
    look,
    setClock: (ms: number) => (wallMs += ms),
    pass: (ms: number) => {
      wallMs += ms
      steadyMs += ms
    },
  }
}

function disk(freeGib: number, sizeGib: number, open = 1): MetricsSnapshot {
  return {
    postern_queue_disk_free_bytes: [{ labels: [], value: freeGib * GIB }],
    postern_queue_disk_size_bytes: [{ labels: [], value: sizeGib * GIB }],
    postern_queue_open: [{ labels: [], value: open }],
  }
}

test('a box of which nothing is known has no alarms', (t) => {
  t.deepEqual(world().look(), [])
})

test('a disk is low with less than a tenth or ten gigabytes, full when mail is refused, and well with some more room', (t) => {
  const { look } = world()
  t.deepEqual(look({ metrics: disk(11, 100) }), [])
  t.deepEqual(look({ metrics: disk(9, 100) }), ['DISK_LOW : 9216 MiB of 102400 MiB are free'])
  t.deepEqual(look({ metrics: disk(11, 100) }).length, 1)
  t.deepEqual(look({ metrics: disk(12.5, 100) }), [])
  t.deepEqual(look({ metrics: disk(50, 1000) }), [])
  t.regex(look({ metrics: disk(0.01, 100, 0) })[0] ?? '', /^DISK_FULL/)
})

function child(restarts: number, at: 'ready' | 'waiting' = 'ready') {
  const state = at === 'waiting' ? { at, reason: 'no folder' } : { at: 'stopped' as const }
  return { name: 'smtpd/1', restarts, state }
}

test('three starts within ten minutes are a crash loop, and so is a process that waits for its next start', (t) => {
  const { look, pass } = world()
  look({ children: [child(0)] })
  look({ children: [child(1)] })
  t.deepEqual(look({ children: [child(2)] }), [])
  t.regex(look({ children: [child(3)] })[0] ?? '', /^PROCESS_CRASHING smtpd\/1/)
  pass(700_000)
  t.deepEqual(look({ children: [child(3)] }), [])
  t.deepEqual(look({ children: [child(3, 'waiting')] }), ['PROCESS_CRASHING smtpd/1: no folder'])
})

test('a process is silent that did not answer three times in a row', (t) => {
  const { look } = world()
  const silent = {
    children: [child(0)],
    metrics: { postern_process_silent: [{ labels: ['smtpd/1'], value: 1 }] },
  }
  t.deepEqual([look(silent).length, look(silent).length, look(silent).length], [0, 0, 1])
  t.deepEqual(look({ children: [child(0)] }), [])
})

function written(day: number): MetricsSnapshot {
  return { postern_signatures_timestamp_seconds: [{ labels: [], value: Date.UTC(2026, 0, day) / 1000 }] }
}

test('signatures are too old after as many days as are set, unless that is never', (t) => {
  const { look } = world()
  t.deepEqual(look({ metrics: written(10) }), [])
  t.deepEqual(look({ metrics: written(2) }), ['SIGNATURES_OLD : the newest file is of 2026-01-02'])
  t.deepEqual(look({ metrics: written(2), signaturesMaxMs: 0 }), [])
})

test('a clock that is set is told with how far, and one that drifts is not', (t) => {
  const { look, setClock, pass } = world()
  look()
  setClock(500)
  t.deepEqual(look(), [])
  setClock(-3_600_000)
  t.deepEqual(look(), ['CLOCK_WRONG : it was set back by 3600 s'])
  pass(3_590_000)
  t.deepEqual(look(), ['CLOCK_WRONG : it was set back by 3600 s'])
  t.deepEqual(look(), [], 'an hour later it is history')
})

test('what is due and not tried, and a setting that is refused, are alarms in the words of who found them', (t) => {
  const { look } = world()
  const metrics: MetricsSnapshot = {
    postern_queue_stalled: [{ labels: [], value: 1 }],
    postern_queue_oldest_due_seconds: [{ labels: [], value: 2400 }],
  }
  const settings = [
    { key: 'globalConfig zimbraMtaX', attribute: 'zimbraMtaX', source: 'globalConfig', reason: 'no' },
  ]
  t.deepEqual(look({ metrics, settings }), [
    'QUEUE_STALLED : the oldest is due for 40 minutes',
    'SETTING_REFUSED globalConfig zimbraMtaX: no',
  ])
})
