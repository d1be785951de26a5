import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What the control groups of this process allow; undefined where they set no limit. */
export interface CgroupLimits {
  /** Processors, a fraction where a quota says so. */
  readonly cpus: number | undefined
  readonly memoryBytes: number | undefined
}

/** Control groups nest; nobody nests them deeper. */
const DEPTH_MAX = 32
/** The kernel's way to say "no limit" in version 1 is a number near 2^63. */
const UNLIMITED = 2 ** 60

/**
 * Reads the limits from /proc/self/cgroup and /sys/fs/cgroup, version 1 and 2. The smallest of a group and all its
 * parents counts. In a container the path that /proc names may not exist under /sys; its root is then the group.
 */
export function cgroupLimits(root = '/'): CgroupLimits {
  const groups = read(join(root, 'proc/self/cgroup')) ?? ''
  const cpus: number[] = []
  const memory: number[] = []
  for (const line of groups.split('\n')) {
    const match = /^(\d+):([^:]*):(.*)$/.exec(line)
    if (match === null) continue
    const [, , controllers = '', path = '/'] = match
    if (controllers === '') {
      for (const base of ['sys/fs/cgroup', 'sys/fs/cgroup/unified']) {
        for (const folder of upwards(join(root, base), path)) readV2(folder, cpus, memory)
      }
    } else {
      for (const controller of controllers.split(',')) {
        for (const folder of upwards(join(root, 'sys/fs/cgroup', controller), path))
          readV1(controller, folder, cpus, memory)
      }
    }
  }
  return { cpus: least(cpus), memoryBytes: least(memory) }
}

/** The folder of a group, then of each of its parents up to the root of the hierarchy. */
function* upwards(base: string, path: string): Generator<string> {
  const parts = path.split('/').filter((part) => part !== '' && part !== '..')
  for (let n = Math.min(parts.length, DEPTH_MAX); n >= 0; n -= 1) yield join(base, ...parts.slice(0, n))
}

function readV2(folder: string, cpus: number[], memory: number[]): void {
  const [quota, period] = (read(join(folder, 'cpu.max')) ?? '').trim().split(' ').map(Number)
  if (quota !== undefined && period !== undefined && quota > 0 && period > 0) cpus.push(quota / period)
  for (const file of ['memory.max', 'memory.high']) note(read(join(folder, file)), memory)
}

function readV1(controller: string, folder: string, cpus: number[], memory: number[]): void {
  if (controller === 'cpu') {
    const quota = Number(read(join(folder, 'cpu.cfs_quota_us')) ?? -1)
    const period = Number(read(join(folder, 'cpu.cfs_period_us')) ?? 0)
    if (quota > 0 && period > 0) cpus.push(quota / period)
  } else if (controller === 'memory') {
    note(read(join(folder, 'memory.limit_in_bytes')), memory)
  }
}

function note(text: string | undefined, into: number[]): void {
  const value = Number((text ?? '').trim() || Number.NaN)
  if (value > 0 && value < UNLIMITED) into.push(value)
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // Not there on this kernel, or in this container: no limit is known from it.
    return undefined
  }
}

function least(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : Math.min(...values)
}
