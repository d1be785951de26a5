import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { Clock } from '#src/base/clock.ts'
import { systemClock } from '#src/base/clock.ts'
import { startedAt } from '#src/base/process.ts'
import { awaitLeftovers, rememberProcesses } from '#src/main/leftovers.ts'
import { alive } from '#test/support/faults.ts'
import { tempFolder } from '#test/support/temp.ts'

const never = new AbortController().signal

function sleeper() {
  return spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
}

test('a process of a master that was killed is waited for until it has ended', async (t) => {
  using folder = tempFolder('leftovers')
  const path = join(folder.path, 'processes.json')
  const child = sleeper()
  rememberProcesses(path, [child.pid ?? 0])
  let waits = 0
  const clock: Clock = {
    ...systemClock,
    sleep: async () => {
      waits += 1
      if (waits !== 2) return
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
  t.is(await awaitLeftovers(path, clock, never), 1)
  t.is(waits, 2)
})

test('one that does not end in 15 s is killed', async (t) => {
  using folder = tempFolder('leftovers')
  const path = join(folder.path, 'processes.json')
  const child = sleeper()
  const gone = once(child, 'exit')
  rememberProcesses(path, [child.pid ?? 0])
  let nowMs = 0
  const clock: Clock = {
    ...systemClock,
    monotonicMs: () => nowMs,
    sleep: async () => {
      nowMs += 1000
      if (nowMs > 15_000) await gone
    },
  }
  t.is(await awaitLeftovers(path, clock, never), 1)
  t.false(alive(child.pid ?? 0))
})

test('another process that has got the number meanwhile is neither waited for nor killed', async (t) => {
  using folder = tempFolder('leftovers')
  const path = join(folder.path, 'processes.json')
  writeFileSync(path, JSON.stringify([{ pid: process.pid, started: `${startedAt(process.pid)}1` }]))
  t.is(await awaitLeftovers(path, systemClock, never), 0)
})

for (const text of ['', 'nonsense', '{}', '[1, null, {"pid":1,"started":"1"}, {"pid":-5,"started":"x"}]']) {
  test(`a file that holds ${text === '' ? 'nothing' : text} names nobody`, async (t) => {
    using folder = tempFolder('leftovers')
    const path = join(folder.path, 'processes.json')
    writeFileSync(path, text)
    t.is(await awaitLeftovers(path, systemClock, never), 0)
  })
}

test('at the first start there is nobody to wait for', async (t) => {
  using folder = tempFolder('leftovers')
  const path = join(folder.path, 'processes.json')
  t.is(await awaitLeftovers(path, systemClock, never), 0)
  t.false(existsSync(path))
})
