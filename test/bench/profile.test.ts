import test from 'ava'
import { byOwner, parseProfileName, selfTimes } from './profile.ts'
import { processNameOf } from './postern.ts'

const frame = (functionName: string, url = '', lineNumber = -1) => ({ functionName, url, lineNumber })

/** Samples each 10 us from instant 100 on: idle, work, work, idle, send, work. */
const PROFILE = {
  nodes: [
    { id: 1, callFrame: frame('(idle)') },
    { id: 2, callFrame: frame('work', 'file:///x/postern/src/smtp/session.ts', 119) },
    { id: 3, callFrame: frame('', 'file:///x/node_modules/smtp-server/lib/a.js', 0) },
    // The same function, called from elsewhere, has a node of its own.
    { id: 4, callFrame: frame('work', 'file:///x/postern/src/smtp/session.ts', 119) },
  ],
  startTime: 90,
  samples: [1, 2, 2, 1, 3, 4],
  timeDeltas: [10, 10, 10, 10, 10, 10],
}

test('self time is summed by function, the longest first, idleness left out', (t) => {
  t.deepEqual(selfTimes(PROFILE, [{ fromUs: 0, toUs: 1000 }]), [
    { name: 'work', place: 'src/smtp/session.ts:120', us: 20 },
    { name: '(anonymous)', place: 'node_modules/smtp-server/lib/a.js:1', us: 10 },
  ])
})

test('samples outside of the windows do not count', (t) => {
  t.deepEqual(selfTimes(PROFILE, [{ fromUs: 115, toUs: 125 }]), [
    { name: 'work', place: 'src/smtp/session.ts:120', us: 10 },
  ])
})

test('the name of a profile tells its process and thread', (t) => {
  t.deepEqual(parseProfileName('CPU.20261122.102205.21279.3.001.cpuprofile'), { pid: 21_279, thread: 3 })
  t.is(parseProfileName('notes.txt'), undefined)
})

const time = (name: string, place: string) => ({ name, place, us: 10 })

test('times are summed by folder, package, Node and native code', (t) => {
  const times = [
    time('a', 'src/smtp/a.ts:1'),
    time('b', 'src/smtp/b.ts:1'),
    time('(garbage collector)', ''),
    time('write', ''),
    time('read', 'node:net:1'),
    time('c', 'node_modules/smtp-server/lib/a.js:1'),
  ]
  t.deepEqual(byOwner(times), [
    ['src/smtp', 20],
    ['garbage collector', 10],
    ['native', 10],
    ['node', 10],
    ['node_modules/smtp-server', 10],
  ])
})

test('a process is called by its title, or else by the file that it runs', (t) => {
  t.is(processNameOf(['postern: smtpd']), 'smtpd')
  t.is(processNameOf(['/usr/bin/node', '/x/src/main/smtpd.ts', '3']), 'smtpd')
  t.is(processNameOf(['/bin/sh', '/x/bin/postern']), 'postern')
})
