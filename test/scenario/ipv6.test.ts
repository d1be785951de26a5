import { networkInterfaces } from 'node:os'
import test from 'ava'
import { FakePeer, wellBehaved } from '#test/delivery/fake-peer.ts'
import { accountWith } from '#test/support/accounts.ts'
import { Appliance } from '#test/support/appliance.ts'
import { ZoneServer } from '#test/support/dns-zone.ts'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { plainMail } from '#test/support/mails.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { freePorts, tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const has6 = Object.values(networkInterfaces()).some((each) => each?.some(({ address }) => address === '::1'))
if (!has6) process.stderr.write('IPv6 is skipped: this machine has no ::1.\n')
const withIpv6 = has6 ? test : test.skip

const HELLO = '250-mx.peer.example\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES\r\n'

const ZONE = `
six.example MX 10 mx.six.example
mx.six.example AAAA ::1
mx.both.example AAAA ::1
mx.both.example A 127.0.0.1
bare.example AAAA ::1
`

function recipients(peer: FakePeer): string[] {
  const lines = peer.conversations.flatMap(({ heard }) => heard)
  return lines.filter((line) => line.startsWith('RCPT')).toSorted()
}

withIpv6(
  'mail comes and goes over IPv6, and over IPv4 where nobody listens at the IPv6 address',
  async (t) => {
    using folder = tempFolder('ipv6')
    await using peer6 = await FakePeer.listen(wellBehaved([], HELLO, 'smtp'), 0, '::1')
    // At its port nobody listens on ::1.
    await using peer4 = await FakePeer.listen(wellBehaved([], HELLO, 'smtp'))
    await using zone = await ZoneServer.start(ZONE)
    await using sink = await LmtpSink.listen({ keep: true })
    const [port = 0] = await freePorts(1)
    await using postern = await Appliance.start({
      folder: folder.path,
      lmtpPort: sink.port,
      dnsPort: zone.port,
      listener: { address: '::1', port },
      limits: [`smtp_tcp_port = ${peer6.port}`, 'smtp_address_preference = "ipv6"'],
    })
    const accounts = [
      accountWith('carol', `smtp:[::1]:${peer6.port}`),
      accountWith('dave', `smtp:[mx.both.example]:${peer4.port}`),
    ]
    t.is((await postern.importLdif(accounts.join('\n'))).code, 0)
    {
      using client = await SmtpClient.connect(port, '::1')
      t.is((await client.reply()).code, 220)
      await client.command('EHLO client.example')
      // ::1 is in mynetworks, so other domains may be sent to.
      const far = ['a@six.example', 'b@bare.example']
      const ours = ['carol@example.test', 'dave@example.test', 'alice@example.test']
      const message = plainMail('six', 'Hello.')
      t.is((await client.send({ from: 'alice@example.test', to: [...far, ...ours], message })).code, 250)
      await client.quit()
    }
    await sink.taken(1)
    // RFC 5321 section 4.1.3: the address in Received says that it is one of IPv6.
    t.regex(sink.deliveries[0]?.message.toString('latin1') ?? '', /from client\.example \(\S+ \[IPv6:::1\]\)/)
    await until('all are delivered', async () => (await postern.queue()).length === 0)
    t.deepEqual(recipients(peer6), [
      'RCPT TO:<a@six.example>',
      'RCPT TO:<b@bare.example>',
      'RCPT TO:<carol@example.test>',
    ])
    t.deepEqual(recipients(peer4), ['RCPT TO:<dave@example.test>'])
    await until(
      'the log tells of both',
      () =>
        /relay=mx\.six\.example\[::1\]:\d+/.test(postern.output) &&
        /connect to mx\.both\.example\[::1\]:\d+: Connection refused/.test(postern.output),
    )
  },
)
