import test from 'ava'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { tempFolder } from '#test/support/temp.ts'
import { flashed } from './harness/disk.ts'
import { Machine } from './harness/machine.ts'
import { minutes } from './harness/minutes.ts'
import { PASSWORD, provisionFor } from './harness/provision.ts'

test('a flashed disk starts, takes a mail, hands it to its mailbox server, and answers a key on the serial line', async (t) => {
  using folder = tempFolder('image-boot')
  await using sink = await LmtpSink.listen({ keep: true })
  await using machine = await Machine.start({
    disk: flashed(folder.path),
    provision: provisionFor(sink.port),
  })

  using client = await minutes(t, 'power on to the first 220', machine.greets())
  const message = Buffer.from(
    'From: me@example.org\r\nTo: alice@example.test\r\nSubject: First\r\n\r\nHello.\r\n',
  )
  const reply = await client.send({ from: 'me@example.org', to: ['alice@example.test'], message })
  t.is(reply.code, 250, reply.text)
  await minutes(t, '250 to the mailbox server', sink.taken(1, 10 * 60_000))
  t.is(sink.deliveries[0]?.recipient, 'alice@example.test')
  t.regex(sink.deliveries[0]?.message.toString() ?? '', /^Subject: First\r$/m)
  await client.quit()

  await minutes(t, 'the console over the serial line', console(machine))
  t.pass()
})

/** The status page is shown to everybody; a page where something can be changed only with the password. */
async function console(machine: Machine): Promise<void> {
  await machine.shows(/Postern +Status/)
  machine.press('2')
  await machine.shows(/Password of the console:/)
  machine.press(`${PASSWORD}\r`)
  await machine.shows(/Postern +Queues/)
  machine.press('1')
  await machine.shows(/Postern +Status/)
}
