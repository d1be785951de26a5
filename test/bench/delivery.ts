import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createDeliverer } from '#src/delivery/deliverer.ts'
import { defaultDelivery } from '#src/delivery/settings.ts'
import { addressesOf, body, message, recipient } from '#test/delivery/requests.ts'
import type { DeliveryRequest } from '#src/queue/ports.ts'

/**
 * What delivery alone costs: messages a second, and milliseconds of CPU of this process for each message, to a
 * sink in a process of its own. `node test/bench/delivery.ts`
 */

const AT_ONCE = 20
const SIZES: readonly (readonly [kib: number, messages: number])[] = [
  [1, 20_000],
  [10, 20_000],
  [100, 4000],
]

const sink = fork(join(import.meta.dirname, 'delivery-sink.ts'))
const [port] = (await once(sink, 'message')) as unknown[]
const log = { write: () => {}, flush: () => {} }
const settings = defaultDelivery('bench.test')
const deliverer = createDeliverer({ settings: () => settings, planner: addressesOf([]), log })
const { signal } = new AbortController()

process.stdout.write('KiB  messages/s  CPU ms/message\n')
for (const [kib, count] of SIZES) {
  const text = `Subject: bench\r\n\r\n${`${'x'.repeat(74)}\r\n`.repeat(Math.ceil((kib * 1024) / 76))}`
  const request: DeliveryRequest = {
    message: message(),
    recipients: [recipient('alice@example.test')],
    body: body(text),
    destination: { protocol: 'lmtp', host: '127.0.0.1', port: Number(port) },
  }
  await round(request, Math.ceil(count / 10))
  const began = process.cpuUsage()
  const beganMs = performance.now()
  await round(request, count)
  const ms = performance.now() - beganMs
  const { user, system } = process.cpuUsage(began)
  const rate = Math.round(count / (ms / 1000))
  const cpu = ((user + system) / 1000 / count).toFixed(3)
  process.stdout.write(`${String(kib).padStart(3)}${String(rate).padStart(12)}${cpu.padStart(16)}\n`)
}
await deliverer.close()
sink.disconnect()

async function round(request: DeliveryRequest, count: number): Promise<void> {
  let left = count
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (left > 0) {
        left -= 1
        const [outcome] = await deliverer.deliver(request, signal)
        if (outcome?.kind !== 'sent') throw new Error(`not sent: ${outcome?.reply}`)
      }
    }),
  )
}
