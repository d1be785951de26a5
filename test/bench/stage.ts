import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import { cpus } from 'node:os'
import { buildHelpers } from './build.ts'
import { endLeftovers, openGroup } from './cpu.ts'
import type { Bench } from './load.ts'
import { mimeMessage } from './mail.ts'
import type { ServerName } from './options.ts'
import { startPostern } from './postern.ts'
import { startPostfix } from './postfix.ts'
import { BenchError, findProgram, run } from './run-command.ts'
import type { Place, ServerUnderTest } from './server.ts'
import { startSink } from './sink.ts'
import { openSlowDisk, type SlowDisk } from './slow-flush.ts'

/** Everything that a bench has on the machine: a folder, the sink, and the servers that run. */
export interface Stage extends AsyncDisposable {
  readonly dir: string
  readonly bench: Omit<Bench, 'slowDisk' | 'restMostMs'>
  /** Every server has a folder, a port and, if `disk` is given, a slow disk of its own kind. */
  startServers(names: readonly ServerName[], more: More): Promise<readonly ServerUnderTest[]>
  stopServers(): Promise<void>
  openSlowDisk(flushUs: number): SlowDisk
}

export interface More {
  readonly disk: SlowDisk | undefined
  /** For Postern alone. */
  readonly posternEnv: Readonly<Record<string, string>>
}

const PREFIX = 'postern-bench-'

/** Sets the stage in a new folder under `parent`; its disposal ends every process and removes the folder. */
export async function openStage(parent: string, keep: boolean): Promise<Stage> {
  await using undo = new AsyncDisposableStack()
  await removeLeftovers(parent)
  const dir = mkdtempSync(`${parent}/${PREFIX}${process.pid}-`)
  undo.defer(() => {
    if (!keep) rmSync(dir, { recursive: true, force: true })
  })
  chmodSync(dir, 0o755)
  const helpers = await buildHelpers(dir)
  const own = openGroup('client')
  undo.defer(() => own.close())
  const sink = await startSink(helpers.sink, own)
  undo.defer(() => sink.stop())
  const servers: ServerUnderTest[] = []
  const stopServers = async (): Promise<void> => {
    for (const server of servers.splice(0)) await server.stop()
  }
  undo.defer(stopServers)

  const start = async (name: ServerName, place: Place): Promise<void> => {
    servers.push(name === 'postern' ? await startPostern(place) : await startPostfix(name, place))
  }
  let folders = 0
  const kept = undo.move()
  return {
    dir,
    bench: { sink, own, cpus: cpus().length, mailFile: (sizeBytes) => mailFile(dir, sizeBytes) },
    startServers: async (names, more) => {
      for (const name of names) {
        folders += 1
        const place = `${dir}/${folders}-${name}`
        mkdirSync(place)
        const env = { ...more.disk?.env, ...(name === 'postern' ? more.posternEnv : {}) }
        await start(name, { dir: place, sinkPort: sink.port, env })
      }
      return [...servers]
    },
    stopServers,
    openSlowDisk: (flushUs) => openSlowDisk(helpers.slowFlush, `${dir}/slow-flush.state`, flushUs),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

function mailFile(dir: string, sizeBytes: number): string {
  const file = `${dir}/mail-${sizeBytes}.eml`
  if (!existsSync(file)) writeFileSync(file, mimeMessage(sizeBytes))
  return file
}

/** What a bench left behind that was killed before it could tidy up. */
async function removeLeftovers(parent: string): Promise<void> {
  const postfix = findProgram('postfix')
  for (const name of readdirSync(parent)) {
    const pid = name.startsWith(PREFIX) ? Number.parseInt(name.slice(PREFIX.length), 10) : Number.NaN
    if (!Number.isInteger(pid) || existsSync(`/proc/${pid}`)) continue
    const dir = `${parent}/${name}`
    for (const server of readdirSync(dir)) {
      const config = `${dir}/${server}/etc`
      if (postfix !== undefined && existsSync(`${config}/main.cf`))
        await run([postfix, '-c', config, 'stop'], 20_000)
    }
    await endLeftovers()
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Magic numbers of file systems in memory (statfs(2)), on which a flush is nothing. */
const IN_MEMORY: ReadonlySet<number> = new Set([0x01021994, 0x858458f6])

/** Refuses a folder whose disk is none. */
export function checkDisk(dir: string): void {
  if (!existsSync(dir)) throw new BenchError(`--dir: there is no folder ${dir}`)
  if (IN_MEMORY.has(statfsSync(dir).type)) {
    throw new BenchError(`--dir: ${dir} lies in memory, where a flush costs nothing; name a folder on a disk`)
  }
}
