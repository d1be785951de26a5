import test from 'ava'
import { FakePeer, wellBehaved } from '#test/delivery/fake-peer.ts'
import { accountWith } from '#test/support/accounts.ts'
import { Appliance } from '#test/support/appliance.ts'
import { ZoneServer } from '#test/support/dns-zone.ts'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { plainMail } from '#test/support/mails.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

/** Nobody listens on 127.0.0.2 at the port of the peer, which is bound to 127.0.0.1. */
const ZONE = `
far.example MX 10 dead.far.example
far.example MX 20 live.far.example
dead.far.example A 127.0.0.2
live.far.example A 127.0.0.1
plain.example A 127.0.0.1
null.example MX 0 .
store.example A 127.0.0.1
far.example SOA ns.far.example root.far.example 1 60 60 60 60
`

const HELLO = '250-mx.peer.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n'

test('mail goes to the MX that works, to the address of a domain without MX, back from a null MX, and waits while DNS fails', async (t) => {
  using folder = tempFolder('route-mx')
  const bodies: string[] = []
  await using peer = await FakePeer.listen(wellBehaved(bodies, HELLO, 'smtp'))
  await using zone = await ZoneServer.start(ZONE, { broken: ['broken.example'] })
  await using sink = await LmtpSink.listen({ keep: true })
  await using postern = await Appliance.start({
    folder: folder.path,
    lmtpPort: sink.port,
    dnsPort: zone.port,
    limits: [`smtp_tcp_port = ${peer.port}`],
  })
  {
    using client = await SmtpClient.greeted(postern.smtpPort)
    const to = ['a@far.example', 'b@plain.example', 'c@null.example', 'd@broken.example', 'e@gone.example']
    t.is(
      (await client.send({ from: 'alice@example.test', to, message: plainMail('out', 'Hello.') })).code,
      250,
    )
    await client.quit()
  }
  await sink.taken(1)
  const report = sink.deliveries[0]?.message.toString('latin1') ?? ''
  t.is(sink.deliveries[0]?.recipient, 'alice@example.test')
  t.regex(report, /c@null\.example[^]*Status: 5\.1\.10/)
  t.regex(report, /e@gone\.example[^]*Status: 5\.4\.4/)
  await until('both are delivered', () => bodies.length === 2)
  const heard = peer.conversations.flatMap((each) => each.heard)
  t.deepEqual(heard.filter((line) => line.startsWith('RCPT')).toSorted(), [
    'RCPT TO:<a@far.example>',
    'RCPT TO:<b@plain.example>',
  ])
  await until(
    'the log tells of both',
    () =>
      /connect to dead\.far\.example\[127\.0\.0\.2\]:\d+: Connection refused/.test(postern.output) &&
      /relay=live\.far\.example\[127\.0\.0\.1\]:\d+/.test(postern.output),
  )
  await until('only the one without an answer waits', async () => {
    const queue = await postern.queue()
    const why = /d@broken\.example.*name=broken\.example type=MX: Host not found, try again/
    return queue.length === 1 && why.test(JSON.stringify(queue))
  })
})

