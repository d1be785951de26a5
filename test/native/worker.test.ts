import test from 'ava'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { data, EICAR_NAME, EICAR, scan } from '#test/match/support.ts'

/** Without NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS the process ends here ("napi_throw" in a dying thread). */
const ROUNDS = 12

test.serial('a thread that is terminated while inside of the addon takes nothing with it', async (t) => {
  for (let round = 0; round < ROUNDS; round++) {
    const worker = new Worker(new URL('worker-child.ts', import.meta.url))
    const exit = once(worker, 'exit')
    await once(worker, 'message')
    await new Promise((resolve) => {
      setTimeout(resolve, round * 3)
    }) // another place each round
    await worker.terminate()
    await exit
  }
  t.is(scan(data('', EICAR)).report.hits[0]?.signature, EICAR_NAME)
})
