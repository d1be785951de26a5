import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { allProcesses, pssBytes, treeOf } from './proc.ts'

export interface CpuSeconds {
  readonly user: number
  readonly system: number
}

/** All processes of one server under test, and what they used together, those that have ended included. */
export interface ProcessGroup {
  /** Put before a command so that it, and all that it starts, belongs to the group. */
  readonly prefix: readonly string[]
  /** What counts the CPU time: for the head of the report. */
  readonly kind: 'cgroup v1' | 'cgroup v2' | '/proc'
  cpu(): CpuSeconds
  pids(): number[]
  /** Says which process is the root of the tree: needed only where no cgroup can be had. */
  setRoot(pid: number): void
  /** Ends what still runs and gives the cgroup back. */
  close(): Promise<void>
}

/** Mount points of a kernel that has cpuacct (v1, hybrid) and of one that has not (v2). */
const CPUACCT = '/sys/fs/cgroup/cpuacct'
const UNIFIED = '/sys/fs/cgroup'

const LABEL = 'postern-bench'

/** A group of its own kind of counter: a cgroup where we may make one, else a walk over /proc. */
export function openGroup(name: string): ProcessGroup {
  const label = `${LABEL}-${process.pid}-${name}`
  const v1 = makeCgroup(`${CPUACCT}/${label}`, 'cpuacct.usage_user')
  if (v1 !== undefined) return cgroup(v1, 'cgroup v1')
  const v2 = makeCgroup(`${UNIFIED}${ownPath()}/${label}`, 'cpu.stat')
  if (v2 !== undefined) return cgroup(v2, 'cgroup v2')
  return procTree()
}

/** The path of our own cgroup in a v2 hierarchy, where a child may be made if it was delegated to us. */
function ownPath(): string {
  const found = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))
  return found?.[1] === '/' ? '' : (found?.[1] ?? '')
}

function makeCgroup(path: string, counter: string): string | undefined {
  try {
    mkdirSync(path)
  } catch {
    // No such hierarchy, or not ours to write: the next kind of counter is tried.
    return undefined
  }
  if (existsSync(`${path}/${counter}`) && existsSync(`${path}/cgroup.procs`)) return path
  rmdirSync(path)
  return undefined
}

function cgroup(path: string, kind: 'cgroup v1' | 'cgroup v2'): ProcessGroup {
  const read = (file: string): string => readFileSync(`${path}/${file}`, 'utf8')
  const pids = (): number[] => read('cgroup.procs').split('\n').filter(Boolean).map(Number)
  return {
    kind,
    prefix: ['/bin/sh', '-c', `echo $$ > ${path}/cgroup.procs && exec "$@"`, 'sh'],
    cpu: () =>
      kind === 'cgroup v1'
        ? { user: Number(read('cpuacct.usage_user')) / 1e9, system: Number(read('cpuacct.usage_sys')) / 1e9 }
        : parseCpuStat(read('cpu.stat')),
    pids,
    setRoot: () => {},
    close: async () => {
      await endAll(pids)
      rmdirSync(path)
    },
  }
}

/** Ends what a bench that was itself killed has left running, where a cgroup tells it apart. */
export async function endLeftovers(): Promise<void> {
  for (const folder of [CPUACCT, `${UNIFIED}${ownPath()}`]) {
    if (!existsSync(folder)) continue
    for (const name of readdirSync(folder)) {
      const pid = new RegExp(`^${LABEL}-(\\d+)-`).exec(name)?.[1]
      if (pid === undefined || existsSync(`/proc/${pid}`)) continue
      await cgroup(`${folder}/${name}`, folder === CPUACCT ? 'cgroup v1' : 'cgroup v2').close()
    }
  }
}

/** user_usec and system_usec of a v2 cgroup. */
export function parseCpuStat(text: string): CpuSeconds {
  const of = (name: string): number =>
    Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? '0') / 1e6
  return { user: of('user_usec'), system: of('system_usec') }
}

/** Without a cgroup: the tree below the root. A child that ended is in the counters of the one that waited for it. */
function procTree(): ProcessGroup {
  let root: number | undefined
  const tree = () => (root === undefined ? [] : treeOf(root, allProcesses()))
  const pids = (): number[] => tree().map((process) => process.pid)
  return {
    kind: '/proc',
    prefix: [],
    cpu: () => {
      const all = tree()
      return {
        user: all.reduce((sum, process) => sum + process.userSeconds, 0),
        system: all.reduce((sum, process) => sum + process.systemSeconds, 0),
      }
    },
    pids,
    setRoot: (pid) => {
      root = pid
    },
    close: () => endAll(pids),
  }
}

/** How long a process has to end by itself before it is killed, and after that before we give up. */
const END_WITHIN_MS = 5000
const LOOK_EVERY_MS = 50

/** Ends all processes of a group: asks first, kills what is left. Only ids of the group are ever signalled. */
async function endAll(pids: () => number[]): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const until = performance.now() + END_WITHIN_MS
    for (let left = pids(); left.length > 0; left = pids()) {
      if (performance.now() > until) break
      for (const pid of left) signalIfThere(pid, signal)
      await sleep(LOOK_EVERY_MS)
    }
  }
}

function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

/** Memory of a group: PSS of its processes, summed. */
export function memoryBytes(group: ProcessGroup): number {
  return group.pids().reduce((sum, pid) => sum + pssBytes(pid), 0)
}

export function cpuTotal(cpu: CpuSeconds): number {
  return cpu.user + cpu.system
}

/** A server is at rest once it uses less than this share of one processor… */
const REST_SHARE = 0.02
/** …over this long… */
const REST_WINDOW_MS = 200
/** …and is given this long at least, because a server may put off its tidying by a timer (Postern: a second). */
const REST_LEAST_MS = 1300
export const REST_MOST_MS = 10_000

/**
 * Waits until a server has nothing left to do. What it tidies after the last delivery belongs to the cost of
 * the messages, and must not fall into the run of the next server.
 */
export async function untilAtRest(group: ProcessGroup, mostMs = REST_MOST_MS): Promise<void> {
  const start = performance.now()
  let before = cpuTotal(group.cpu())
  for (;;) {
    await sleep(REST_WINDOW_MS)
    const now = cpuTotal(group.cpu())
    const passed = performance.now() - start
    const atRest = now - before < (REST_SHARE * REST_WINDOW_MS) / 1000
    if ((atRest && passed >= REST_LEAST_MS) || passed >= mostMs) return
    before = now
  }
}
