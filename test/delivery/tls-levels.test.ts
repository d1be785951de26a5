import { X509Certificate, createHash } from 'node:crypto'
import test from 'ava'
import { tlsDecision } from '#src/delivery/tls-policy.ts'
import { credentialsFor } from '#src/delivery/credentials.ts'
import { parseTable } from '#src/delivery/table.ts'
import { fakeDns } from '#test/support/fake-names.ts'
import { tempFolder } from '#test/support/temp.ts'
import { FakePeer, wellBehaved } from './fake-peer.ts'
import { deliverer, never, request, shown } from './requests.ts'
import { secretive, testPki } from './tls-peer.ts'
import type { Planner, Secure } from '#src/delivery/attempt.ts'
import type { AuthRules } from '#src/delivery/credentials.ts'
import type { TlsRules } from '#src/delivery/tls-policy.ts'

const folder = tempFolder('tls-levels')
const PKI = await testPki(folder.path)
test.after.always(() => folder[Symbol.dispose]())

const RULES: TlsRules = {
  level: 'may',
  policies: { kind: 'table', entries: new Map() },
  verifyMatch: ['hostname'],
  secureMatch: ['nexthop', 'dot-nexthop'],
  fingerprints: [],
  ca: PKI.ca,
  caProblem: '',
  insecureMx: 'dane',
}

const AUTH: AuthRules = {
  enabled: false,
  passwords: { kind: 'table', entries: new Map() },
  securityOptions: ['noplaintext'],
  mechanismFilter: [],
}

interface Case {
  readonly rules?: Partial<TlsRules>
  readonly auth?: Partial<AuthRules>
  /** Text of smtp_tls_policy_maps. */
  readonly table?: string
  readonly cert?: string
  readonly inside?: string
  /** TLSA records of the MX host. */
  readonly tlsa?: string
  readonly mxSecure?: boolean
  readonly hostSecure?: boolean
  readonly plain?: boolean
  /** What it offers outside of TLS, where it has none. */
  readonly hello?: string
}

/** One message for far.example, whose MX mx.far.example is a peer with that certificate. */
async function deliver(given: Case): Promise<{ readonly outcome: string; readonly heard: string[] }> {
  const heard: string[] = []
  const cert = given.cert ?? PKI.leaf
  const script =
    given.plain === true
      ? wellBehaved([], given.hello ?? '250 peer\r\n', 'smtp')
      : secretive({ key: PKI.key, cert }, heard, given.inside)
  await using peer = await FakePeer.listen(script)
  const known = { host: 'mx.far.example', canonicalHost: 'mx.far.example', preference: 10 }
  const place = { address: '127.0.0.1', family: 4 as const, port: peer.port, hop: 0 }
  const planner: Planner = () =>
    Promise.resolve({
      kind: 'try',
      protocol: 'smtp',
      hops: [{ hop: HOP, mxSecure: given.mxSecure ?? true, via: 'mx' }],
      candidates: [{ ...known, ...place, secure: given.hostSecure ?? true }],
      sessionsMax: 2,
      alarm: '',
    })
  const at = `_${peer.port}._tcp.mx.far.example TLSA`
  const dns = fakeDns(given.tlsa === undefined ? {} : { [at]: given.tlsa }, ['far.example'])
  const policies = { kind: 'table' as const, entries: parseTable(given.table ?? '') }
  const secure: Secure = async (target, _protocol, signal) => {
    const decision = await tlsDecision(target, { ...RULES, policies, ...given.rules }, dns, signal)
    if (decision.kind === 'deferred') return decision
    const credentials = credentialsFor(target, { ...AUTH, ...given.auth })
    if (typeof credentials === 'string') return { kind: 'deferred', dsn: '4.3.0', reason: credentials }
    return { ...decision, credentials }
  }
  await using delivery = deliverer({}, { planner, secure })
  const destination = { protocol: 'smtp', host: 'far.example', port: 25, hops: [HOP] } as const
  const [outcome = ''] = shown(await delivery.deliver(request(0, ['a@far.example'], { destination }), never))
  return {
    outcome: outcome
      .replaceAll(/mx\.far\.example\[127\.0\.0\.1\](?::\d+)?/g, 'PEER')
      .replaceAll(String(peer.port), 'PORT'),
    heard,
  }
}

const HOP = {
  text: 'far.example',
  host: 'far.example',
  port: 25,
  bracketed: false,
  role: 'domain',
  reason: '',
} as const

const leaf = new X509Certificate(PKI.leaf)
const ca = new X509Certificate(PKI.ca)
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const spki = (of: X509Certificate): Buffer => of.publicKey.export({ type: 'spki', format: 'der' })
const CHAIN = `${PKI.leaf}${PKI.ca}`
const SENT = 'sent 2.0.0 250 2.0.0 taken'
const NOT_VERIFIED = 'deferred 4.7.5 Server certificate not verified'
const NO_MATCH = 'deferred 4.7.5 Server certificate not trusted: no TLSA record matches'

const CASES: readonly (readonly [string, Case, string])[] = [
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
