import { once } from 'node:events'
import { connect } from 'node:tls'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'
import { flashed } from './harness/disk.ts'
import { Health, HEALTH_LINES, HEALTH_PORT } from './harness/health.ts'
import { Machine } from './harness/machine.ts'
import { minutes } from './harness/minutes.ts'
import { Operator } from './harness/operator.ts'
import { provisionFor } from './harness/provision.ts'

const WITHIN_MS = 30 * 60_000

test('a factory reset, asked twice, keeps the mail that waits or wipes it, and forgets all else either way', async (t) => {
  t.timeout(3 * WITHIN_MS)
  using folder = tempFolder('image-reset')
  await using sink = await LmtpSink.listen({ answer: () => '451 4.2.0 later' })
  const provision = [provisionFor(sink.port), ...HEALTH_LINES, ''].join('\n')
  await using machine = await Machine.start({ disk: flashed(folder.path), provision, ports: [HEALTH_PORT] })
  const operator = new Operator(machine)
  const health = new Health(machine.forwarded(HEALTH_PORT))
  using client = await minutes(t, 'power on to the first 220', machine.greets())
  const message = Buffer.from('Subject: waits\r\n\r\nHello.\r\n')
  const reply = await client.send({ from: 'me@example.org', to: ['alice@example.test'], message })
  t.is(reply.code, 250, reply.text)
  await client.quit()
  const [id = ''] = await queued(health, 1)

  // Whoever answers one of the questions otherwise is left alone.
  await operator.factoryReset('keep', 'reset')
  await operator.sees(/Nothing was done/)

  const first = await certificateOf(machine)
  await reset(t, { machine, operator, health }, 'keep')
  t.deepEqual(await queued(health, 1), [id])
  const second = await certificateOf(machine)
  t.not(second, first, 'its own certificate was made anew: the rest was forgotten')

  await reset(t, { machine, operator, health }, 'wipe')
  t.deepEqual(await queued(health, 0), [])
  t.not(await certificateOf(machine), second)
})

interface Box {
  readonly machine: Machine
  readonly operator: Operator
  readonly health: Health
}

/** Until the box has come back; its provisioning file is a credential, and is taken again. */
async function reset(t: ExecutionContext, { machine, operator, health }: Box, what: string): Promise<void> {
  const { resets } = machine
  await operator.factoryReset(what, 'RESET')
  const isBack = async () => machine.resets > resets && (await health.version()) !== undefined
  await minutes(t, `${what}: asked, done, and the box is back`, until('the box is back', isBack, WITHIN_MS))
}

/** Ids of what is in the queue, as soon as it is so many. */
async function queued(health: Health, count: number): Promise<readonly string[]> {
  const messages = await until(
    `${count} messages are in the queue`,
    async () => {
      const all = await health.messages()
      return all?.length === count ? all : undefined
    },
    WITHIN_MS,
  )
  return messages.map(({ id }) => id)
}

/** The fingerprint of what it shows. */
async function certificateOf(machine: Machine): Promise<string> {
  const socket = connect({
    host: '127.0.0.1',
    port: machine.forwarded(HEALTH_PORT),
    rejectUnauthorized: false,
  })
  await once(socket, 'secureConnect')
  const { fingerprint256 } = socket.getPeerCertificate()
  socket.destroy()
  return fingerprint256
}
