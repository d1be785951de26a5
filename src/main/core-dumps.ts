import { writeFileSync } from 'node:fs'

/** What a core dump holds of a process's memory (core(5)): nothing. */
const NO_MEMORY = '0'

/**
 * Keeps mail, keys and passwords out of core dumps, of this process and of all that it starts: whoever may read a dump
 * may not read those. Registers and the list of threads stay, and the log has the fault. False where the kernel was
 * built without it; then `LimitCORE=0` of the unit, or `ulimit -c 0`, has to do.
 */
export function keepMemoryOutOfCores(): boolean {
  try {
    writeFileSync('/proc/self/coredump_filter', NO_MEMORY)
    return true
  } catch {
    // Told by the caller: it is a wish, not a reason not to carry mail.
    return false
  }
}
