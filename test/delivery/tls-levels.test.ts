import { X509Certificate, createHash } from 'node:crypto'
import test from 'ava'
import { parseTable } from '#src/delivery/table.ts'
import { tempFolder } from '#test/support/temp.ts'
import { testPki } from './tls-peer.ts'
import { tlsWorld } from './tls-world.ts'
import type { TlsCase } from './tls-world.ts'

const folder = tempFolder('tls-levels')
const PKI = await testPki(folder.path)
test.after.always(() => folder[Symbol.dispose]())

const deliver = tlsWorld(PKI)

const leaf = new X509Certificate(PKI.leaf)
const ca = new X509Certificate(PKI.ca)
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const spki = (of: X509Certificate): Buffer => of.publicKey.export({ type: 'spki', format: 'der' })
const CHAIN = `${PKI.leaf}${PKI.ca}`
const SENT = 'sent 2.0.0 250 2.0.0 taken'
const NOT_VERIFIED = 'deferred 4.7.5 Server certificate not verified'
const NO_MATCH = 'deferred 4.7.5 Server certificate not trusted: no TLSA record matches'

const CASES: readonly (readonly [string, TlsCase, string])[] = [
  ['verify takes the host by its CA', { rules: { level: 'verify' } }, SENT],
  ['verify refuses another name', { rules: { level: 'verify' }, cert: PKI.stranger }, NOT_VERIFIED],
  [
    'verify refuses another CA',
    { rules: { level: 'verify', ca: PKI.otherCa } },
    'deferred 4.7.5 Server certificate not trusted: UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  ],
  [
    'verify refuses an old certificate',
    { rules: { level: 'verify' }, cert: PKI.expired },
    'deferred 4.7.5 Server certificate not trusted: CERT_HAS_EXPIRED',
  ],
  ['secure takes a name below the domain', { rules: { level: 'secure' } }, SENT],
  [
    'secure refuses a name that only the MX record says',
    { rules: { level: 'secure', secureMatch: ['nexthop'] } },
    NOT_VERIFIED,
  ],
  [
    'secure never goes in plaintext',
    { rules: { level: 'secure' }, plain: true },
    'deferred 4.7.4 TLS is required, but was not offered by host PEER',
  ],
  ['may goes in plaintext', { rules: { level: 'may' }, plain: true }, SENT],
  ['may takes anybody', { rules: { level: 'may' }, cert: PKI.expired }, SENT],
  [
    'fingerprint of the certificate',
    { rules: { level: 'fingerprint', fingerprints: [leaf.fingerprint256] } },
    SENT,
  ],
  [
    'fingerprint of the public key',
    { rules: { level: 'fingerprint', fingerprints: [sha256(spki(leaf))] } },
    SENT,
  ],
  [
    'fingerprint of somebody else',
    { rules: { level: 'fingerprint', fingerprints: [ca.fingerprint256] } },
    NOT_VERIFIED,
  ],
  [
    'the policy table goes before the level',
    { table: 'far.example secure match=other.example', cert: PKI.stranger },
    SENT,
  ],
  ['the policy table knows domains above', { table: '.example verify match=nexthop' }, NOT_VERIFIED],
  [
    'a fingerprint in the policy table',
    { table: `far.example fingerprint match=${ca.fingerprint256}|${leaf.fingerprint256}` },
    SENT,
  ],
  [
    'a policy table that is wrong',
    { table: 'far.example tight' },
    'deferred 4.3.5 TLS policy table: invalid security level "tight" for far.example',
  ],
  [
    'a policy table that is not there',
    { rules: { policies: { kind: 'unreadable', reason: 'gone' } } },
    'deferred 4.3.5 TLS policy table: gone',
  ],
  [
    'DANE-EE by key, whatever the name and date',
    { rules: { level: 'dane' }, cert: PKI.expired, tlsa: `3 1 1 ${sha256(spki(leaf))}` },
    SENT,
  ],
  ['DANE-EE by certificate', { rules: { level: 'dane-only' }, tlsa: `3 0 1 ${sha256(leaf.raw)}` }, SENT],
  ['DANE-EE that does not match', { rules: { level: 'dane' }, tlsa: `3 1 1 ${sha256(spki(ca))}` }, NO_MATCH],
  [
    'DANE and no STARTTLS',
    { rules: { level: 'dane' }, tlsa: `3 1 1 ${sha256(spki(leaf))}`, plain: true },
    'deferred 4.7.4 TLS is required, but was not offered by host PEER',
  ],
  [
    'DANE-TA by the CA that is sent',
    { rules: { level: 'dane' }, cert: CHAIN, tlsa: `2 0 1 ${sha256(ca.raw)}` },
    SENT,
  ],
  [
    'DANE-TA with the CA in the record',
    { rules: { level: 'dane' }, tlsa: `2 1 0 ${spki(ca).toString('hex')}` },
    SENT,
  ],
  [
    'DANE-TA and another name',
    { rules: { level: 'dane' }, cert: `${PKI.stranger}${PKI.ca}`, tlsa: `2 0 1 ${sha256(ca.raw)}` },
    NO_MATCH,
  ],
  [
    'DANE-TA and an old certificate',
    { rules: { level: 'dane' }, cert: `${PKI.expired}${PKI.ca}`, tlsa: `2 0 1 ${sha256(ca.raw)}` },
    NO_MATCH,
  ],
  [
    'DANE-TA that is not above',
    {
      rules: { level: 'dane' },
      cert: `${PKI.leaf}${PKI.otherCa}`,
      tlsa: `2 0 1 ${sha256(new X509Certificate(PKI.otherCa).raw)}`,
    },
    NO_MATCH,
  ],
  [
    'one of two records is enough',
    { rules: { level: 'dane' }, tlsa: `3 1 1 ${sha256(spki(ca))}, 3 1 1 ${sha256(spki(leaf))}` },
    SENT,
  ],
  [
    'PKIX usages mean that there is TLS',
    { rules: { level: 'dane' }, tlsa: `1 0 1 ${sha256(ca.raw)}`, plain: true },
    'deferred 4.7.4 TLS is required, but was not offered by host PEER',
  ],
  [
    'PKIX usages and dane-only',
    { rules: { level: 'dane-only' }, tlsa: `1 0 1 ${sha256(ca.raw)}` },
    'deferred 4.7.5 no usable TLSA records for mx.far.example:PORT, and dane-only needs DANE',
  ],
  ['no TLSA is may', { rules: { level: 'dane' }, plain: true }, SENT],
  [
    'no TLSA and dane-only',
    { rules: { level: 'dane-only' } },
    'deferred 4.7.5 no TLSA records found for mx.far.example:PORT, and dane-only needs DANE',
  ],
  [
    'TLSA that is bogus',
    { rules: { level: 'dane' }, tlsa: 'SERVFAIL', plain: true },
    'deferred 4.7.5 TLSA lookup error for mx.far.example:PORT: RCODE 2',
  ],
  [
    'an address that is not proven has no DANE',
    { rules: { level: 'dane' }, tlsa: 'SERVFAIL', hostSecure: false, plain: true },
    SENT,
  ],
  [
    'MX records that are not proven, by the setting',
    { rules: { level: 'dane', insecureMx: 'may' }, tlsa: 'SERVFAIL', mxSecure: false, plain: true },
    SENT,
  ],
  [
    'MX records that are not proven, and a host that is',
    { rules: { level: 'dane' }, tlsa: `3 1 1 ${sha256(spki(ca))}`, mxSecure: false },
    NO_MATCH,
  ],
]

for (const [title, given, expected] of CASES) {
  test(`${title}: ${expected.split(' ').slice(0, 2).join(' ')}`, async (t) => {
    const { outcome } = await deliver(given)
    t.is(outcome, expected)
  })
}

const PASSWORDS = { kind: 'table' as const, entries: parseTable('far.example u:secret\n') }
const WITH_AUTH = '250-peer\r\n250 AUTH LOGIN PLAIN\r\n'

test('AUTH PLAIN is said inside TLS, before MAIL', async (t) => {
  const { outcome, heard } = await deliver({
    auth: { enabled: true, passwords: PASSWORDS },
    inside: WITH_AUTH,
  })
  t.is(outcome, SENT)
  t.is(heard[0], `AUTH PLAIN ${Buffer.from('\0u\0secret').toString('base64')}`)
  t.regex(heard[1] ?? '', /^MAIL FROM/)
})

test('AUTH LOGIN is used where nothing else may be', async (t) => {
  const auth = { enabled: true, passwords: PASSWORDS, mechanismFilter: ['login'] }
  const { outcome, heard } = await deliver({ auth, inside: WITH_AUTH })
  t.is(outcome, SENT)
  t.deepEqual(heard.slice(0, 3), ['AUTH LOGIN', 'dQ==', 'c2VjcmV0'])
})

test('a password that is refused defers the mail and is not shown', async (t) => {
  const passwords = { kind: 'table' as const, entries: parseTable('far.example u:wrong\n') }
  const { outcome, heard } = await deliver({ auth: { enabled: true, passwords }, inside: WITH_AUTH })
  t.is(outcome, 'deferred 4.7.8 SASL authentication failed; server PEER said: 535 5.7.8 no')
  t.false(heard.some((line) => line.startsWith('MAIL')))
})

test('no password goes out in plaintext, unless that was allowed', async (t) => {
  for (const [securityOptions, expected] of [
    [
      ['noplaintext'],
      'deferred 4.7.0 SASL authentication failed; cannot authenticate to server PEER: no mechanism available without TLS',
    ],
    [[], SENT],
  ] as const) {
    const auth = { enabled: true, passwords: PASSWORDS, securityOptions }
    const { outcome } = await deliver({
      auth,
      rules: { level: 'none' },
      plain: true,
      hello: '250-peer\r\n250 AUTH=PLAIN\r\n',
    })
    t.is(outcome, expected)
  }
})

test('a password table that cannot be read keeps the mail', async (t) => {
  const passwords = { kind: 'unreadable' as const, reason: 'gone' }
  const { outcome } = await deliver({ auth: { enabled: true, passwords } })
  t.is(outcome, 'deferred 4.3.0 SASL password table: gone')
})
