import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { Clock } from '#src/base/clock.ts'
import { systemClock } from '#src/base/clock.ts'
import { memoryLog } from '#src/base/log.ts'
import { Child } from '#src/main/child.ts'
import { forking } from '#src/main/forked.ts'
import { alive } from '#test/support/faults.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

/** Pauses are over at once, bounds never come: only what a process does counts. */
const impatient: Clock = {
  ...systemClock,
  sleep: (ms, signal) => (ms <= 30_000 && ms >= 500 ? Promise.resolve() : systemClock.sleep(ms, signal)),
}

/** A process of ours that runs this program. */
function child(program: string, clock: Clock = systemClock) {
  const folder = tempFolder('child')
  const script = join(folder.path, 'program.mjs')
  writeFileSync(script, program)
  const log = memoryLog()
  const exits: number[] = []
  const made = new Child(
    { kind: 'smtpd', n: 1, script, boot: () => ({ word: 'boot' }) },
    {
      clock,
      log,
      launch: forking(process.env),
      onMessage: () => {},
      onExit: (_child, life) => exits.push(life),
      onChange: () => {},
    },
  )
  return {
    child: made,
    log,
    exits,
    async [Symbol.asyncDispose]() {
      await made.stop(0)
      folder[Symbol.dispose]()
    },
  }
}

const OBEDIENT = `process.on('message', (m) => {
  if (m.kind === 'boot') process.send({ kind: 'ready', facts: { word: m.boot.word } })
  if (m.kind === 'stop') process.disconnect()
})`

test('a process is ready when it says so, with what it says of itself', async (t) => {
  await using run = child(OBEDIENT)
  t.deepEqual(await run.child.start(), { kind: 'ready' })
  t.is(run.child.state.at, 'ready')
  t.deepEqual('facts' in run.child.state ? run.child.state.facts : {}, { word: 'boot' })
})

test('a process that is killed is started again at once, and what it held is given back', async (t) => {
  await using run = child(OBEDIENT)
  await run.child.start()
  const first = run.child.pid ?? 0
  const { life } = run.child
  process.kill(first, 'SIGKILL')
  await until('another one is ready', () => run.child.state.at === 'ready' && run.child.pid !== first)
  t.is(run.child.restarts, 1)
  t.deepEqual(run.exits, [life])
  t.false(alive(first))
  const exit = run.log.lines.find((line) => line.event === 'master.child.exit')
  t.is(exit?.level, 'error')
  t.like(exit?.facts, { child: 'smtpd/1', childPid: first, how: 'SIGKILL' })
})

test('a process that says why it cannot start has failed with that sentence', async (t) => {
  await using run = child(`process.on('message', () => {
    process.send({ kind: 'failed', reason: 'Port 25 is taken.' }, () => process.exit(1))
  })`)
  t.deepEqual(await run.child.start(), { kind: 'failed', reason: 'Port 25 is taken.' })
})

test('a process that crashes again and again has failed, is tried again after pauses, and is ready once it can be', async (t) => {
  using marker = tempFolder('marker')
  const file = join(marker.path, 'count')
  const program = `import { appendFileSync, readFileSync } from 'node:fs'
  appendFileSync(${JSON.stringify(file)}, 'x')
  if (readFileSync(${JSON.stringify(file)}).length < 6) process.exit(7)
  ${OBEDIENT}`
  await using run = child(program, impatient)
  const outcome = await run.child.start()
  t.is(outcome.kind, 'failed')
  t.regex(outcome.kind === 'failed' ? outcome.reason : '', /smtpd\/1 ended again and again \(code 7\)/)
  await until('it is ready at last', () => run.child.state.at === 'ready')
  t.is(run.child.restarts, 5)
})

test('a process that is told to stop ends, is not started again, and its end is no error', async (t) => {
  await using run = child(OBEDIENT)
  await run.child.start()
  const pid = run.child.pid ?? 0
  await run.child.stop(30_000)
  t.is(run.child.state.at, 'stopped')
  t.false(alive(pid))
  t.is(run.log.lines.find((line) => line.event === 'master.child.exit')?.level, 'info')
  t.is(run.child.restarts, 0)
})

test('a process that does not stop in time is killed', async (t) => {
  await using run = child(`process.on('message', (m) => {
    if (m.kind === 'boot') process.send({ kind: 'ready' })
  })
  process.on('SIGTERM', () => {})`)
  await run.child.start()
  const pid = run.child.pid ?? 0
  await run.child.stop(10)
  t.false(alive(pid))
  t.true(run.log.lines.some((line) => line.event === 'master.child.killed'))
})

test('a process that hangs at its start is killed and started again', async (t) => {
  using marker = tempFolder('marker')
  const file = join(marker.path, 'second')
  let watches = 0
  // The bound of the first start is over once its process hangs, however slow the machine is; the second one's is real.
  const watchful: Clock = {
    ...systemClock,
    sleep: async (ms, signal) => {
      if (ms >= 40_000) watches += 1
      if (ms >= 40_000 && watches === 1) await until('the first one hangs', () => existsSync(file))
      else await systemClock.sleep(ms, signal)
    },
  }
  const program = `import { existsSync, writeFileSync } from 'node:fs'
  const second = existsSync(${JSON.stringify(file)})
  process.on('message', (m) => { if (m.kind === 'boot' && second) process.send({ kind: 'ready' }) })
  writeFileSync(${JSON.stringify(file)}, '')`
  await using run = child(program, watchful)
  t.deepEqual(await run.child.start(), { kind: 'ready' })
  t.is(run.child.restarts, 1)
  t.true(run.log.lines.some((line) => line.event === 'master.child.killed'))
})

test('words that are not of ours are left alone', async (t) => {
  await using run = child(`process.send({ cmd: 'x' }); process.send('text'); process.send(null); ${OBEDIENT}`)
  t.deepEqual(await run.child.start(), { kind: 'ready' })
})
