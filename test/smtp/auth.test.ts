import { Buffer } from 'node:buffer'
import test from 'ava'
import { serve, timeIsUp } from './support/serve.ts'
import { newCertificate } from './support/certificate.ts'
import { Talk } from './support/talk.ts'

const CERTIFICATE = await newCertificate()

function plain(user: string, password: string): string {
  return `AUTH PLAIN ${Buffer.from(`\0${user}\0${password}`).toString('base64')}`
}

test('a message of somebody who has authenticated says so, and who it was only where that is wanted', async (t) => {
  for (const authenticatedHeader of [false, true]) {
    await using serving = await serve({ authenticatedHeader }, CERTIFICATE, 'submissions')
    await using talk = await Talk.open(serving.port)
    await talk.startTls()
    await talk.reply()
    await talk.ask('EHLO client.example')
    t.regex(await talk.ask(plain('alice@example.test', 'secret')), /^235/)
    await talk.askAll('MAIL FROM:<alice@example.test>', 'RCPT TO:<user@example.test>', 'DATA')
    t.regex(await talk.ask('Subject: x\r\n\r\n.'), /^250/)
    const [message] = serving.queue.messages
    t.is(message?.origin.protocol, 'ESMTPSA')
    t.regex(message?.prefix ?? '', /with ESMTPSA id /)
    t.is(message?.prefix.includes('(Authenticated sender: alice@example.test)'), authenticatedHeader)
    const queued = serving.log.lines.find((line) => line.event === 'smtpd.queued')
    t.is(queued?.facts['user'], 'alice@example.test')
    t.is(queued?.facts['saslMethod'], 'PLAIN')
  }
})

test('a password is in no line of the log, and its octets are wiped once it was checked', async (t) => {
  await using serving = await serve({ tlsAuthOnly: false, hardErrorLimit: 100, softErrorLimit: 100 })
  await using talk = await Talk.greeted(serving.port)
  const password = 'correct-horse-battery'
  const coded = Buffer.from(password).toString('base64')
  const all = Buffer.from(`\0alice@example.test\0${password}`).toString('base64')
  await talk.askAll(
    `AUTH PLAIN ${all}`,
    `AUTH PLAIN ${all} more`,
    `AUTH PLAIN ${all}!`,
    'AUTH LOGIN',
    Buffer.from('alice@example.test').toString('base64'),
    coded,
    // What a client says that goes on although AUTH was refused.
    'AUTH NTLM',
    coded,
    all,
    'AUTH PLAIN',
    'x'.repeat(13_000),
  )
  t.is(serving.authenticator.asked.length, 2)
  t.true(serving.authenticator.passwords.every((octets) => octets.every((octet) => octet === 0)))
  const log = JSON.stringify(serving.log.lines)
  for (const secret of [password, coded, all]) t.false(log.includes(secret))
  t.true(log.includes('smtpd.auth_failed'))
})

test('a line of 12288 octets may come in an exchange, a longer one ends it and not the session', async (t) => {
  await using serving = await serve({ tlsAuthOnly: false })
  await using talk = await Talk.greeted(serving.port)
  await talk.ask('AUTH PLAIN')
  t.is(await talk.ask('A'.repeat(12_288)), '501 5.5.2 Error: malformed authentication response')
  await talk.ask('AUTH PLAIN')
  t.is(await talk.ask('A'.repeat(12_292)), '500 5.5.6 Authentication exchange line is too long')
  t.is(await talk.ask('NOOP'), '250 2.0.0 Ok')
  // Only AUTH may be so long.
  t.is(await talk.ask(`NOOP ${'A'.repeat(3000)}`), '500 5.5.2 Error: command too long')
  t.is(await talk.ask(`HUGE ${'A'.repeat(3000)}`), '500 5.5.2 Error: command too long')
  t.is(await talk.ask(`AUTH PLAIN ${'A'.repeat(3000)}`), '501 5.5.2 Error: malformed authentication response')
})

test('whoever fails is told the same, and may go on as nobody', async (t) => {
  await using serving = await serve({ tlsAuthOnly: false })
  await using talk = await Talk.greeted(serving.port)
  const replies = await talk.askAll(
    plain('alice@example.test', 'wrong'),
    plain('nobody@example.test', 'secret'),
    plain('alice@example.test', ''),
  )
  t.is(new Set(replies).size, 1)
  t.is(replies[0], '535 5.7.8 Error: authentication failed')
  await talk.ask('MAIL FROM:<a@client.example>')
  t.regex(await talk.ask('RCPT TO:<victim@elsewhere.example>'), /^554 5\.7\.1/)
})

test('a client that leaves in the middle of a check leaves nothing behind', async (t) => {
  const serving = await serve({ tlsAuthOnly: false })
  const talk = await Talk.greeted(serving.port)
  talk.write(`${plain('alice@example.test', 'secret')}\r\n`)
  talk.destroy()
  await serving[Symbol.asyncDispose]()
  while (!serving.log.lines.some((line) => line.event === 'smtpd.disconnect')) {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
  t.is(serving.policy.connected, serving.policy.disconnected)
  t.is(serving.queue.messages.length, 0)
})

test('an idle exchange ends by the time-out', async (t) => {
  await using serving = await serve({ tlsAuthOnly: false })
  await using talk = await Talk.greeted(serving.port)
  t.is(await talk.ask('AUTH LOGIN'), '334 VXNlcm5hbWU6')
  timeIsUp(serving)
  t.is(await talk.rest(), '421 4.4.2 mx.example.test Error: timeout exceeded\r\n')
})
