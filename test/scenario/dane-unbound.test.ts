import { X509Certificate, createHash } from 'node:crypto'
import test from 'ava'
import { FakePeer, wellBehaved } from '#test/delivery/fake-peer.ts'
import { secretive, testPki } from '#test/delivery/tls-peer.ts'
import { Appliance } from '#test/support/appliance.ts'
import { plainMail } from '#test/support/mails.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { Unbound, unboundLacks, type TestZone } from '#test/support/unbound.ts'
import { until } from '#test/support/wait.ts'

const lacks = unboundLacks()
if (lacks !== undefined) process.stderr.write(`DANE with a real resolver is skipped: ${lacks}.\n`)
const withUnbound = lacks === undefined ? test : test.skip

/** A domain with one MX host at an address, and its TLSA record for the port if it has any. */
function domain(name: string, address: string, tlsa: string | undefined, port: number): string {
  const record = tlsa === undefined ? '' : `_${port}._tcp.mx.${name}. 300 IN TLSA 3 1 1 ${tlsa}`
  return `${name}. 300 IN MX 10 mx.${name}.\nmx.${name}. 300 IN A ${address}\n${record}\n`
}

interface Case {
  readonly name: string
  readonly signed: boolean
  /** right, wrong, or none. */
  readonly tlsa: 'right' | 'wrong' | 'none'
  /** A peer that offers no STARTTLS. */
  readonly strips?: boolean
  readonly spoil?: (text: string) => string
  /** Why the mail waits; undefined: it arrives. */
  readonly waits: RegExp | undefined
}

const WRONG = '0'.repeat(64)

const CASES: readonly Case[] = [
  { name: 'right.test', signed: true, tlsa: 'right', waits: undefined },
  { name: 'wrong.test', signed: true, tlsa: 'wrong', waits: /no TLSA record matches/ },
  { name: 'none.test', signed: true, tlsa: 'none', waits: undefined },
  // No AD bit: nothing is proven, so what the record says is not believed (RFC 7672 section 2.2).
  { name: 'plain.test', signed: false, tlsa: 'wrong', waits: undefined },
  {
    name: 'bogus-tlsa.test',
    signed: true,
    tlsa: 'right',
    spoil: (text) => text.replaceAll(/(TLSA\s+3 1 1 )[0-9a-f]{64}/g, `$1${WRONG}`),
    waits: /TLSA lookup error/,
  },
  {
    name: 'bogus-host.test',
    signed: true,
    tlsa: 'right',
    // Another address than was signed: what an attacker in the DNS would do.
    spoil: (text) =>
      text.replaceAll(/(mx\.bogus-host\.test\.\s+300\s+IN\s+A\s+)127\.0\.0\.1/g, '$1127.0.0.9'),
    waits: /name=mx\.bogus-host\.test type=A: Host not found, try again/,
  },
  {
    name: 'stripped.test',
    signed: true,
    tlsa: 'right',
    strips: true,
    waits: /TLS is required, but was not offered/,
  },
]

withUnbound(
  'DANE by a real resolver: what is proven is held, what is bogus waits, what is not proven asks for nothing',
  async (t) => {
    using folder = tempFolder('dane-unbound')
    using zones = tempFolder('dane-zones')
    const pki = await testPki(folder.path)
    const heard: string[][] = []
    await using peer = await FakePeer.listen((conversation) => {
      const lines: string[] = []
      heard.push(lines)
      return secretive({ key: pki.key, cert: pki.leaf }, lines)(conversation)
    })
    const stolen: string[] = []
    const hello = '250-peer\r\n250 ENHANCEDSTATUSCODES\r\n'
    await using stripping = await FakePeer.listen(wellBehaved(stolen, hello, 'smtp'), peer.port, '127.0.0.2')
    const key = new X509Certificate(pki.leaf).publicKey.export({ type: 'spki', format: 'der' })
    const right = createHash('sha256').update(key).digest('hex')

    await using unbound = await Unbound.start(
      zones.path,
      CASES.map(({ name, signed, tlsa, strips, spoil }): TestZone => {
        const value = { right, wrong: WRONG, none: undefined }[tlsa]
        const address = strips === true ? '127.0.0.2' : '127.0.0.1'
        const records = domain(name, address, value, peer.port)
        return { name, signed, records, ...(spoil === undefined ? {} : { spoil }) }
      }),
    )
    await using postern = await Appliance.start({
      folder: folder.path,
      dnsPort: unbound.port,
      limits: [`smtp_tcp_port = ${peer.port}`],
      settings: ['zimbraMtaSmtpTlsSecurityLevel = "dane"', 'zimbraMtaSmtpDnsSupportLevel = "dnssec"'],
    })
    {
      using client = await SmtpClient.greeted(postern.smtpPort)
      const to = CASES.map(({ name }) => `x@${name}`)
      const message = plainMail('secret', 'Hush.')
      t.is((await client.send({ from: 'alice@example.test', to, message })).code, 250)
      await client.quit()
    }
    const waiting = CASES.filter(({ waits }) => waits !== undefined)
    const arriving = CASES.filter(({ waits }) => waits === undefined)
    const reasons = await until('each has arrived or waits for a reason', async () => {
      const all = await reasonsOf(postern)
      return all.size === waiting.length && [...all.values()].every((reason) => reason !== '') && all
    })
    for (const { name, waits } of waiting) t.regex(reasons.get(`x@${name}`) ?? '', waits ?? /./, name)
    t.deepEqual(
      heard
        .flat()
        .filter((line) => line.startsWith('RCPT'))
        .toSorted(),
      arriving.map(({ name }) => `RCPT TO:<x@${name}>`).toSorted(),
    )
    t.deepEqual(stolen, [])
    t.true(stripping.conversations.length > 0)
  },
)

/** Why each recipient waits, '' where it was not tried yet. */
async function reasonsOf(postern: Appliance): Promise<Map<string, string>> {
  const reasons = new Map<string, string>()
  for (const { recipients } of await postern.queue()) {
    if (!Array.isArray(recipients)) continue
    for (const { address, delay_reason: reason } of recipients)
      reasons.set(String(address), String(reason ?? ''))
  }
  return reasons
}
