import test from 'ava'
import type { RecipientLookup } from '#src/directory/directory.ts'
import type { Policy } from '#src/smtp/ports.ts'
import { SmtpPolicy } from '#src/policy/policy.ts'
import type { Recipients } from '#src/policy/policy.ts'

const NOBODY = { user: '', sendsAs: [], fingerprints: [] }
const STRANGER = { address: '192.0.2.1', port: 4000, ...NOBODY }
const FRIEND = { address: '127.0.0.1', port: 4000, ...NOBODY }
const ALICE = { ...STRANGER, user: 'alice@example.test', sendsAs: ['alice@example.test'] }

const SETTINGS = {
  hostname: 'mx.example.test',
  myNetworks: ['127.0.0.0/8', '!10.9.0.0/16', '10.0.0.0/8'],
  connectionCountLimit: 2,
  postmaster: 'postmaster@example.test',
  rejectUnlistedSender: false,
  senderRestrictions: ['reject_authenticated_sender_login_mismatch'],
  recipientDelimiter: '+',
  relayClientCerts: ['ab'.repeat(32)],
}

const KNOWN: ReadonlyMap<string, RecipientLookup> = new Map([
  ['alice@example.test', { kind: 'found', deliverTo: ['alice@example.test'] }],
  ['list@example.test', { kind: 'found', deliverTo: ['alice@example.test', 'bob@example.test'] }],
  ['postmaster@example.test', { kind: 'found', deliverTo: ['admin@example.test'] }],
  ['away@example.test', { kind: 'unusable', reason: 'secret@elsewhere.test' }],
  ['broken@example.test', { kind: 'unavailable', reason: 'disk' }],
])

const directory: Recipients = {
  domain: (name) => (name === 'example.test' ? 'local' : name === 'down.test' ? 'unavailable' : 'foreign'),
  recipient: (address) => KNOWN.get(address) ?? { kind: 'unknown' },
}

/** Counts as anvil in master does. */
function counting() {
  const held: string[] = []
  return {
    held,
    admit: (address: string) => {
      if (held.filter((one) => one === address).length >= 2) return Promise.resolve(false)
      held.push(address)
      return Promise.resolve(true)
    },
    leave: (address: string) => {
      held.splice(held.indexOf(address), 1)
    },
  }
}

const stranger = (port: number) => ({ ...STRANGER, port })

function policy(recipients: Recipients = directory): SmtpPolicy {
  return new SmtpPolicy(recipients, counting(), SETTINGS)
}

test('it is the policy that smtp asks for', (t) => {
  const asked: Policy = policy()
  t.truthy(asked)
})

for (const [address, code, text] of [
  ['nobody@example.test', '550 5.1.1', '<nobody@example.test>: Recipient address rejected: User unknown'],
  ['x@elsewhere.test', '554 5.7.1', '<x@elsewhere.test>: Relay access denied'],
  ['x@[192.0.2.9]', '554 5.7.1', '<x@[192.0.2.9]>: Relay access denied'],
  ['x%elsewhere.test@example.test', '554 5.7.1', '<x%elsewhere.test@example.test>: Relay access denied'],
  ['elsewhere.test!x@example.test', '554 5.7.1', '<elsewhere.test!x@example.test>: Relay access denied'],
  ['"x@elsewhere.test"@example.test', '554 5.7.1', '<"x@elsewhere.test"@example.test>: Relay access denied'],
  ['"x%elsewhere.test"@example.test', '554 5.7.1', '<"x%elsewhere.test"@example.test>: Relay access denied'],
  ['alice', '504 5.5.2', '<alice>: Recipient address rejected: need fully-qualified address'],
  ['x@down.test', '451 4.3.0', '<x@down.test>: Temporary lookup failure'],
  ['broken@example.test', '451 4.3.0', '<broken@example.test>: Temporary lookup failure'],
  [
    'away@example.test',
    '451 4.6.0',
    '<away@example.test>: Recipient address rejected: Alias expansion error',
  ],
] as const) {
  test(`RCPT TO:<${address}> is refused with ${code}`, (t) => {
    const decision = policy().recipient(STRANGER, 'a@b.test', address)
    t.not(decision.kind, 'accept')
    if (decision.kind === 'accept') return
    t.is(`${decision.reply.code} ${decision.reply.dsn}`, code)
    t.is(decision.reply.text, text)
  })
}

