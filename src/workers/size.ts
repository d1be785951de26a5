import type { Machine } from './machine.ts'

/** One smtpd with a large signature set and many sessions; measured without them it is a third of that. */
const SMTPD_BYTES = 256 * 1024 * 1024
/** master, qmgr, the mailbox store, and the page cache that the queue lives from. */
const OTHERS_BYTES = 384 * 1024 * 1024
/** More acceptors than this do not help: the queue manager is one. */
const SMTPD_MAX = 32

/** How many smtpd processes the machine carries: one for each processor, fewer where memory is short, at least 1. */
export function smtpdCount(machine: Machine): number {
  const byCpu = Math.max(1, Math.round(machine.cpus))
  const byMemory = Math.max(1, Math.floor((machine.memoryBytes - OTHERS_BYTES) / SMTPD_BYTES))
  return Math.min(byCpu, byMemory, SMTPD_MAX)
}
