// Runs in a network of its own (test/support/own-network.ts), with its folder as argument: prints as JSON what
// own-address.test.ts wants to know.
import { FakePeer, wellBehaved } from '#test/delivery/fake-peer.ts'
import { Appliance } from '#test/support/appliance.ts'
import { ZoneServer } from '#test/support/dns-zone.ts'
import { plainMail } from '#test/support/mails.ts'
import { OWN_ADDRESS, OWN_ADDRESS_6 } from '#test/support/own-network.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { until } from '#test/support/wait.ts'

/** Peers have addresses of loopback: on port 25 those are not ours, and any of them can be listened on. */
const BETTER = '127.0.0.7'
const WORSE = '127.0.0.8'
const DEAD = '127.0.0.9'

const ZONE = `
us.example A ${OWN_ADDRESS}
us6.example AAAA ${OWN_ADDRESS_6}
better.example A ${BETTER}
worse.example A ${WORSE}
dead.example A ${DEAD}

own.example MX 10 us.example
own6.example MX 10 us6.example
bare.example A ${OWN_ADDRESS}
first.example MX 10 us.example
first.example MX 20 worse.example
backup.example MX 10 better.example
backup.example MX 20 us.example
backup.example MX 30 worse.example
down.example MX 10 dead.example
down.example MX 20 us.example
down.example MX 20 worse.example
down.example MX 30 worse.example
`

const DOMAINS = [
  'own.example',
  'own6.example',
  'bare.example',
  'first.example',
  'backup.example',
  'down.example',
]
/** Of those, the ones that go back. */
const LOOPS = 4

const HELLO = '250-mx.peer.example\r\n250 ENHANCEDSTATUSCODES\r\n'

function recipients(peer: FakePeer): string[] {
  return peer.conversations.flatMap(({ heard }) => heard).filter((line) => line.startsWith('RCPT'))
}

const folder = process.argv[2] ?? ''
await using better = await FakePeer.listen(wellBehaved([], HELLO, 'smtp'), 25, BETTER)
await using worse = await FakePeer.listen(wellBehaved([], HELLO, 'smtp'), 25, WORSE)
await using zone = await ZoneServer.start(ZONE)
await using postern = await Appliance.start({
  folder,
  dnsPort: zone.port,
  listener: { address: OWN_ADDRESS, port: 25 },
})
for (const domain of DOMAINS) {
  using client = await SmtpClient.greeted(postern.smtpPort)
  const message = plainMail(`to ${domain}`, 'Hello.')
  await client.send({ from: 'alice@example.test', to: [`x@${domain}`], message })
  await client.quit()
}
const queue = await until('what loops has gone back, and one waits', async () => {
  const all = await postern.queue()
  const waits = all.length === 1 && JSON.stringify(all).includes('delay_reason')
  return waits && postern.mailboxFiles().length === LOOPS && all
})
const told = {
  bounces: postern.mailboxFiles(),
  better: recipients(better),
  worse: recipients(worse),
  queue,
}
await new Promise<void>((resolve) => {
  process.stdout.write(JSON.stringify(told), () => resolve())
})
