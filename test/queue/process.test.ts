import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { systemClock } from '#src/base/clock.ts'
import { memoryLog } from '#src/base/log.ts'
import type { QueueClient } from '#src/queue/client.ts'
import type { NewMessage } from '#src/queue/types.ts'
import { seededRandom, seedOfRun } from '#test/support/random.ts'
import type { Random } from '#test/support/random.ts'
import { newMessage, rowCounts, scratch, startClient, until } from './support.ts'

const CHILD = join(import.meta.dirname, 'queue-child.ts')

async function startChild(dir: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [CHILD, '--dir', dir], { stdio: ['ignore', 'pipe', 'inherit'] })
  if (child.stdout !== null) await once(child.stdout, 'data')
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

/** A small or a large message; undefined where the queue had no file for a large one just then. */
async function nextMessage(client: QueueClient, random: Random): Promise<NewMessage | undefined> {
  const text = `${random.between(0, 1e9)} `.repeat(random.pick([1, 500, 12_000]))
  const message = newMessage({ text })
  if (text.length < 32_768) return message
  const spool = await client.openSpool()
  if (typeof spool === 'string') return undefined
  await spool.write(Buffer.from(text))
  await spool.sync()
  return { ...message, body: { kind: 'spool', file: spool.file, length: text.length } }
}

test('kill -9 at any moment loses no message that was said to be queued, and changes none', async (t) => {
  using paths = scratch()
  const random = seededRandom(seedOfRun())
  t.log(`seed ${random.seed}`)
  const ledger = new Map<string, number>()
  const inFlight = new Set<string>()
  const over = new AbortController()
  let child = await startChild(paths.dir)
  const client = await startClient(paths, memoryLog())
  const session = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const message = await nextMessage(client, random)
      if (message === undefined) {
        await systemClock.sleep(5)
        continue
      }
      inFlight.add(message.id)
      const outcome = await client.submit(message)
      if (outcome === 'queued') ledger.set(message.id, message.bodyCrc32)
      else await systemClock.sleep(5)
    }
  }
  const sessions = Array.from({ length: 8 }, session)
  for (let round = 0; round < 5; round++) {
    const { size } = ledger
    await until(() => ledger.size > size + 20)
    await systemClock.sleep(random.between(0, 100))
    await kill(child)
    child = await startChild(paths.dir)
    await until(() => client.admission() === 'open')
  }
  over.abort()
  await Promise.all(sessions)
  const sink = (): string[] => readFileSync(join(paths.dir, 'sink'), 'utf8').trimEnd().split('\n')
  await until(() => rowCounts(paths).messages === 0)
  await kill(child)
  client.close()
  const taken = new Map(sink().map((line) => [line.split(' ')[0] ?? '', Number(line.split(' ')[1])]))
  t.true(ledger.size > 100)
  for (const [id, crc] of ledger) t.is(taken.get(id), crc, id)
  t.deepEqual(
    [...taken.keys()].filter((id) => !inFlight.has(id)),
    [],
  )
  t.log(`${ledger.size} messages, ${sink().length - taken.size} doubles`)
})

const MESSAGES = 40

test('a message costs one flush of queue.db, and its outcome none', (t) => {
  if (spawnSync('strace', ['-V']).error !== undefined) {
    t.log('no strace here')
    t.pass()
    return
  }
  using paths = scratch()
  const trace = join(paths.dir, 'trace')
  const strace = ['-f', '-y', '-qqq', '-e', 'trace=fsync,fdatasync', '-o', trace]
  const run = spawnSync('strace', [
    ...strace,
    process.execPath,
    CHILD,
    '--dir',
    paths.dir,
    '--send',
    String(MESSAGES),
  ])
  t.is(run.status, 0, run.stderr.toString())
  t.true(existsSync(trace))
  const flushes = readFileSync(trace, 'utf8')
    .split('\n')
    .filter((line) => line.includes('queue.db'))
  // Making the database, and the checkpoints at quiet and at the end, have some of their own.
  const others = 16
  t.true(flushes.length >= MESSAGES, flushes.join('\n'))
  t.true(flushes.length <= MESSAGES + others, flushes.join('\n'))
})
