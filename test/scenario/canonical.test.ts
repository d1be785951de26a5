import test from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const LDIF = `dn: uid=carl,ou=people,dc=example,dc=test
objectClass: inetOrgPerson
objectClass: zimbraAccount
uid: carl
cn: carl
sn: carl
zimbraMailStatus: enabled
zimbraMailDeliveryAddress: carl@example.test
zimbraMailAlias: carl.smith@example.test
zimbraMailCanonicalAddress: carl.smith@example.test
`

/** Maildir has the line ends of the machine. */
const MESSAGE = [
  'From: "carl@example.test" <carl@example.test>',
  'To: Bob <bob@example.test>, (carl@example.test)',
  '  CARL+news@example.test',
  'X-Other: carl@example.test',
  'Subject: from carl@example.test',
  '',
  'carl@example.test',
  '',
].join('\n')

async function sent(appliance: Appliance, from: string): Promise<string> {
  const before = appliance.mailboxFiles().length
  using client = await SmtpClient.greeted(appliance.smtpPort)
  const reply = await client.send({
    from,
    to: ['bob@example.test'],
    message: Buffer.from(MESSAGE.replaceAll('\n', '\r\n')),
  })
  if (reply.code !== 250) throw new Error(reply.text)
  await until('the mail has arrived', () => appliance.mailboxFiles().length > before)
  return appliance.mailboxFiles().findLast((text) => text.includes('X-Other')) ?? ''
}

const start = (folder: string, limits: readonly string[]) => Appliance.start({ folder, limits })

test('own users are known by their canonical address, in the envelope and in the fields that hold addresses', async (t) => {
  using folder = tempFolder('canonical')
  await using appliance = await start(folder.path, [])
  t.is((await appliance.importLdif(LDIF)).code, 0)
  const text = await sent(appliance, 'carl@example.test')
  t.regex(text, /^Return-Path: <carl\.smith@example\.test>/m)
  t.true(text.includes('From: "carl@example.test" <carl.smith@example.test>\n'), text)
  t.true(
    text.includes('To: Bob <bob@example.test>, (carl@example.test)\n  carl.smith+news@example.test\n'),
    text,
  )
  t.true(text.includes('X-Other: carl@example.test\nSubject: from carl@example.test\n\ncarl@example.test\n'))
})

test('what strangers wrote stays in the header, and without canonical_maps everything stays', async (t) => {
  using folder = tempFolder('canonical')
  await using strange = await start(folder.path, ['mynetworks = ["192.0.2.0/24"]'])
  t.is((await strange.importLdif(LDIF)).code, 0)
  const text = await sent(strange, 'carl@example.test')
  t.regex(text, /^Return-Path: <carl\.smith@example\.test>/m)
  t.true(text.includes(MESSAGE), text)
  using other = tempFolder('canonical')
  await using off = await start(other.path, ['canonical_maps = ""'])
  t.is((await off.importLdif(LDIF)).code, 0)
  const plain = await sent(off, 'carl@example.test')
  t.regex(plain, /^Return-Path: <carl@example\.test>/m)
  t.true(plain.includes(MESSAGE), plain)
})
