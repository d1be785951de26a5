import { spawn } from 'node:child_process'
import { cpuTotal, memoryBytes, type ProcessGroup, untilAtRest } from './cpu.ts'
import type { Load } from './options.ts'
import { machineBusySeconds } from './proc.ts'
import type { Window } from './profile.ts'
import { findProgram } from './run-command.ts'
import { RECIPIENT, SENDER, type ServerUnderTest } from './server.ts'
import type { Sink, SinkReport } from './sink.ts'
import type { SlowDisk } from './slow-flush.ts'

/** One run of one load against one server. */
export interface Run {
  readonly messages: number
  /** Messages for which the client had a 250, over the time of the client. */
  readonly acceptedPerSecond: number
  /** Over the time from the start of the client to the end of the last message at the sink. */
  readonly deliveredPerSecond: number
  /** CPU of the server per 1,000 messages, its tidying up afterwards included. */
  readonly userSeconds: number
  readonly systemSeconds: number
  /** Highest sum of PSS that was seen. */
  readonly memoryBytes: number
  /** Share of the machine that others used meanwhile: neither server nor client, sink and bench. */
  readonly otherShare: number
  /** fsync and fdatasync calls, and flushes of the disk, per message: only on the slow disk. */
  readonly syncsPerMessage: number | undefined
  readonly flushesPerMessage: number | undefined
  /** From the start of the client to the last message at the sink, microseconds of CLOCK_MONOTONIC. */
  readonly window: Window
  /** Why this run proves nothing; empty for a good one. */
  readonly invalid: readonly string[]
}

/** What stays the same from run to run. */
export interface Bench {
  readonly sink: Sink
  /** Client and sink, so that their CPU can be told from that of strangers. */
  readonly own: ProcessGroup
  readonly slowDisk: SlowDisk | undefined
  /** The MIME message for a size, as a file. */
  mailFile(sizeBytes: number): string
  readonly cpus: number
  /** The longest wait for a server to come to rest; a profiler never lets it. */
  readonly restMostMs: number
}

/** A client that takes longer than this is stuck, whatever the load. */
const CLIENT_WITHIN_MS = 120_000
/** How long the last messages may take to reach the sink after the client has had its last 250. */
const DELIVERED_WITHIN_MS = 120_000
/** Memory is looked at so often; a look at 200 processes costs some milliseconds. */
const MEMORY_EVERY_MS = 500

/** Sends `messages` messages to one server and follows them to the sink. */
export async function runLoad(
  bench: Bench,
  server: ServerUnderTest,
  load: Load,
  messages: number,
): Promise<Run> {
  const cpuBefore = server.group.cpu()
  const machineBefore = meter(bench)
  const flushesBefore = bench.slowDisk?.counters()
  const memory = watchMemory(server.group)
  const arrival = bench.sink.expect(messages)

  const start = process.hrtime.bigint()
  const client = await sendAll(clientCommand(bench, server.port, load, messages), bench.own)
  const accepted = process.hrtime.bigint()
  memory.look()
  const whole = client.failed === undefined ? await arrival.whole(DELIVERED_WITHIN_MS) : undefined
  const others = othersShare(bench, server, { machineBefore, cpuBefore })
  const memoryPeak = memory.end()
  await untilAtRest(server.group, bench.restMostMs)

  const report = await bench.sink.report()
  const cpu = server.group.cpu()
  const flushes = bench.slowDisk?.counters()
  const per = (after: number | undefined, before: number | undefined) =>
    after === undefined || before === undefined ? undefined : (after - before) / messages
  return {
    messages,
    acceptedPerSecond: perSecond(messages, accepted - start),
    deliveredPerSecond: perSecond(messages, (whole ?? report).lastNs - start),
    userSeconds: ((cpu.user - cpuBefore.user) * 1000) / messages,
    systemSeconds: ((cpu.system - cpuBefore.system) * 1000) / messages,
    memoryBytes: memoryPeak,
    otherShare: others,
    syncsPerMessage: per(flushes?.calls, flushesBefore?.calls),
    flushesPerMessage: per(flushes?.flushes, flushesBefore?.flushes),
    window: { fromUs: Number(start / 1000n), toUs: Number((whole ?? report).lastNs / 1000n) },
    invalid: [...(client.failed === undefined ? [] : [client.failed]), ...faultsOf(report, messages)],
  }
}

