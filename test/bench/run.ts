// `make bench`: Postern and Debian's Postfix in turn, in one run, with one client, one sink and one disk.
// docs/performance.md says what is measured and how to read it.

import { mkdirSync, writeFileSync } from 'node:fs'
import { REST_MOST_MS, untilAtRest } from './cpu.ts'
import { type Bench, type Run, runLoad } from './load.ts'
import {
  type Load,
  loadText,
  machineText,
  type Options,
  parseOptions,
  type ServerName,
  USAGE,
  UsageError,
} from './options.ts'
import { processName } from './postern.ts'
import { missing } from './postfix.ts'
import { profileReport } from './profile.ts'
import { type LoadResult, reportText } from './report.ts'
import { BenchError } from './run-command.ts'
import type { ServerUnderTest } from './server.ts'
import { checkDisk, openStage, type Stage } from './stage.ts'
import { digits } from './stats.ts'

const say = (line: string): boolean => process.stderr.write(`${line}\n`)

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2))
  if (options === undefined) {
    process.stdout.write(USAGE)
    return 0
  }
  checkDisk(options.dir)
  const lacking = missing(options.servers.some((name) => name !== 'postern'))
  if (lacking !== undefined) throw new BenchError(lacking)

  await using stage = await openStage(options.dir, options.keep)
  endOnSignal(stage)
  const started = new Date()
  const results: LoadResult[] = []
  const versions = new Set<string>()
  let profile = ''
  for (const slow of [false, true]) {
    const loads = options.loads.filter((load) => (load.part === 'slow') === slow)
    if (loads.length === 0) continue
    const phase = await runPhase(stage, options, loads)
    results.push(...phase.results)
    for (const version of phase.versions) versions.add(version)
    profile += phase.profile
  }
  const head = [
    ...versions,
    machineText(),
    stage.bench.own.kind,
    `flush ${options.flushUs} us`,
    started.toISOString(),
  ]
  process.stdout.write(`${head.join('; ')}\n\n${reportText(results)}\n${profile}`)
  if (options.out !== undefined) writeFileSync(options.out, jsonOf(head, options, results))
  if (options.keep) say(`kept: ${stage.dir}`)
  return results.some((result) => [...result.runs.values()].flat().some((run) => run.invalid.length > 0))
    ? 1
    : 0
}

/** A Ctrl-C must not leave servers behind: the stage is cleared first. */
function endOnSignal(stage: Stage): void {
  const end = (signal: NodeJS.Signals): void => {
    say(`${signal}: clearing up`)
    void Promise.resolve(stage[Symbol.asyncDispose]()).finally(() => process.exit(1))
  }
  process.once('SIGINT', end)
  process.once('SIGTERM', end)
}

/** How long a server under the profiler is given to come to rest, which it never does: sampling goes on. */
const PROFILER_REST_MS = 2000

interface Phase {
  readonly results: readonly LoadResult[]
  readonly versions: readonly string[]
  readonly profile: string
}

