import { renameSync, rmSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { isatty } from 'node:tty'
import { parseArgs } from 'node:util'
import { systemClock } from '#src/base/clock.ts'
import { errorText, Fault } from '#src/base/fault.ts'
import { openLog } from '#src/base/log.ts'
import type { Log, OpenLog } from '#src/base/log.ts'
import { VERSION } from '#src/base/version.ts'
import type { Config } from '#src/config/config.ts'
import { loadConfig, sourceOf } from '#src/config/config.ts'
import { GenerationStore } from '#src/config/generations.ts'
import { problemText } from '#src/config/reader.ts'
import { Directory } from '#src/directory/directory.ts'
import { Generations } from './generation.ts'
import type { Generation } from './generation.ts'
import { awaitLeftovers } from './leftovers.ts'
import { rotateLogs } from './log-rotation.ts'
import { Master } from './master-server.ts'
import { logTargets } from './open-log.ts'
import { pathsOf } from '#src/config/paths.ts'
import { ServiceManager } from '#src/host/service-manager.ts'
import type { OpenListener } from './listening.ts'
import { childEnvironment, openListeners, ServiceReporter } from './service.ts'
import { keepMemoryOutOfCores } from './core-dumps.ts'
import { forking } from './forked.ts'
import { Gate } from './gate.ts'
import type { Paths } from '#src/config/paths.ts'
import {
  checkPorts,
  checkSharedFolders,
  lockDataFolder,
  prepareDirectory,
  prepareFolders,
} from './prepare.ts'
import { StartRefused } from './refusal.ts'
import { welcomeText } from './welcome.ts'
import { storeErrorKind } from '#src/store/sqlite.ts'
import { ensureCertificate } from '#src/net/certificate.ts'
import { readMachine } from '#src/workers/machine.ts'
import { smtpdCount } from '#src/workers/size.ts'

/**
 * The master process: reads the settings, makes what a first start needs, starts and watches the others.
 *
 *     master.ts [--config FILE] [--detached] [--services N]
 *
 * With --detached nothing but faults is printed, and whoever started it is told over IPC when everything runs.
 * With --services it starts none of the others: each is a service of its own, which it awaits; N of them are smtpd.
 */

interface Arguments {
  readonly config: string | undefined
  readonly detached: boolean
  /** How many smtpd there are where master does not start them. */
  readonly services: number | undefined
}

/** What whoever started a detached master hears. */
export type MasterReport = { readonly kind: 'ready' | 'refused'; readonly text: string }

process.title = 'postern: master'
const stopAsked = new AbortController()
await main(readArguments())

function readArguments(): Arguments {
  const { values } = parseArgs({
    options: {
      config: { type: 'string' },
      detached: { type: 'boolean', default: false },
      services: { type: 'string' },
    },
  })
  return {
    config: values.config,
    detached: values.detached,
    services: values.services === undefined ? undefined : Math.max(1, Number.parseInt(values.services) || 1),
  }
}

async function main(args: Arguments): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopAsked.abort())
  // Until there is something to reload, a hang-up must not end us half way.
  process.on('SIGHUP', () => {})
  try {
    await run(args)
  } catch (error) {
    process.exitCode = 1
    if (stopAsked.signal.aborted && !(error instanceof StartRefused)) return
    report(args, { kind: 'refused', text: refusalText(error) })
  }
}

function refusalText(error: unknown): string {
  if (error instanceof StartRefused || error instanceof Fault)
    return `Postern does not start. ${error.message}\n`
  return `Postern does not start: ${error instanceof Error ? (error.stack ?? error.message) : errorText(error)}\n`
}

function report(args: Arguments, message: MasterReport): void {
  if (args.detached && process.connected) {
    process.send?.(message, () => {
      process.disconnect?.()
    })
  } else {
    const stream = message.kind === 'ready' ? process.stdout : process.stderr
    stream.write(message.text)
  }
}

async function run(args: Arguments): Promise<void> {
  // Mail is nobody else's business: no file that any of our processes makes is for other users; where each has a user of
  // its own, what lies in a folder that has the group of two of them is for both.
  process.umask(args.services === undefined ? 0o077 : 0o007)
  const config = readConfiguration(args.config)
  const paths = pathsOf(config.dataFolder, sourceOf(config))
  if (args.services === undefined) prepareFolders(paths, config)
  else checkSharedFolders(paths, config)
  using lock = await lockDataFolder(paths)
  await awaitLeftovers(paths.processes, systemClock, stopAsked.signal)
  const listeners = openListeners(config)
  // systemd has opened them.
  const toCheck = args.services === undefined ? portsOf(config, listeners) : []
  await checkPorts(toCheck)
  prepareDirectory(paths, config)
  const log = openLog({ ...logTargets('master', logBoot(config, args)) })
  if (!keepMemoryOutOfCores()) log.write('warn', 'master.core_dumps', {})
  try {
    await serve(args, { config, paths, log, listeners })
  } finally {
    log.flush()
    void lock
  }
}

