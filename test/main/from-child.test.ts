import test from 'ava'
import { readFromChild } from '#src/main/from-child.ts'

const LONG = 'x'.repeat(100_000)

test('what a process says is taken as it is', (t) => {
  const said = [
    { kind: 'pong' },
    { kind: 'ready', facts: { listeners: ['::1:25'], signatures: 3, attention: [] } },
    { kind: 'failed', reason: 'Port 25 is taken.' },
    { kind: 'anvil', n: 7, address: '2001:db8::1' },
    { kind: 'anvil', n: 8, address: 'fe80::1%eth0' },
    { kind: 'gone', address: '192.0.2.1' },
    { kind: 'gone', address: '' },
    { kind: 'directory', changed: 0 },
    { kind: 'alarm', change: { kind: 'raised', code: 'DISK_LOW', key: '', reason: 'ten per cent' } },
    { kind: 'alarm', change: { kind: 'cleared', code: 'DISK_LOW', key: '' } },
    {
      kind: 'answer',
      n: 1,
      value: { postern_signatures: [{ labels: ['hyperscan'], value: 3 }] },
    },
  ]
  for (const one of said) t.deepEqual<unknown, unknown>(readFromChild(one), one)
  t.deepEqual(readFromChild({ kind: 'ready' }), { kind: 'ready', facts: {} })
})

test('what is no message of ours is none, whoever says it', (t) => {
  const nonsense: readonly unknown[] = [
    undefined,
    null,
    'ready',
    [],
    {},
    { kind: 'toString' },
    { kind: '__proto__' },
    { kind: 'boot' },
    { kind: 'anvil', n: 1 },
    { kind: 'anvil', n: -1, address: '192.0.2.1' },
    { kind: 'anvil', n: 1, address: ':::::::::::::::::::::' },
    { kind: 'anvil', n: 1, address: LONG },
    { kind: 'gone', address: { toString: 1 } },
    { kind: 'directory', changed: '1' },
    { kind: 'answer', n: 1.5, value: {} },
    { kind: 'alarm' },
    { kind: 'alarm', change: { kind: 'raised', code: 'NO_SUCH', key: '', reason: '' } },
    { kind: 'alarm', change: { kind: 'raised', code: 'DISK_LOW', key: LONG, reason: '' } },
    { kind: 'alarm', change: { kind: 'lowered', code: 'DISK_LOW', key: '', reason: '' } },
  ]
  for (const one of nonsense) t.is(readFromChild(one), undefined, JSON.stringify(one)?.slice(0, 80))
})

test('what is too much of a message is left out of it', (t) => {
  const facts = { good: 1, nested: { a: 1 }, long: LONG, list: [1, { b: 2 }], text: 'x' }
  t.deepEqual(readFromChild({ kind: 'facts', facts }), { kind: 'facts', facts: { good: 1, text: 'x' } })
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`fact${n}`, n]))
  const read = readFromChild({ kind: 'facts', facts: many })
  t.is(read?.kind === 'facts' ? Object.keys(read.facts).length : 0, 64)
  const failed = readFromChild({ kind: 'failed', reason: LONG })
  t.is(failed?.kind === 'failed' ? failed.reason.length : 0, 4096)
  const members = Array.from({ length: 5000 }, (_, n) => ({ labels: [String(n)], value: 1 }))
  const value = { postern_signatures: [...members, { labels: [LONG], value: 1 }], no_such_metric: members }
  const answer = readFromChild({ kind: 'answer', n: 1, value })
  const counted = answer?.kind === 'answer' ? answer.value : {}
  t.deepEqual(Object.keys(counted), ['postern_signatures'])
  t.is(counted.postern_signatures?.length, 501)
})