/** What is wrong with what the sink took: every message that was accepted must be there exactly once. */
export function faultsOf(report: SinkReport, messages: number): string[] {
  const faults: string[] = []
  if (report.messages < messages)
    faults.push(`${messages - report.messages} of ${messages} messages did not arrive`)
  if (report.messages > messages)
    faults.push(`${report.messages - messages} messages more than were sent arrived`)
  const withId = report.messages - report.withoutId
  if (report.withoutId > 0) faults.push(`${report.withoutId} messages have no queue id in a Received line`)
  if (report.different < withId) faults.push(`${withId - report.different} messages arrived twice`)
  if (report.bodies > 1) faults.push(`${report.bodies} different bodies arrived where one was sent`)
  return faults
}

function perSecond(messages: number, ns: bigint): number {
  return ns > 0n ? messages / (Number(ns) / 1e9) : 0
}

function clientCommand(bench: Bench, port: number, load: Load, messages: number): string[] {
  const body = load.part === 'mime' ? ['-F', bench.mailFile(load.sizeBytes)] : ['-l', String(load.sizeBytes)]
  return [
    findProgram('smtp-source') ?? 'smtp-source',
    ...(load.reused ? ['-d'] : []),
    '-s',
    String(load.sessions),
    '-m',
    String(messages),
    ...body,
    '-f',
    SENDER,
    '-t',
    RECIPIENT,
    `127.0.0.1:${port}`,
  ]
}

/** What smtp-source may say before the rest is dropped; it says one line for each message that fails. */
const SAID_MAX_CHARS = 2000

async function sendAll(
  command: readonly string[],
  group: ProcessGroup,
): Promise<{ readonly failed: string | undefined }> {
  const [file = '', ...args] = [...group.prefix, ...command]
  const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    if (said.length < SAID_MAX_CHARS) said += chunk.toString('utf8')
  })
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const timer = setTimeout(() => child.kill('SIGKILL'), CLIENT_WITHIN_MS)
  child.once('error', (error) => resolve(`smtp-source: ${error.message}`))
  child.once('exit', (code) =>
    resolve(code === 0 ? undefined : `smtp-source ended with ${code ?? 'a signal'}`),
  )
  const failed = await promise
  clearTimeout(timer)
  const line = said.trim().split('\n').at(-1) ?? ''
  return { failed: failed === undefined ? undefined : `${failed}: ${line}` }
}

function watchMemory(group: ProcessGroup) {
  let peak = 0
  const look = (): void => {
    peak = Math.max(peak, memoryBytes(group))
  }
  const timer = setInterval(look, MEMORY_EVERY_MS)
  return {
    look,
    end: (): number => {
      clearInterval(timer)
      return peak
    },
  }
}

interface Meter {
  readonly machine: number
  readonly own: number
  readonly atMs: number
}

/** CPU seconds so far: of the machine, and of client, sink and this process. */
function meter(bench: Bench): Meter {
  const self = process.cpuUsage()
  return {
    machine: machineBusySeconds(),
    own: cpuTotal(bench.own.cpu()) + (self.user + self.system) / 1e6,
    atMs: performance.now(),
  }
}

function othersShare(
  bench: Bench,
  server: ServerUnderTest,
  before: { readonly machineBefore: Meter; readonly cpuBefore: { user: number; system: number } },
): number {
  // Without a cgroup the client, which has ended by now, cannot be told from a stranger.
  if (bench.own.kind === '/proc') return Number.NaN
  const now = meter(bench)
  const { machineBefore, cpuBefore } = before
  const servers = cpuTotal(server.group.cpu()) - cpuTotal(cpuBefore)
  const others = now.machine - machineBefore.machine - (now.own - machineBefore.own) - servers
  const whole = (bench.cpus * (now.atMs - machineBefore.atMs)) / 1000
  return Math.min(1, Math.max(0, others / whole))
}
