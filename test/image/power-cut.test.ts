import test from 'ava'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { ConnectionLost, SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'
import { flashed } from './harness/disk.ts'
import { Machine } from './harness/machine.ts'
import { minutes } from './harness/minutes.ts'
import { provisionFor } from './harness/provision.ts'

/** Clients at once, each on one connection. */
const CLIENTS = 4
/** The power is cut when so many messages have their 250. */
const ENOUGH = 60

test('the power is cut while mail comes in: after the next start every message that had its 250 is delivered', async (t) => {
  using folder = tempFolder('image-power-cut')
  const disk = flashed(folder.path)
  await using sink = await LmtpSink.listen()
  const provision = provisionFor(sink.port)
  const taken = new Set<string>()
  {
    await using machine = await Machine.start({ disk, provision })
    const first = await minutes(t, 'power on to the first 220', machine.greets())
    await first.quit()
    const clients = Array.from({ length: CLIENTS }, async (_, n) => await pour(machine.port, n, taken))
    await minutes(
      t,
      `${ENOUGH} messages with 250`,
      until('enough has 250', () => taken.size >= ENOUGH, 10 * 60_000),
    )
    await machine.cutPower()
    await Promise.all(clients)
  }
  t.log(
    `${taken.size} messages had their 250, ${sink.deliveries.length} of them were delivered before the cut`,
  )

  await using again = await Machine.start({ disk, provision })
  const client = await minutes(t, 'power on to the first 220 after the cut', again.greets())
  await client.quit()
  const missing = (): string[] => {
    const delivered = new Set(sink.deliveries.map((delivery) => delivery.ledgerId))
    return [...taken].filter((id) => !delivered.has(id))
  }
  await minutes(
    t,
    'all are delivered',
    until('every message with 250 is delivered', () => missing().length === 0, 10 * 60_000).catch(() => {}),
  )
  t.deepEqual(missing(), [])
})

/** Sends one message after the other until the machine is gone, and notes those that were answered 250. */
async function pour(port: number, sender: number, taken: Set<string>): Promise<void> {
  try {
    using client = await SmtpClient.greeted(port)
    for (let n = 0; ; n += 1) {
      const id = `${sender}-${n}`
      const message = Buffer.from(`X-Ledger-Id: ${id}\r\nSubject: ${id}\r\n\r\n${'x'.repeat(20_000)}\r\n`)
      const reply = await client.send({ from: 'me@example.org', to: ['alice@example.test'], message })
      if (reply.code === 250) taken.add(id)
    }
  } catch (error) {
    // The end of the machine, and nothing else, ends a client.
    if (!(error instanceof ConnectionLost) && !(error instanceof Error && 'code' in error)) throw error
  }
}
