import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { crc32 } from 'node:zlib'
import { FakeDeliverer, newMessage, startQueue, until } from '#test/queue/support.ts'
import type { Queue } from '#test/queue/support.ts'
import type { NewMessage } from '#src/queue/types.ts'

/**
 * What the queue alone costs: submissions over the real socket, through the real writer thread, to a real disk.
 *
 *     node test/bench/queue.ts                    submissions/s and CPU s per 1,000, at 1, 10 and 30 KiB, alone and 20 at once
 *     node test/bench/queue.ts --threshold        body in the row against body in a file, 8 to 128 KiB
 *     --dir DIR --rounds N --seconds S            where, how often, how long each
 *     --deliver                                   with delivery to a sink in memory, so with outcome and delete
 *
 * Rounds of all variants are interleaved; the median counts. CPU is that of both ends, client and queue manager.
 */
const { values: options } = parseArgs({
  options: {
    threshold: { type: 'boolean', default: false },
    deliver: { type: 'boolean', default: false },
    dir: { type: 'string', default: tmpdir() },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '1' },
  },
})

interface Variant {
  readonly bytes: number
  readonly sessions: number
  readonly spool: boolean
}

interface Figures {
  readonly perSecond: number
  readonly cpuPer1000: number
}

function variants(): Variant[] {
  const list: Variant[] = []
  const sizes = options.threshold ? [8, 16, 24, 32, 48, 64, 96, 128] : [1, 10, 30]
  for (const kib of sizes) {
    for (const sessions of [1, 20]) {
      list.push({ bytes: kib * 1024, sessions, spool: false })
      if (options.threshold) list.push({ bytes: kib * 1024, sessions, spool: true })
    }
  }
  return list
}

async function session(queue: Queue, variant: Variant, untilMs: number): Promise<number> {
  const bytes = Buffer.alloc(variant.bytes, 'abcdefghijklmnopqrstuvwxyz 0123456789\r\n')
  let count = 0
  while (performance.now() < untilMs) {
    let body: NewMessage['body'] = { kind: 'inline', bytes }
    if (variant.spool) {
      const file = await queue.client.openSpool()
      if (typeof file === 'string') throw new Error(file)
      for (let at = 0; at < bytes.length; at += 65_536) await file.write(bytes.subarray(at, at + 65_536))
      await file.sync()
      body = { kind: 'spool', file: file.file, length: bytes.length }
    }
    const outcome = await queue.client.submit(newMessage({ body, bodyCrc32: crc32(bytes) }))
    if (outcome !== 'queued') throw new Error(outcome)
    count++
  }
  return count
}

async function measure(variant: Variant): Promise<Figures> {
  const dir = mkdtempSync(join(options.dir, 'postern-queue-bench-'))
  const paths = { queueDir: dir, spoolDir: join(dir, 'spool'), runDir: dir }
  mkdirSync(paths.spoolDir)
  try {
    const deliverer = new FakeDeliverer()
    await using queue = await startQueue(paths, { idle: !options.deliver, deliverer })
    const sessions = async (ms: number): Promise<number> => {
      const end = performance.now() + ms
      const counts = await Promise.all(
        Array.from({ length: variant.sessions }, () => session(queue, variant, end)),
      )
      return counts.reduce((sum, count) => sum + count, 0)
    }
    // The first messages pay for compilation and for a log that still grows.
    await sessions(300)
    const cpu = process.cpuUsage()
    const beganMs = performance.now()
    const count = await sessions(Number(options.seconds) * 1000)
    if (options.deliver) await until(() => queue.scheduler.activeRecipients === 0)
    const seconds = (performance.now() - beganMs) / 1000
    const used = process.cpuUsage(cpu)
    return { perSecond: count / seconds, cpuPer1000: (used.user + used.system) / 1000 / count }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

const results = new Map<Variant, Figures[]>(variants().map((variant) => [variant, []]))
for (let round = 0; round < Number(options.rounds); round++) {
  for (const [variant, figures] of results) figures.push(await measure(variant))
}
process.stdout.write('| KiB | at once | body in | messages/s | CPU s per 1,000 |\n|---|---|---|---|---|\n')
for (const [{ bytes, sessions, spool }, figures] of results) {
  const rate = median(figures.map(({ perSecond }) => perSecond))
  const cpu = median(figures.map(({ cpuPer1000 }) => cpuPer1000))
  process.stdout.write(
    `| ${bytes / 1024} | ${sessions} | ${spool ? 'file' : 'row'} | ${rate.toFixed(0)} | ${cpu.toFixed(3)} |\n`,
  )
}
