import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { openGroup } from './cpu.ts'
import { commandLine } from './proc.ts'
import { BenchError, freePort, untilGreeted } from './run-command.ts'
import { type Place, RECIPIENT_DOMAIN, type ServerUnderTest } from './server.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const STARTED_WITHIN_MS = 60_000
const STOPPED_WITHIN_MS = 30_000

/** Postern as it is delivered, all defaults but for its folder, its port, and where mail goes. */
export async function startPostern(place: Place): Promise<ServerUnderTest> {
  const port = await freePort()
  const config = `${place.dir}/postern.toml`
  writeFileSync(config, posternToml(place, port))
  const group = openGroup('postern')
  const log = openSync(`${place.dir}/output.log`, 'a')
  const [file, ...args] = [...group.prefix, `${ROOT}bin/postern`, 'start', '--config', config]
  const child = spawn(file, args, {
    stdio: ['ignore', log, log],
    env: { ...process.env, ...place.env },
    cwd: place.dir,
  })
  closeSync(log)
  if (child.pid !== undefined) group.setRoot(child.pid)
  const stop = async (): Promise<void> => {
    await end(child)
    await group.close()
  }
  try {
    await Promise.race([untilGreeted(port, STARTED_WITHIN_MS), endedEarly(child, place.dir)])
  } catch (error) {
    await stop()
    throw error
  }
  return { name: 'postern', port, group, version: version(), stop }
}

function posternToml(place: Place, port: number): string {
  return `data = "${place.dir}/data"

[[listener]]
address = "127.0.0.1"
port = ${port}

[lmtp]
server = "127.0.0.1:${place.sinkPort}"

[directory]
domain = "${RECIPIENT_DOMAIN}"

[log]
stdout = false
`
}

function version(): string {
  const raw: unknown = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'))
  const known =
    typeof raw === 'object' && raw !== null && 'version' in raw ? String(raw.version) : 'of unknown version'
  return `Postern ${known} on Node ${process.versions.node}`
}

/** Rejects with what Postern said if it ends before it listens. */
async function endedEarly(child: ChildProcess, dir: string): Promise<never> {
  const [code] = await once(child, 'exit')
  const said = readFileSync(`${dir}/output.log`, 'utf8').slice(-2000)
  throw new BenchError(`Postern ended with ${String(code)} instead of listening:\n${said}`)
}

/** Asks for a clean stop, in which processes write their profiles, and does not insist: the group's close does. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const { promise, resolve } = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => resolve(undefined), STOPPED_WITHIN_MS)
  child.once('exit', () => resolve(undefined))
  child.kill('SIGTERM')
  await promise
  clearTimeout(timer)
}

/** Which process of Postern a process id is: by its title, or the name of the file in src/main/ that it runs. */
export function processName(pid: number): string {
  return processNameOf(commandLine(pid))
}

export function processNameOf(words: readonly string[]): string {
  for (const word of words) {
    const found = /(?:^postern: |src\/main\/)([a-z-]+)(?:\.ts)?$/.exec(word)
    if (found?.[1] !== undefined) return found[1]
  }
  return words.at(-1)?.split('/').at(-1) ?? 'unknown'
}