/** All loads that can be run with one set of servers: those on the disk as it is, or those on a slow one. */
async function runPhase(stage: Stage, options: Options, loads: readonly Load[]): Promise<Phase> {
  const slowDisk = loads[0]?.part === 'slow' ? stage.openSlowDisk(options.flushUs) : undefined
  const profiles = `${stage.dir}/profiles`
  mkdirSync(profiles, { recursive: true })
  const posternEnv: Record<string, string> = options.cpuProf
    ? { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profiles}` }
    : {}
  const servers = await stage.startServers(options.servers, { disk: slowDisk, posternEnv })
  const bench: Bench = {
    ...stage.bench,
    slowDisk,
    restMostMs: options.cpuProf ? PROFILER_REST_MS : REST_MOST_MS,
  }
  for (const server of servers) {
    await untilAtRest(server.group, bench.restMostMs)
    await runFor(bench, server, WARM_UP, options.warmUpSeconds)
  }
  const results: LoadResult[] = []
  for (const load of loads) results.push({ load, runs: await runRounds(bench, servers, load, options) })
  const windows = results.flatMap(({ runs }) => [...runs.values()].flat().map((run) => run.window))
  const names = new Map(
    servers.flatMap((server) => server.group.pids()).map((pid) => [pid, processName(pid)]),
  )
  await stage.stopServers()
  return {
    results,
    versions: servers.map((server) => server.version),
    profile: options.cpuProf ? profileReport(profiles, names, windows) : '',
  }
}

/**
 * What every server is sent before it is measured: caches and process pools are filled by it, and the compiler of a
 * language that compiles while it runs comes to rest. A mail server runs for months.
 */
const WARM_UP: Load = { part: 'plain', sizeBytes: 10_240, sessions: 20, reused: true }

async function runRounds(
  bench: Bench,
  servers: readonly ServerUnderTest[],
  load: Load,
  options: Options,
): Promise<ReadonlyMap<ServerName, readonly Run[]>> {
  const runs = new Map<ServerName, Run[]>(servers.map((server) => [server.name, []]))
  const counts = new Map<ServerName, number>()
  for (const server of servers) {
    const trial = await runLoad(bench, server, load, trialCount(load))
    counts.set(server.name, nextCount(trial, load, options.seconds) ?? trialCount(load))
  }
  for (let round = 1; round <= options.rounds; round++) {
    for (const server of servers) {
      const messages = counts.get(server.name) ?? trialCount(load)
      const run = await runLoad(bench, server, load, messages)
      runs.get(server.name)?.push(run)
      counts.set(server.name, nextCount(run, load, options.seconds) ?? messages)
      say(progress(load, round, server.name, run))
    }
  }
  return runs
}

async function runFor(bench: Bench, server: ServerUnderTest, load: Load, seconds: number): Promise<void> {
  const trial = await runLoad(bench, server, load, trialCount(load))
  const fault = trial.invalid[0]
  if (fault !== undefined) throw new BenchError(`${server.name} does not work: ${fault}`)
  await runLoad(bench, server, load, nextCount(trial, load, seconds) ?? trialCount(load))
}

/** Messages of a run that only finds out how many a real one needs. */
function trialCount(load: Load): number {
  const least = load.sizeBytes > 500_000 ? 30 : load.sizeBytes > 50_000 ? 100 : 200
  return Math.max(least, load.sessions * 2)
}

/** A run that is longer than this tells nothing more, and its mail fills the disk. */
const MESSAGES_MAX = 50_000

/** So many messages that the client sends for about `seconds`; undefined where the run before proves nothing. */
function nextCount(run: Run, load: Load, seconds: number): number | undefined {
  if (run.invalid.length > 0) return undefined
  const wanted = Math.round(run.deliveredPerSecond * seconds)
  return Math.min(MESSAGES_MAX, Math.max(wanted, load.sessions * 2))
}

function progress(load: Load, round: number, server: ServerName, run: Run): string {
  const rates = `${digits(run.acceptedPerSecond)} accepted/s, ${digits(run.deliveredPerSecond)} end to end/s`
  const cpu = `${digits(run.userSeconds + run.systemSeconds)} CPU s/1000`
  const invalid = run.invalid.length === 0 ? '' : `  INVALID: ${run.invalid.join('; ')}`
  return `${loadText(load)}, round ${round}, ${server}: ${run.messages} messages, ${rates}, ${cpu}${invalid}`
}

function jsonOf(head: readonly string[], options: Options, results: readonly LoadResult[]): string {
  const runs = results.flatMap(({ load, runs: byServer }) =>
    [...byServer].flatMap(([server, list]) =>
      list.map((run, i) => ({ ...load, server, round: i + 1, ...run })),
    ),
  )
  return `${JSON.stringify({ head, rounds: options.rounds, seconds: options.seconds, runs }, undefined, 1)}\n`
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof BenchError || error instanceof UsageError)) throw error
  say(error.message)
  process.exitCode = 1
}