/** The ports that are to be free. */
function portsOf(config: Config, listeners: readonly OpenListener[]) {
  return [
    ...listeners
      .filter(({ fd }) => fd === undefined)
      .map((listener) => ({ listener, setting: '[[listener]] port' })),
    ...(config.lmtpServer === undefined ? [{ listener: config.mailbox, setting: '[mailbox] port' }] : []),
  ]
}

function readConfiguration(file: string | undefined): Config {
  const loaded = loadConfig(file, process.cwd())
  if (loaded.kind === 'config') return loaded.config
  throw new StartRefused(
    `The configuration has mistakes:\n${loaded.problems.map((problem) => `  ${problemText(problem)}`).join('\n')}`,
  )
}

function logBoot(config: Config, args: Arguments) {
  return { ...config.log, stdout: config.log.stdout && !args.detached }
}

interface Opened {
  readonly config: Config
  readonly paths: Paths
  readonly log: OpenLog
  readonly listeners: readonly OpenListener[]
}

async function serve(args: Arguments, { config, paths, log, listeners }: Opened): Promise<void> {
  const manager = new ServiceManager(process.env, process.pid, (reason) => {
    log.write('warn', 'master.unnotified', { reason })
  })
  using reporter = new ServiceReporter(manager, log)
  using directory = openDirectory(paths)
  using store = openGenerations(paths.generations, log)
  const generations = new Generations(config, { store, directory, clock: systemClock, log })
  await ensureCertificate(config.tls, generations.current.settings.myHostname, systemClock.nowMs())
  const workers = args.services ?? (config.workers === 0 ? smtpdCount(await readMachine()) : config.workers)
  const zone = timeZone(generations.current)
  const gate =
    args.services === undefined
      ? undefined
      : new Gate({ runFolder: paths.run, clock: systemClock, log, env: zone })
  const master = new Master({
    paths,
    generations,
    clock: systemClock,
    log,
    workers,
    launch: gate?.launch ?? forking({ ...childEnvironment(paths.compileCache), ...zone }),
    gate,
    listeners,
    reporter,
    echo: logBoot(config, args).stdout,
    onStop: () => {
      stopAsked.abort()
    },
  })
  await master.start()
  const { jsonFile, textFile, maxBytes, keep } = config.log
  const files = [jsonFile, textFile].filter((file) => file !== '')
  void rotateLogs({ files, maxBytes, keep, clock: systemClock, log }, stopAsked.signal)
  // Written now, because a process that is killed would leave nothing for the next start to be quick with.
  flushCompileCache()
  const foreground = !args.detached
  await log.printed()
  const opened = { ...config, listeners }
  const text = welcomeText({ config: opened, paths, workers, version: VERSION, foreground })
  report(args, { kind: 'ready', text })
  onHangUp(master)
  reporter.ready(master)
  await aborted(stopAsked.signal)
  reporter.stopping()
  await master.stop()
  await log.printed()
  if (foreground) process.stdout.write('Postern has stopped.\n')
}

/**
 * The history of the settings. Mail does not wait for it: a file that is damaged is set aside, and a new history begins
 * with what is set now.
 */
function openGenerations(path: string, log: Log): GenerationStore {
  try {
    const store = GenerationStore.open(path)
    // Damage shows where it is read.
    void [store.newest, store.holds]
    return store
  } catch (error) {
    if (storeErrorKind(error) !== 'damaged')
      throw new StartRefused(`The history of the settings cannot be opened: ${path}: ${errorText(error)}`)
    const aside = `${path}.damaged`
    renameSync(path, aside)
    for (const suffix of ['-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true })
    log.write('error', 'master.settings', { reason: `${path} is damaged; it is set aside as ${aside}` })
    return GenerationStore.open(path)
  }
}

/** import_environment: the time zone that dates in Received, bounces and notices are written in. */
function timeZone({ settings }: Generation): Readonly<Record<string, string>> {
  const zone = settings.importEnvironment.find((word) => word.startsWith('TZ='))
  return zone === undefined ? {} : { TZ: zone.slice('TZ='.length) }
}

/** Only globalConfig is looked up here; recipients are for smtpd. */
function openDirectory(paths: Paths): Directory {
  return new Directory({ path: paths.directory, recipientDelimiter: '', expansionLimit: 1 })
}

/** SIGHUP means reload, but for a terminal that was closed it means the end. */
function onHangUp(master: Master): void {
  const hadTerminal = isatty(0)
  process.removeAllListeners('SIGHUP')
  process.on('SIGHUP', () => {
    if (hadTerminal && !isatty(0)) stopAsked.abort()
    else void master.reload()
  })
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
