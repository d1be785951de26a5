import test from 'ava'
import { keepConnected } from '#src/net/reconnect.ts'

test('pauses grow to their bound while nobody answers, begin anew after a connection, and end with the signal', async (t) => {
  const slept: number[] = []
  const stop = new AbortController()
  const clock = {
    nowMs: () => 0,
    monotonicMs: () => 0,
    sleep: (ms: number, signal?: AbortSignal) => {
      slept.push(ms)
      return signal?.aborted === true ? Promise.reject(new Error('over')) : Promise.resolve()
    },
  }
  const came = [false, false, false, true, false]
  const connect = () => {
    const one = came.shift() ?? false
    if (came.length === 0) stop.abort()
    return Promise.resolve(one)
  }
  await keepConnected(connect, { minMs: 10, maxMs: 25 }, clock, stop.signal)
  t.deepEqual(slept, [10, 20, 25, 10, 20])
})
