import { readFileSync } from 'node:fs'

/**
 * When a process was started, as boot and clock tick of the kernel, so that a number that was given to another process
 * since is known for it; undefined where there is none, or only what its parent has not yet taken notice of.
 */
export function startedAt(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the name in brackets, which may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[19] === undefined) return undefined
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${fields[19]}`
  } catch {
    // There is no such process.
    return undefined
  }
}