test('a recipient of ours is taken and goes where the directory says', (t) => {
  t.deepEqual(policy().recipient(STRANGER, '', 'list@example.test'), {
    kind: 'accept',
    deliverTo: ['alice@example.test', 'bob@example.test'],
  })
})

test('a trusted client may send to any domain, and to the address that was meant', (t) => {
  for (const [given, meant] of [
    ['x@elsewhere.test', 'x@elsewhere.test'],
    ['"x"@elsewhere.test', 'x@elsewhere.test'],
    ['x@[192.0.2.9]', 'x@[192.0.2.9]'],
  ] as const) {
    t.deepEqual(policy().recipient(FRIEND, '', given), { kind: 'accept', deliverTo: [meant] })
  }
  // A route in disguise through a domain of ours is none of its rights.
  t.is(policy().recipient(FRIEND, '', 'x%elsewhere.test@example.test').kind, 'refuse')
})

test('whoever has authenticated may send to any domain, and no route in disguise through one of ours', (t) => {
  t.deepEqual(policy().recipient(ALICE, '', 'x@elsewhere.test'), {
    kind: 'accept',
    deliverTo: ['x@elsewhere.test'],
  })
  t.is(policy().recipient(ALICE, '', 'x%elsewhere.test@example.test').kind, 'refuse')
})

test('a client whose certificate is listed may send to any domain, another may not', (t) => {
  const known = { ...STRANGER, fingerprints: ['00'.repeat(32), 'ab'.repeat(32)] }
  t.is(policy().recipient(known, '', 'x@elsewhere.test').kind, 'accept')
  const other = { ...STRANGER, fingerprints: ['00'.repeat(32)] }
  t.is(policy().recipient(other, '', 'x@elsewhere.test').kind, 'refuse')
})

test('rules about strangers are looked at where some are set', (t) => {
  const strict = new SmtpPolicy(directory, counting(), {
    ...SETTINGS,
    senderRestrictions: ['permit_mynetworks', 'reject_sender_login_mismatch'],
  })
  t.like(strict.mail(STRANGER, 'alice@example.test'), { code: 553, dsn: '5.7.1' })
  t.is(strict.mail(FRIEND, 'alice@example.test'), undefined)
  t.is(strict.mail(STRANGER, 'x@elsewhere.test'), undefined)
  t.like(strict.mail(STRANGER, 'x@down.test'), { code: 451 })
})

test('whoever has authenticated sends as itself; anybody else may write to us as whoever it says', (t) => {
  t.is(policy().mail(ALICE, 'alice@example.test'), undefined)
  t.like(policy().mail(ALICE, 'bob@example.test'), { code: 553, dsn: '5.7.1' })
  t.is(policy().mail(STRANGER, 'alice@example.test'), undefined)
})

for (const address of ['postmaster', 'PostMaster', 'Postmaster@example.test', 'postmaster@down.test']) {
  test(`<${address}> is always taken`, (t) => {
    t.deepEqual(policy().recipient(STRANGER, '', address), {
      kind: 'accept',
      deliverTo: address === 'Postmaster@example.test' ? ['admin@example.test'] : ['admin@example.test'],
    })
  })
}

test('postmaster is taken with the directory down, and goes to the address that was set', (t) => {
  const down: Recipients = {
    domain: () => 'unavailable',
    recipient: () => ({ kind: 'unavailable', reason: 'gone' }),
  }
  for (const address of ['postmaster', 'postmaster@example.test']) {
    t.deepEqual(policy(down).recipient(STRANGER, '', address), {
      kind: 'accept',
      deliverTo: ['postmaster@example.test'],
    })
  }
})

