import { availableParallelism } from 'node:os'
import { mem } from 'systeminformation'
import { cgroupLimits } from './cgroup.ts'

/** What this machine has for us. */
export interface Machine {
  /** Processors, a fraction under a cgroup quota. */
  readonly cpus: number
  readonly memoryBytes: number
  /** What could be used now without swapping. */
  readonly availableBytes: number
}

/**
 * Asks the machine, with fixed arguments only. Of systeminformation only `mem()` is used: on Linux it reads
 * /proc/meminfo, while most of its other calls (`cpu()`, `currentLoad()`, `osInfo()`…) run `sh -c`. Processors are
 * counted by the system call that knows this process's own set of them (sched_getaffinity).
 */
export async function readMachine(): Promise<Machine> {
  const memory = await mem()
  const limits = cgroupLimits()
  const memoryBytes = Math.min(memory.total, limits.memoryBytes ?? memory.total)
  return {
    cpus: Math.min(availableParallelism(), limits.cpus ?? Number.POSITIVE_INFINITY),
    memoryBytes,
    availableBytes: Math.min(memory.available, memoryBytes),
  }
}
