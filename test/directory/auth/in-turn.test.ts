import test from 'ava'
import { Servers } from '#src/directory/auth/in-turn.ts'
import { fakeClock } from './rig.ts'

const NEVER = new AbortController().signal
const RIGHT = { kind: 'right' } as const

/** Servers by name, of which some are down; notes who was asked. */
function rig(down: ReadonlySet<string>) {
  const asked: string[] = []
  return {
    asked,
    question: (url: string) => {
      asked.push(url)
      if (down.has(url)) return Promise.reject(new Error('it is gone'))
      return Promise.resolve(RIGHT)
    },
  }
}

test('the first server that answers decides, and one that did not comes last for a while', async (t) => {
  const clock = fakeClock()
  const servers = new Servers(clock)
  const { asked, question } = rig(new Set(['a']))
  t.deepEqual(await servers.ask(['a', 'b', 'c'], question, NEVER), RIGHT)
  t.deepEqual(await servers.ask(['a', 'b', 'c'], question, NEVER), RIGHT)
  t.deepEqual(asked, ['a', 'b', 'b'])
  clock.pass(30_000)
  await servers.ask(['a', 'b', 'c'], question, NEVER)
  t.deepEqual(asked.slice(3), ['a', 'b'])
})

test('servers that all rest are asked all the same, and the last reason is told', async (t) => {
  const servers = new Servers(fakeClock())
  const { asked, question } = rig(new Set(['a', 'b']))
  for (let n = 0; n < 2; n += 1) {
    t.deepEqual(await servers.ask(['a', 'b'], question, NEVER), { kind: 'unknown', reason: 'b: it is gone' })
  }
  t.deepEqual(asked, ['a', 'b', 'a', 'b'])
  t.deepEqual(await servers.ask([], question, NEVER), { kind: 'unknown', reason: 'no server is named' })
})

test('one that answers again is asked first again', async (t) => {
  const servers = new Servers(fakeClock())
  const down = new Set(['a', 'b'])
  const { asked, question } = rig(down)
  await servers.ask(['a', 'b'], question, NEVER)
  down.clear()
  await servers.ask(['a', 'b'], question, NEVER)
  await servers.ask(['b', 'a'], question, NEVER)
  t.deepEqual(asked, ['a', 'b', 'a', 'a'])
})

test('who has given up is not asked on for', async (t) => {
  const servers = new Servers(fakeClock())
  const { asked, question } = rig(new Set(['a']))
  t.is((await servers.ask(['a', 'b'], question, AbortSignal.abort())).kind, 'unknown')
  t.deepEqual(asked, ['a'])
})
