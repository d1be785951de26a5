import test from 'ava'
import { parseCpuStat } from './cpu.ts'
import { allProcesses, parseBusySeconds, parseProcStat, pssBytes, treeOf } from './proc.ts'

test('a process whose name holds brackets and blanks is read all the same', (t) => {
  const line = '42 (a (b) c) S 7 42 42 0 -1 4194560 100 200 0 0 150 50 30 20 20 0 1 0 100 0 0'
  t.deepEqual(parseProcStat(line), { pid: 42, parent: 7, userSeconds: 1.8, systemSeconds: 0.7 })
})

test('what is no line of /proc/PID/stat is no process', (t) => {
  t.is(parseProcStat(''), undefined)
  t.is(parseProcStat('x (y) S 1'), undefined)
})

const processOf = (pid: number, parent: number) => ({ pid, parent, userSeconds: 0, systemSeconds: 0 })

test('a tree holds the root and all below it, and no one else', (t) => {
  const all = [processOf(1, 0), processOf(2, 1), processOf(5, 3), processOf(3, 2), processOf(4, 1)]
  t.deepEqual(
    treeOf(2, all).map(({ pid }) => pid),
    [2, 3, 5],
  )
})

test('the tree of this very process has memory and used CPU time', (t) => {
  const own = treeOf(process.pid, allProcesses())
  t.true(own.some(({ pid, userSeconds }) => pid === process.pid && userSeconds > 0))
  t.true(pssBytes(process.pid) > 1_000_000)
})

test('idle time and time spent waiting for the disk are not busy time', (t) => {
  //             user nice system idle  iowait irq softirq steal
  t.is(parseBusySeconds('cpu  100 10 50 9000 800 5 5 70\ncpu0 1 1 1 1\n'), 1.7)
})

test('a cgroup of version 2 counts in microseconds', (t) => {
  t.deepEqual(parseCpuStat('usage_usec 3500000\nuser_usec 2000000\nsystem_usec 1500000\n'), {
    user: 2,
    system: 1.5,
  })
})
