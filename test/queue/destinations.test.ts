import test from 'ava'
import { Destinations } from '#src/queue/destinations.ts'
import type { Destination } from '#src/queue/ports.ts'

function to(host: string): Destination {
  return { protocol: 'lmtp', host, port: 24 }
}

test('destinations take turns, however much waits for one of them', (t) => {
  const lines = new Destinations<string>()
  for (let i = 0; i < 1000; i++) lines.add(to('big'), `big${i}`, 0)
  for (let i = 0; i < 3; i++) lines.add(to('small'), `small${i}`, 0)
  const started: string[] = []
  let room = 8
  lines.pump(
    () => room > 0,
    (item) => {
      room--
      started.push(item)
    },
  )
  t.deepEqual(started, ['big0', 'small0', 'big1', 'small1', 'big2', 'small2', 'big3', 'big4'])
})

test('a destination without room stops no other', (t) => {
  const lines = new Destinations<string>()
  lines.add(to('stuck'), 'stuck', 0)
  lines.add(to('free'), 'one', 0)
  lines.add(to('free'), 'two', 0)
  const started: string[] = []
  const pump = (room: (host: string) => boolean): void =>
    lines.pump(
      ({ host }) => room(host),
      (item) => started.push(item),
    )
  pump((host) => host === 'free')
  t.deepEqual(started, ['one', 'two'])
  pump(() => true)
  t.deepEqual(started, ['one', 'two', 'stuck'])
})

test('nothing is lost and all keeps its order within a destination, through long lines', (t) => {
  const lines = new Destinations<number>()
  const started: number[] = []
  for (let i = 0; i < 5000; i++) {
    lines.add(to('a'), i, 0)
    let room = i % 3 === 0 ? 2 : 0
    lines.pump(
      () => room > 0,
      (item) => {
        room--
        started.push(item)
      },
    )
  }
  lines.pump(
    () => true,
    (item) => started.push(item),
  )
  t.deepEqual(
    started,
    Array.from({ length: 5000 }, (_, i) => i),
  )
})

test('chosen items are taken out and the others stay', (t) => {
  const lines = new Destinations<number>()
  for (let i = 0; i < 10; i++) lines.add(to(i < 5 ? 'a' : 'b'), i, 0)
  const out: number[] = []
  lines.remove(
    (item) => item % 2 === 0,
    (item) => out.push(item),
  )
  t.deepEqual(out, [0, 2, 4, 6, 8])
  const started: number[] = []
  lines.pump(
    () => true,
    (item) => started.push(item),
  )
  t.deepEqual(
    started.toSorted((a, b) => a - b),
    [1, 3, 5, 7, 9],
  )
})

test('only what waits where nothing has moved is stalled', (t) => {
  const lines = new Destinations<string>()
  lines.add(to('dead'), 'dead', 0)
  lines.add(to('slow'), 'slow', 0)
  lines.add(to('new'), 'new', 90)
  lines.alive(to('slow'), 80)
  const out: string[] = []
  lines.removeStalled(50, (item) => out.push(item))
  t.deepEqual(out, ['dead'])
})

test('a higher priority goes first, and what is lower still goes', (t) => {
  const lines = new Destinations<string>()
  for (let i = 0; i < 3; i++) lines.add(to('one'), `usual${i}`, 0)
  lines.add(to('one'), 'late', 0, -5)
  for (let i = 0; i < 12; i++) lines.add(to('one'), `soon${i}`, 0, 4)
  lines.add(to('one'), 'now', 0, 9)
  const started: string[] = []
  lines.pump(
    () => true,
    (item) => started.push(item),
  )
  t.deepEqual(started, [
    'now',
    ...Array.from({ length: 6 }, (_, i) => `soon${i}`),
    'late',
    ...Array.from({ length: 6 }, (_, i) => `soon${i + 6}`),
    'usual0',
    'usual1',
    'usual2',
  ])
})

test('what has a priority is found again where it is taken out', (t) => {
  const lines = new Destinations<string>()
  lines.add(to('one'), 'a', 0)
  lines.add(to('one'), 'b', 0, 5)
  lines.add(to('two'), 'c', 0, -5)
  const taken: string[] = []
  lines.remove(
    (item) => item !== 'a',
    (item) => taken.push(item),
  )
  t.deepEqual(taken, ['b', 'c'])
  lines.removeStalled(0, (item) => taken.push(item))
  t.deepEqual(taken, ['b', 'c', 'a'])
})
