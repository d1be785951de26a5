import test from 'ava'
import type { DomainKind, RecipientLookup } from '#src/directory/directory.ts'
import { ConfirmingPolicy } from '#src/policy/confirming.ts'
import type { RecipientDecision } from '#src/policy/policy.ts'
import { SmtpPolicy } from '#src/policy/policy.ts'
import type { Policy } from '#src/smtp/ports.ts'

const STRANGER = { address: '192.0.2.1', port: 4000, user: '', sendsAs: [], fingerprints: [] }
const FRIEND = { ...STRANGER, address: '127.0.0.1' }
const USER = { ...STRANGER, user: 'alice@ours.test', sendsAs: ['alice@ours.test'] }

const SETTINGS = {
  hostname: 'mx.ours.test',
  myNetworks: ['127.0.0.0/8'],
  connectionCountLimit: 0,
  postmaster: 'postmaster@ours.test',
  rejectUnlistedSender: true,
  senderRestrictions: [],
  relayClientCerts: [],
  recipientDelimiter: '+',
}

const FOUND: ReadonlyMap<string, readonly string[]> = new Map([
  ['alice@ours.test', ['alice@ours.test']],
  ['list@ours.test', ['alice@ours.test']],
  ['postmaster@ours.test', ['admin@ours.test']],
])

const mirror = {
  domain: (name: string): DomainKind => (name === 'ours.test' ? 'local' : 'foreign'),
  recipient: (address: string): RecipientLookup => {
    const deliverTo = FOUND.get(address)
    return deliverTo === undefined ? { kind: 'unknown' } : { kind: 'found', deliverTo }
  },
  missingOf: (address: string) => (address === 'list@ours.test' ? ['fresh@ours.test'] : []),
}

/** A directory server that knows a little more than the mirror, and notes what it is asked. */
function server() {
  const asked: string[] = []
  return {
    asked,
    domain: (name: string): Promise<DomainKind> => {
      asked.push(name)
      return Promise.resolve(name === 'fresh.test' ? 'local' : 'foreign')
    },
    recipient: (address: string): Promise<RecipientLookup> => {
      asked.push(address)
      if (address.startsWith('fresh@')) return Promise.resolve({ kind: 'found', deliverTo: [address] })
      if (address === 'list@ours.test')
        return Promise.resolve({ kind: 'found', deliverTo: ['alice@ours.test', 'fresh@ours.test'] })
      return Promise.resolve({ kind: 'unknown' })
    },
  }
}

const DOWN = {
  asked: [],
  domain: (): Promise<DomainKind> => Promise.resolve('unavailable'),
  recipient: (): Promise<RecipientLookup> => Promise.resolve({ kind: 'unavailable', reason: 'gone' }),
}

function policyOver(asker: ReturnType<typeof server> | typeof DOWN): ConfirmingPolicy {
  const anvil = { admit: () => Promise.resolve(true), leave: () => {} }
  return new ConfirmingPolicy(new SmtpPolicy(mirror, anvil, SETTINGS), mirror, asker)
}

test('it is the policy that smtp asks for', (t) => {
  const asked: Policy = policyOver(server())
  t.truthy(asked)
})

function answerOf(decision: RecipientDecision): string {
  if (decision.kind === 'accept') return OK(...decision.deliverTo)
  return `${decision.reply.code} ${decision.reply.dsn ?? ''}`
}

const OK = (...deliverTo: readonly string[]) => `250 ${deliverTo.join(' ')}`

for (const [who, client, address, up, asks, down] of [
  ['a stranger', STRANGER, 'alice@ours.test', OK('alice@ours.test'), 0, OK('alice@ours.test')],
  ['a stranger', STRANGER, 'fresh@ours.test', OK('fresh@ours.test'), 1, '451 4.3.0'],
  ['a stranger', STRANGER, 'nobody@ours.test', '550 5.1.1', 1, '451 4.3.0'],
  ['a stranger', STRANGER, 'x@elsewhere.test', '554 5.7.1', 1, '451 4.3.0'],
  ['a stranger', STRANGER, 'fresh@fresh.test', OK('fresh@fresh.test'), 2, '451 4.3.0'],
  ['a stranger', STRANGER, 'nobody@fresh.test', '550 5.1.1', 2, '451 4.3.0'],
  ['a stranger', STRANGER, 'x%elsewhere.test@fresh.test', '554 5.7.1', 2, '451 4.3.0'],
  // Of a list with a member that is newer than the mirror nobody is left out, and nobody waits for the others.
  [
    'a stranger',
    STRANGER,
    'list@ours.test',
    OK('alice@ours.test', 'fresh@ours.test'),
    1,
    OK('alice@ours.test'),
  ],
  ['a stranger', STRANGER, 'postmaster', OK('admin@ours.test'), 0, OK('admin@ours.test')],
  ['a stranger', STRANGER, 'postmaster@fresh.test', OK('admin@ours.test'), 2, OK('admin@ours.test')],
  ['mynetworks', FRIEND, 'x@elsewhere.test', OK('x@elsewhere.test'), 0, OK('x@elsewhere.test')],
  ['mynetworks', FRIEND, 'nobody@ours.test', '550 5.1.1', 1, '451 4.3.0'],
  ['a user', USER, 'x@elsewhere.test', OK('x@elsewhere.test'), 0, OK('x@elsewhere.test')],
] as const) {
  test(`${who} who writes to ${address} is answered ${up}, and ${down} while no server answers`, async (t) => {
    const asker = server()
    t.is(answerOf(await policyOver(asker).recipient(client, 'a@b.test', address)), up)
    t.is(asker.asked.length, asks)
    t.is(answerOf(await policyOver(DOWN).recipient(client, 'a@b.test', address)), down)
  })
}

test('what the mirror knows is decided without waiting', (t) => {
  const decision = policyOver(server()).recipient(STRANGER, 'a@b.test', 'alice@ours.test')
  t.false(decision instanceof Promise)
  t.is(policyOver(server()).mail(STRANGER, 'alice@ours.test'), undefined)
})

test('a sender of ours is refused as unknown only when the server says so', async (t) => {
  t.is((await policyOver(server()).mail(STRANGER, 'nobody@ours.test'))?.code, 550)
  t.is(await policyOver(server()).mail(STRANGER, 'fresh@ours.test'), undefined)
  t.is(await policyOver(DOWN).mail(STRANGER, 'nobody@ours.test'), undefined)
  t.is(await policyOver(DOWN).mail(STRANGER, ''), undefined)
})
