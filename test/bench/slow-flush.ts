import { closeSync, openSync, readSync, writeFileSync, chmodSync } from 'node:fs'

/** The state that all processes share: three counters of eight octets. */
const STATE_BYTES = 24

/** A disk with slow flushes, for those who are started with `env`. See slow-flush.cc. */
export interface SlowDisk {
  readonly env: Readonly<Record<string, string>>
  counters(): FlushCounters
}

export interface FlushCounters {
  /** Calls of fsync and fdatasync. */
  readonly calls: number
  /** Flushes of the modelled disk that they needed, several calls sharing one. */
  readonly flushes: number
}

/** A disk of its own: `state` is the file that stands for it. */
export function openSlowDisk(library: string, state: string, flushUs: number): SlowDisk {
  writeFileSync(state, new Uint8Array(STATE_BYTES))
  // A Postfix daemon maps it while it is root, but a process it starts may not be.
  chmodSync(state, 0o666)
  return {
    env: { LD_PRELOAD: library, SLOW_FLUSH_STATE: state, SLOW_FLUSH_US: String(flushUs) },
    counters: () => {
      const bytes = Buffer.alloc(STATE_BYTES)
      const fd = openSync(state, 'r')
      try {
        readSync(fd, bytes, 0, STATE_BYTES, 0)
      } finally {
        closeSync(fd)
      }
      return { calls: Number(bytes.readBigUInt64LE(8)), flushes: Number(bytes.readBigUInt64LE(16)) }
    },
  }
}
