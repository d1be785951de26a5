import { readdirSync, readFileSync } from 'node:fs'

/** What the bench wants of /proc/PID/stat; see proc_pid_stat(5). */
export interface ProcStat {
  readonly pid: number
  readonly parent: number
  /** CPU seconds of the process and of its children that have ended and were waited for. */
  readonly userSeconds: number
  readonly systemSeconds: number
}

/** USER_HZ, which is 100 on every architecture that Debian has. */
const TICKS_PER_SECOND = 100

/** One line of /proc/PID/stat; the name in brackets may itself hold brackets and blanks. */
export function parseProcStat(line: string): ProcStat | undefined {
  const close = line.lastIndexOf(')')
  const pid = Number.parseInt(line, 10)
  if (close === -1 || !Number.isInteger(pid)) return undefined
  // What follows the name begins with field 3, the state.
  const fields = line.slice(close + 2).split(' ')
  const field = (number: number): number => Number(fields[number - 3] ?? '0')
  return {
    pid,
    parent: field(4),
    userSeconds: (field(14) + field(16)) / TICKS_PER_SECOND,
    systemSeconds: (field(15) + field(17)) / TICKS_PER_SECOND,
  }
}

/** Every process there is. One that ends while we read is left out. */
export function allProcesses(): ProcStat[] {
  const found: ProcStat[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const line = readIfThere(`/proc/${name}/stat`)
    const stat = line === undefined ? undefined : parseProcStat(line)
    if (stat !== undefined) found.push(stat)
  }
  return found
}

/** The process `root` and all that descend from it. */
export function treeOf(root: number, processes: readonly ProcStat[]): ProcStat[] {
  const children = Map.groupBy(processes, (process) => process.parent)
  const tree = processes.filter((process) => process.pid === root)
  for (const process of tree) tree.push(...(children.get(process.pid) ?? []))
  return tree
}

/** The proportional set size of a process in bytes: shared pages count by share. 0 once it is gone. */
export function pssBytes(pid: number): number {
  const found = /^Pss:\s+(\d+) kB$/m.exec(readIfThere(`/proc/${pid}/smaps_rollup`) ?? '')
  return Number(found?.[1] ?? '0') * 1024
}

/** The command line of a process, its arguments apart. */
export function commandLine(pid: number): readonly string[] {
  return (readIfThere(`/proc/${pid}/cmdline`) ?? '').split('\0').filter((word) => word !== '')
}

/** CPU seconds that all processors of the machine were not idle since boot. */
export function machineBusySeconds(): number {
  return parseBusySeconds(readFileSync('/proc/stat', 'utf8'))
}

/** The first line of /proc/stat: user nice system idle iowait irq softirq steal (proc_stat(5)). */
export function parseBusySeconds(stat: string): number {
  const ticks = (stat.split('\n', 1)[0] ?? '').split(/\s+/).slice(1).map(Number)
  const at = (i: number): number => ticks[i] ?? 0
  return (at(0) + at(1) + at(2) + at(5) + at(6)) / TICKS_PER_SECOND
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // The process ended between readdir and open, or is not ours to look at: there is nothing to count.
    return undefined
  }
}
