import { beforeSnapshot, counter, gauge, histogram } from './metrics.ts'

/** How often it is looked how late a timer goes off: seldom enough to cost nothing, often enough to meet what blocks. */
const LOOK_MS = 200

/** Counts what every process has: memory, CPU time, and how long its event loop is held up. Call it once. */
export function countProcess(): void {
  const memory = gauge('postern_process_resident_memory_bytes').of()
  const heap = gauge('postern_process_heap_bytes').of()
  const cpu = counter('postern_process_cpu_seconds_total').of()
  beforeSnapshot(() => {
    const { rss, heapUsed } = process.memoryUsage()
    memory.value = rss
    heap.value = heapUsed
    const { user, system } = process.cpuUsage()
    cpu.add((user + system) / 1e6 - cpu.value)
  })
  const delay = histogram('postern_process_event_loop_delay_seconds').of()
  let dueMs = performance.now() + LOOK_MS
  setInterval(() => {
    const nowMs = performance.now()
    delay.observeMs(nowMs - dueMs)
    dueMs = nowMs + LOOK_MS
  }, LOOK_MS).unref()
}