test('postmaster of a foreign domain is relaying like any other', (t) => {
  t.is(policy().recipient(STRANGER, '', 'postmaster@elsewhere.test').kind, 'refuse')
})

test('the third connection of a client that may have two is answered 421 4.7.0 and closed; when one ends, there is room', async (t) => {
  const asked = policy()
  t.is(await asked.connect(stranger(1)), undefined)
  t.is(await asked.connect(stranger(2)), undefined)
  const refused = await asked.connect(stranger(3))
  t.like(refused, { code: 421, dsn: '4.7.0', close: true })
  t.regex(String(refused?.text), /too many connections from your host/)
  // It was never let in, so its end gives no room.
  asked.disconnect(stranger(3))
  t.like(await asked.connect(stranger(4)), { code: 421 })
  asked.disconnect(stranger(1))
  t.is(await asked.connect(stranger(5)), undefined)
})

test('with smtpd_reject_unlisted_sender a sender of ours that is nobody is refused, others are not', (t) => {
  const asked = new SmtpPolicy(directory, counting(), { ...SETTINGS, rejectUnlistedSender: true })
  t.like(asked.mail(STRANGER, 'nobody@example.test'), { code: 550, dsn: '5.1.0' })
  const [known = ''] = KNOWN.keys()
  for (const sender of ['', known, 'nobody@other.test', 'nobody@down.test'])
    t.is(asked.mail(STRANGER, sender), undefined, sender)
  t.is(policy().mail(STRANGER, 'nobody@example.test'), undefined)
})

test('clients of mynetworks are not counted, those excepted from it are', async (t) => {
  const anvil = counting()
  const asked = new SmtpPolicy(directory, anvil, SETTINGS)
  for (const address of ['127.0.0.1', '10.1.2.3', '::ffff:10.1.2.3']) {
    const client = { ...STRANGER, address }
    t.is(await asked.connect(client), undefined)
    t.deepEqual(anvil.held, [], address)
    asked.disconnect(client)
  }
  await asked.connect({ ...STRANGER, address: '10.9.1.1' })
  t.deepEqual(anvil.held, ['10.9.1.1'])
})

test('a client that was counted is let go although mynetworks has it by then', async (t) => {
  const anvil = counting()
  const asked = new SmtpPolicy(directory, anvil, SETTINGS)
  await asked.connect(STRANGER)
  asked.update({ ...SETTINGS, myNetworks: ['192.0.2.0/24'] })
  asked.disconnect(STRANGER)
  t.deepEqual(anvil.held, [])
})

test('with the limit 0 nobody is counted', async (t) => {
  const anvil = counting()
  const asked = new SmtpPolicy(directory, anvil, { ...SETTINGS, connectionCountLimit: 0 })
  t.is(await asked.connect(STRANGER), undefined)
  t.deepEqual(anvil.held, [])
})

test('the address of the self-test is taken from this machine alone, whatever mynetworks and the directory say', (t) => {
  const mine = new SmtpPolicy(directory, counting(), { ...SETTINGS, myNetworks: ['10.0.0.0/8'] })
  const taken = { kind: 'accept', deliverTo: ['postern@selftest.postern.invalid'] } as const
  for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1'])
    t.deepEqual(mine.recipient({ ...FRIEND, address }, '', 'Postern@selftest.postern.invalid'), taken)
  for (const client of [STRANGER, ALICE, { ...FRIEND, address: '10.0.0.1' }])
    t.like(mine.recipient(client, '', 'postern@selftest.postern.invalid'), {
      reply: { code: 550, dsn: '5.1.2' },
    })
  t.like(mine.recipient(FRIEND, '', 'other@selftest.postern.invalid'), { reply: { code: 550 } })
})
