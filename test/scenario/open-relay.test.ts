import test from 'ava'
import { ALICE_PASSWORD, giveAlicePassword } from '#test/support/accounts.ts'
import { Appliance } from '#test/support/appliance.ts'
import type { ClientReply } from '#test/support/smtp-client.ts'
import { ConnectionLost, SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'

/** Ways to write somebody who is not ours, from thirty years of relay tests. What stands behind `RCPT TO:`. */
const RECIPIENTS: readonly string[] = [
  '<x@far.example>',
  'x@far.example',
  '<"x"@far.example>',
  '<x%far.example@example.test>',
  '<x%far.example%example.test@example.test>',
  '<"x%far.example"@example.test>',
  '<%@example.test>',
  '<far.example!x@example.test>',
  '<far.example!x>',
  '<example.test!far.example!x>',
  '<"x@far.example"@example.test>',
  '<"x\\@far.example"@example.test>',
  '<x\\@far.example@example.test>',
  '<x@far.example@example.test>',
  '<x@example.test@far.example>',
  '<@example.test:x@far.example>',
  '<@example.test,@other.test:x@far.example>',
  '<@:x@far.example>',
  '<x@far.example:example.test>',
  '<example.test:x@far.example>',
  '<x@far.example,alice@example.test>',
  '<alice@example.test,x@far.example>',
  '<alice@example.test>,<x@far.example>',
  '<alice@example.test><x@far.example>',
  '<alice@example.test> <x@far.example>',
  '<x@far.example>@example.test',
  '<<x@far.example>>',
  '<x@far.example> (alice@example.test)',
  '<(alice@example.test)x@far.example>',
  '<x@far.example(example.test)>',
  '<x@far.example.>',
  '<x@.far.example>',
  '<x@far.example.example.test>',
  '<x@example.test.far.example>',
  '<x@sub.example.test>',
  '<x@example.tes>',
  '<x@[127.0.0.1]>',
  '<x@[192.0.2.1]>',
  '<x@[IPv6:2001:db8::1]>',
  '<x@[example.test]>',
  '<x@127.0.0.1>',
  '<x@2130706433>',
  '<x@localhost>',
  '<x@localhost.localdomain>',
  '<x@>',
  '<@far.example>',
  '<x>',
  '<>',
  '<@>',
  '<postmaster@far.example>',
  '<"postmaster"@far.example>',
  '<postmaster%far.example@example.test>',
  '<x+alice@far.example>',
  '<alice@example.test+far.example>',
  '<x@far.example;alice@example.test>',
  '<x@far.example|alice@example.test>',
  '<x@far.example%00@example.test>',
  '<x@far.example\0@example.test>',
  '<x@far.example\r@example.test>',
  '<x@far\\u002eexample>',
  '<x@xn--far-ila.example>',
  '<x@far\u3002example>',
  '<x@example.test\u200b>',
  '<x\uff20far.example@example.test>',
  '<x\uff05far.example@far.example>',
  '<"x\u0000"@far.example>',
]

/** Somebody of ours, however it is written: a test that refuses all would prove nothing. */
const OURS: readonly string[] = [
  '<bob@example.test>',
  '<BOB@Example.Test>',
  '<"bob"@example.test>',
  '<@far.example:bob@example.test>',
]

type Reach = (postern: Appliance) => Promise<SmtpClient>

async function hello(client: SmtpClient): Promise<SmtpClient> {
  await client.reply()
  await client.command('EHLO client.example')
  return client
}

const plain: Reach = async (postern) => await hello(await SmtpClient.connect(postern.smtpPort))
const overTls: Reach = async (postern) => {
  const client = await plain(postern)
  await client.startTls()
  return client
}
const afterFailedAuth: Reach = async (postern) => {
  const client = await overTls(postern)
  await client.authenticate('alice', 'wrong')
  return client
}
const submission: Reach = async (postern) => {
  const client = await hello(await SmtpClient.connect(postern.submissionPort))
  await client.startTls()
  return client
}
const submissionClear: Reach = async (postern) =>
  await hello(await SmtpClient.connect(postern.submissionPort))
const submissions: Reach = async (postern) =>
  await hello(await SmtpClient.connectTls(postern.submissionsPort))

const WAYS: readonly (readonly [string, Reach, boolean])[] = [
  ['port 25 in clear', plain, true],
  ['port 25 in TLS', overTls, true],
  ['port 25 after AUTH has failed', afterFailedAuth, true],
  ['port 587 before TLS', submissionClear, false],
  ['port 587 without AUTH', submission, false],
  ['port 465 without AUTH', submissions, false],
]

async function open(folder: string): Promise<Appliance> {
  const postern = await Appliance.start({
    folder,
    submission: true,
    limits: [
      'mynetworks = ["192.0.2.0/24"]',
      'smtpd_hard_error_limit = 10000',
      'smtpd_soft_error_limit = 10000',
    ],
  })
  await giveAlicePassword(postern)
  return postern
}

/** The reply to RCPT; the session goes on, or a new one is begun where the server has had enough. */
async function rcpt(client: SmtpClient, sender: string, recipient: string): Promise<ClientReply> {
  await client.command('RSET')
  await client.command(`MAIL FROM:<${sender}> SMTPUTF8`)
  client.write(Buffer.from(`RCPT TO:${recipient}\r\n`))
  return await client.reply()
}

test('nobody who is a stranger relays through any listener, however the recipient is written', async (t) => {
  using folder = tempFolder('open-relay')
  await using postern = await open(folder.path)
  for (const [way, reach, takesOurs] of WAYS) {
    using client = await reach(postern)
    for (const sender of ['x@near.example', '', 'alice@example.test', 'postmaster@example.test']) {
      for (const recipient of RECIPIENTS) {
        const { code, text } = await rcpt(client, sender, recipient)
        t.true(code >= 500 && code < 600, `${way}: ${JSON.stringify(recipient)} from <${sender}>: ${text}`)
      }
    }
    for (const recipient of OURS) {
      t.is((await rcpt(client, 'x@near.example', recipient)).code === 250, takesOurs, `${way}: ${recipient}`)
    }
  }
  t.deepEqual(await postern.queue(), [])
})

test('who has authenticated relays by the plain address, and by no route through a domain of ours', async (t) => {
  using folder = tempFolder('open-relay')
  await using postern = await open(folder.path)
  using client = await submissions(postern)
  t.is((await client.authenticate('alice', ALICE_PASSWORD)).code, 235)
  t.is((await rcpt(client, 'alice@example.test', '<x@far.example>')).code, 250)
  for (const recipient of RECIPIENTS.filter(
    (one) => one.includes('@example.test>') && !one.startsWith('<alice'),
  )) {
    const { code, text } = await rcpt(client, 'alice@example.test', recipient)
    t.true(code >= 500, `${recipient}: ${text}`)
  }
})

/** Attempts to become somebody else in the middle of a session: what is sent, all at once. */
const SMUGGLED: readonly (readonly [string, readonly string[]])[] = [
  ['XCLIENT', ['XCLIENT ADDR=192.0.2.1 LOGIN=alice@example.test']],
  ['XFORWARD', ['XFORWARD ADDR=192.0.2.1']],
  [
    'AUTH= of MAIL',
    ['MAIL FROM:<alice@example.test> AUTH=alice@example.test', 'RCPT TO:<x@far.example>', 'DATA'],
  ],
  [
    'what stands behind a failed AUTH',
    ['AUTH PLAIN AGEAYg==', 'MAIL FROM:<a@near.example>', 'RCPT TO:<x@far.example>', 'DATA'],
  ],
  [
    'what stands behind AUTH LOGIN',
    ['AUTH LOGIN YQ==', 'Yg==', 'MAIL FROM:<a@near.example>', 'RCPT TO:<x@far.example>', 'DATA'],
  ],
  [
    'a PROXY line',
    [
      'PROXY TCP4 192.0.2.1 192.0.2.2 1000 25',
      'MAIL FROM:<a@near.example>',
      'RCPT TO:<x@far.example>',
      'DATA',
    ],
  ],
  [
    'AUTH EXTERNAL',
    [
      'AUTH EXTERNAL YWxpY2VAZXhhbXBsZS50ZXN0',
      'MAIL FROM:<alice@example.test>',
      'RCPT TO:<x@far.example>',
      'DATA',
    ],
  ],
  [
    'AUTH ANONYMOUS',
    ['AUTH ANONYMOUS YQ==', 'MAIL FROM:<a@near.example>', 'RCPT TO:<x@far.example>', 'DATA'],
  ],
]

test('no word of another protocol, and nothing sent ahead, makes a stranger somebody', async (t) => {
  using folder = tempFolder('open-relay')
  await using postern = await open(folder.path)
  for (const [way, reach] of WAYS) {
    for (const [what, lines] of SMUGGLED) {
      using client = await reach(postern)
      client.write(`${lines.join('\r\n')}\r\n`)
      try {
        for (const line of lines) {
          const { code, text } = await client.reply()
          const relays = line.startsWith('RCPT') || line.startsWith('DATA') || line.startsWith('X')
          t.false(relays && code < 400, `${way}, ${what}: ${line}: ${text}`)
        }
        t.true((await rcpt(client, 'a@near.example', '<x@far.example>')).code >= 500, `${way}, ${what}`)
      } catch (error) {
        // Cut off: no way to relay either.
        t.true(error instanceof ConnectionLost, `${way}, ${what}`)
      }
    }
  }
  t.deepEqual(await postern.queue(), [])
})

test('what is sent in clear behind STARTTLS opens nothing in TLS', async (t) => {
  using folder = tempFolder('open-relay')
  await using postern = await open(folder.path)
  for (const port of [postern.smtpPort, postern.submissionPort]) {
    using client = await hello(await SmtpClient.connect(port))
    const injected = ['EHLO evil.example', 'MAIL FROM:<a@near.example>', 'RCPT TO:<x@far.example>', 'DATA']
    client.write(`STARTTLS\r\n${injected.join('\r\n')}\r\n`)
    t.is((await client.reply()).code, 220)
    await client.handshake()
    t.is((await client.command('RCPT TO:<x@far.example>')).code >= 500, true)
    t.is(
      (await client.command('MAIL FROM:<a@near.example>')).code >= 500,
      true,
      'no greeting of before holds',
    )
    await client.command('EHLO client.example')
    t.true((await rcpt(client, 'a@near.example', '<x@far.example>')).code >= 500)
  }
})

test('a user that was let in before STARTTLS is a stranger behind it', async (t) => {
  using folder = tempFolder('open-relay')
  await using postern = await Appliance.start({
    folder: folder.path,
    limits: ['mynetworks = ["192.0.2.0/24"]', 'smtpd_tls_auth_only = false'],
  })
  await giveAlicePassword(postern)
  using client = await plain(postern)
  t.is((await client.authenticate('alice', ALICE_PASSWORD)).code, 235)
  t.is((await rcpt(client, 'alice@example.test', '<x@far.example>')).code, 250)
  await client.command('RSET')
  await client.startTls()
  t.is(
    (await rcpt(client, 'alice@example.test', '<x@far.example>')).text,
    '554 5.7.1 <x@far.example>: Relay access denied',
  )
})