test('the bounce to a sender outside is routed out, and a stranger may not relay', async (t) => {
  using folder = tempFolder('route-bounce')
  const bodies: string[] = []
  await using peer = await FakePeer.listen(wellBehaved(bodies, HELLO, 'smtp'))
  await using zone = await ZoneServer.start(ZONE)
  await using sink = await LmtpSink.listen({ answer: () => '550 5.1.1 moved away' })
  await using postern = await Appliance.start({
    folder: folder.path,
    lmtpPort: sink.port,
    dnsPort: zone.port,
    limits: [`smtp_tcp_port = ${peer.port}`, 'mynetworks = ["192.0.2.0/24"]'],
  })
  using client = await SmtpClient.greeted(postern.smtpPort)
  await client.command('MAIL FROM:<friend@plain.example>')
  for (const path of [
    'x@far.example',
    'x%far.example@example.test',
    '@example.test:x@far.example',
    '"x@far.example"@example.test',
    'far.example!x@example.test',
  ]) {
    t.regex((await client.command(`RCPT TO:<${path}>`)).text, /^554.5\.7\.1 .*Relay access denied/, path)
  }
  await client.command('RSET')
  const message = plainMail('hello', 'Hello.')
  t.is((await client.send({ from: 'friend@plain.example', to: ['alice@example.test'], message })).code, 250)
  await client.quit()
  await until('the bounce arrives', () => bodies.length === 1)
  const heard = peer.conversations.flatMap((each) => each.heard)
  t.true(heard.some((line) => line.startsWith('MAIL FROM:<>')))
  t.true(heard.includes('RCPT TO:<friend@plain.example>'))
  t.regex(bodies[0] ?? '', /Diagnostic-Code: smtp; 550 5\.1\.1 moved away/)
})

test('two recipients on two mailbox servers have a session each, by the transports of their accounts', async (t) => {
  using folder = tempFolder('route-stores')
  await using one = await LmtpSink.listen({ keep: true })
  await using two = await LmtpSink.listen({ keep: true })
  await using zone = await ZoneServer.start(ZONE)
  await using postern = await Appliance.start({ folder: folder.path, lmtpPort: one.port, dnsPort: zone.port })
  const ldif = accountWith('carol', `lmtp:store.example:${two.port}`)
  t.is((await postern.importLdif(ldif)).code, 0)
  using client = await SmtpClient.greeted(postern.smtpPort)
  const to = ['alice@example.test', 'carol@example.test']
  t.is((await client.send({ from: '', to, message: plainMail('two stores', 'Hello.') })).code, 250)
  await client.quit()
  await Promise.all([one.taken(1), two.taken(1)])
  t.deepEqual(
    [...one.deliveries, ...two.deliveries].map(({ recipient }) => recipient),
    to,
  )
  t.deepEqual([one.connections, two.connections], [1, 1])
  await until('the queue is empty', async () => (await postern.queue()).length === 0)
})

test('the family of addresses that is preferred is used, from the address that was chosen, and the other one where it leads nowhere', async (t) => {
  using folder = tempFolder('route-six')
  const bodies: string[] = []
  await using four = await FakePeer.listen(wellBehaved(bodies, HELLO, 'smtp'))
  await using six = await FakePeer.listen(wellBehaved(bodies, HELLO, 'smtp'), four.port, '::1')
  await using zone = await ZoneServer.start(`
both.example MX 10 mx.both.example
mx.both.example A 127.0.0.1
mx.both.example AAAA ::1
four.example MX 10 mx.four.example
mx.four.example A 127.0.0.1
mx.four.example AAAA 2001:db8::1
`)
  await using postern = await Appliance.start({
    folder: folder.path,
    dnsPort: zone.port,
    limits: [
      `smtp_tcp_port = ${four.port}`,
      'smtp_address_preference = "ipv6"',
      'smtp_bind_address = "127.0.0.9"',
      'smtp_connect_timeout = "2s"',
    ],
    settings: ['zimbraMtaSmtpHeloName = "out.example.test"'],
  })
  {
    using client = await SmtpClient.greeted(postern.smtpPort)
    const to = ['a@both.example', 'b@four.example']
    const message = plainMail('out', 'Hello.')
    t.is((await client.send({ from: 'alice@example.test', to, message })).code, 250)
    await client.quit()
  }
  await until('both are delivered', () => bodies.length === 2)
  t.true(six.conversations[0]?.heard.includes('RCPT TO:<a@both.example>'))
  t.true(four.conversations[0]?.heard.includes('RCPT TO:<b@four.example>'))
  t.is(six.conversations[0]?.heard[0], 'EHLO out.example.test')
  t.is(six.conversations[0]?.from, '::1')
  t.is(four.conversations[0]?.from, '127.0.0.9')
})
