import test from 'ava'
import { senderRefusal } from '#src/policy/senders.ts'
import type { SenderFacts } from '#src/policy/senders.ts'

const ALICE = {
  user: 'alice@example.test',
  sendsAs: ['alice@example.test', 'a.lice@example.test', 'news@elsewhere.test', '@catch.test'],
}
const NOBODY = { user: '', sendsAs: [] }
const OWNED: ReadonlySet<string> = new Set(['alice@example.test', 'bob@example.test'])

function facts(...restrictions: readonly string[]): SenderFacts {
  return {
    restrictions,
    recipientDelimiter: '+',
    isTrusted: () => false,
    isOwned: (address) =>
      address.endsWith('@down.test') ? 'unavailable' : OWNED.has(address) ? 'owned' : 'free',
  }
}

const OWN = 'reject_authenticated_sender_login_mismatch'

for (const sender of [
  '',
  'alice@example.test',
  'ALICE@EXAMPLE.test',
  'alice+lists@example.test',
  'a.lice@example.test',
  'news@elsewhere.test',
  'whoever@catch.test',
]) {
  test(`alice may send as <${sender}>`, (t) => {
    t.is(senderRefusal(ALICE, sender, facts(OWN)), undefined)
  })
}

for (const sender of [
  'bob@example.test',
  'alice@example.tes',
  'alice@sub.example.test',
  'xalice@example.test',
  'alice@example.test.evil.example',
  '"alice@example.test"@evil.example',
  '+lists@example.test',
  'nobody@example.test',
  'bob+alice@example.test',
  'whoever@sub.catch.test',
  // A Greek omicron: another name, however alike it looks.
  'alice@example.test'.replace('e', 'ε'),
]) {
  test(`alice may not send as <${sender}>`, (t) => {
    t.deepEqual(senderRefusal(ALICE, sender, facts(OWN)), {
      code: 553,
      dsn: '5.7.1',
      text: `<${sender}>: Sender address rejected: not owned by user alice@example.test`,
    })
  })
}

for (const [restriction, client, sender, code] of [
  [OWN, NOBODY, 'alice@example.test', undefined],
  ['reject_unauthenticated_sender_login_mismatch', NOBODY, 'alice@example.test', 553],
  ['reject_unauthenticated_sender_login_mismatch', NOBODY, 'free@example.test', undefined],
  ['reject_unauthenticated_sender_login_mismatch', NOBODY, 'x@down.test', 451],
  ['reject_unauthenticated_sender_login_mismatch', ALICE, 'bob@example.test', undefined],
  ['reject_sender_login_mismatch', NOBODY, 'alice@example.test', 553],
  ['reject_sender_login_mismatch', ALICE, 'bob@example.test', 553],
  ['reject_sender_login_mismatch', ALICE, 'alice@example.test', undefined],
  ['reject_known_sender_login_mismatch', ALICE, 'bob@example.test', 553],
  ['reject_known_sender_login_mismatch', ALICE, 'free@example.test', undefined],
  ['reject_known_sender_login_mismatch', ALICE, 'x@down.test', 451],
  ['reject_known_sender_login_mismatch', NOBODY, 'bob@example.test', 553],
  ['reject_non_fqdn_sender', ALICE, 'bob@example.test', undefined],
] as const) {
  const who = client.user === '' ? 'a stranger' : 'alice'
  test(`${restriction}: ${who} as <${sender}> ${code === undefined ? 'may go on' : `is answered ${code}`}`, (t) => {
    t.is(senderRefusal(client, sender, facts(restriction))?.code, code)
  })
}

test('the first rule that decides does', (t) => {
  t.is(senderRefusal(ALICE, 'bob@example.test', facts('permit_sasl_authenticated', OWN)), undefined)
  t.is(senderRefusal(ALICE, 'bob@example.test', facts(OWN, 'permit_sasl_authenticated'))?.code, 553)
  const trusted = { ...facts('permit_mynetworks', 'reject_sender_login_mismatch'), isTrusted: () => true }
  t.is(senderRefusal(NOBODY, 'bob@example.test', trusted), undefined)
  t.is(senderRefusal(NOBODY, 'bob@example.test', { ...trusted, isTrusted: () => false })?.code, 553)
  t.is(senderRefusal(ALICE, 'bob@example.test', facts()), undefined)
})
