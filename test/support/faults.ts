import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { errorCode } from '#src/base/fault.ts'
import { until } from '#test/support/wait.ts'

/** What strace shall break in a running process. */
export interface Injection {
  readonly pid: number
  /** System calls, such as 'fdatasync,fsync'. */
  readonly calls: string
  readonly error: 'EIO' | 'ENOSPC' | 'EROFS' | 'EMFILE'
  /** The first call to fail, and in what steps further ones: strace's own form, '3', '3+', '3..5'. */
  readonly when: string
  /** Only calls on these files; none means all. */
  readonly paths?: readonly string[]
}

/** A strace that is attached until its scope ends. */
export interface Injected extends AsyncDisposable {
  /** How many calls have failed by it. */
  failures(): number
  /** Lets go at once. Safe to call twice. */
  release(): Promise<void>
}

/**
 * Attaches strace to a process, all its threads included, and makes system calls fail. Resolves once every
 * thread is held: from then on calls are counted.
 */
export async function inject(fault: Injection): Promise<Injected> {
  const threads = readdirSync(`/proc/${fault.pid}/task`).length
  const args = [
    '-f',
    '-qqq',
    '-p',
    String(fault.pid),
    '-e',
    `trace=${fault.calls}`,
    '-e',
    `inject=${fault.calls}:error=${fault.error}:when=${fault.when}`,
  ]
  for (const path of fault.paths ?? []) args.push('-P', path)
  const strace = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let failures = 0
  let said = ''
  strace.stderr.setEncoding('utf8').on('data', (text: string) => {
    failures += text.split('(INJECTED)').length - 1
    if (said.length < 4096) said += text
  })
  await until('strace holds the process', () => {
    const traced = tracedThreads(fault.pid)
    // Its first fault may have ended the process already, and with it strace.
    if (traced === undefined) return !existsSync(`/proc/${fault.pid}`)
    if (strace.exitCode !== null) throw new Error(`strace ended: ${said}`)
    return traced >= threads
  })
  async function release(): Promise<void> {
    if (strace.exitCode !== null || strace.signalCode !== null) return
    strace.kill('SIGTERM')
    await until('strace has let go', () => {
      if (strace.exitCode !== null || strace.signalCode !== null) return true
      // Its fault has ended the process just now: strace then waits for a leader that is dead to stop, and for ever,
      // because it is strace itself that keeps another dead thread from being reaped.
      if (!alive(fault.pid)) strace.kill('SIGKILL')
      return false
    })
  }
  return { failures: () => failures, release, [Symbol.asyncDispose]: release }
}

/** How many threads of a process are traced; undefined where the process, or one of its threads, has just ended. */
function tracedThreads(pid: number): number | undefined {
  try {
    return readdirSync(`/proc/${pid}/task`).filter((thread) => {
      const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8')
      const tracer = /^TracerPid:\s+(\d+)$/m.exec(status)?.[1]
      return tracer !== undefined && tracer !== '0'
    }).length
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(errorCode(error))) return undefined
    throw error
  }
}

/** Every process that descends from `root`, itself included, with what it runs. */
export function descendants(
  root: number,
): { readonly pid: number; readonly command: string; readonly executable: string }[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid)) continue
    const parent = parentOf(pid)
    if (parent !== undefined) parents.set(pid, parent)
  }
  const family = [root]
  for (const pid of family)
    family.push(...[...parents].filter(([, parent]) => parent === pid).map(([child]) => child))
  return family.filter(alive).map((pid) => ({ pid, command: commandOf(pid), executable: executableOf(pid) }))
}

/** Whether a process exists and is more than a zombie. */
export function alive(pid: number): boolean {
  const stat = readProc(`/proc/${pid}/stat`)
  return stat !== '' && stat.slice(stat.lastIndexOf(')') + 2)[0] !== 'Z'
}

function parentOf(pid: number): number | undefined {
  const stat = readProc(`/proc/${pid}/stat`)
  if (stat === '') return undefined
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
}

function commandOf(pid: number): string {
  return readProc(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim()
}

function executableOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/exe`)
  } catch {
    // It has just ended.
    return ''
  }
}

/** '' where the process has just ended. */
function readProc(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
