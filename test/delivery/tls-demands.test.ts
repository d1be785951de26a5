import { X509Certificate, createHash } from 'node:crypto'
import test from 'ava'
import { tempFolder } from '#test/support/temp.ts'
import { testPki } from './tls-peer.ts'
import { tlsWorld } from './tls-world.ts'
import type { TlsCase } from './tls-world.ts'

const folder = tempFolder('tls-demands')
const PKI = await testPki(folder.path)
test.after.always(() => folder[Symbol.dispose]())

const deliver = tlsWorld(PKI)
const SENT = 'sent 2.0.0 250 2.0.0 taken'
const leaf = new X509Certificate(PKI.leaf)
const spki = createHash('sha256')
  .update(leaf.publicKey.export({ type: 'spki', format: 'der' }))
  .digest('hex')
const LOOSE = 'DEFAULT:@SECLEVEL=0'

for (const [title, given, expected] of [
  ['TLS 1.3 is the usual', {}, 'TLSv1.3 TLS_AES_256_GCM_SHA384 mx.far.example'],
  [
    'protocols of the policy table',
    { table: 'far.example encrypt protocols=TLSv1.2' },
    'TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256 mx.far.example',
  ],
  [
    'protocols that are taken out',
    { table: 'far.example encrypt protocols=!SSLv2:!SSLv3:!TLSv1.3' },
    'TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256 mx.far.example',
  ],
  [
    'a bound above',
    { table: 'far.example may protocols=<=TLSv1.2' },
    'TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256 mx.far.example',
  ],
  [
    'ciphers that are excluded',
    { table: 'far.example encrypt protocols=TLSv1.2 exclude=AESGCM ciphers=high' },
    'TLSv1.2 ECDHE-ECDSA-CHACHA20-POLY1305 mx.far.example',
  ],
  [
    'the settings count where the table says nothing of it',
    {
      table: 'far.example encrypt',
      rules: { mandatory: { protocols: '<=TLSv1.2', grade: 'medium', exclude: ['AES128'] } },
    },
    'TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384 mx.far.example',
  ],
  [
    'settings for may do not count for encrypt',
    {
      table: 'far.example encrypt',
      rules: { opportunistic: { protocols: '<=TLSv1.2', grade: 'medium', exclude: [] } },
    },
    'TLSv1.3 TLS_AES_256_GCM_SHA384 mx.far.example',
  ],
  [
    'a name of its own in the handshake',
    { table: 'far.example encrypt servername=other.example' },
    'TLSv1.3 TLS_AES_256_GCM_SHA384 other.example',
  ],
  [
    'the next hop as the name in the handshake',
    { rules: { servername: 'nexthop' } },
    'TLSv1.3 TLS_AES_256_GCM_SHA384 far.example',
  ],
  [
    'TLS from the first octet',
    { wrapped: true, rules: { wrapperMode: true } },
    'TLSv1.3 TLS_AES_256_GCM_SHA384 mx.far.example',
  ],
  [
    'TLS from the first octet, with whom the level says',
    { wrapped: true, rules: { wrapperMode: true, level: 'verify' } },
    'TLSv1.3 TLS_AES_256_GCM_SHA384 mx.far.example',
  ],
  [
    'one of several fingerprints, each with a match of its own',
    { table: `far.example fingerprint match=${'00:'.repeat(31)}00 match=${leaf.fingerprint256}` },
    'TLSv1.3 TLS_AES_256_GCM_SHA384 mx.far.example',
  ],
] as const satisfies readonly (readonly [string, TlsCase, string])[]) {
  test(`${title}: the handshake is ${expected}`, async (t) => {
    const { outcome, handshake } = await deliver(given)
    t.is(outcome, SENT)
    t.is(handshake, expected)
  })
}

for (const [title, given, expected] of [
  [
    'a peer that is too old',
    { peerTls: { maxVersion: 'TLSv1.1', ciphers: LOOSE }, rules: { level: 'encrypt' } },
    /^deferred 4\.7\.5 Cannot start TLS: /,
  ],
  [
    'protocols of which none is left',
    { table: 'far.example may protocols=TLSv1:SSLv3' },
    /^deferred 4\.3\.5 TLS protocols "TLSv1:SSLv3" leave neither TLSv1\.2 nor TLSv1\.3 for far\.example$/,
  ],
  [
    'a grade that is none',
    { table: 'far.example may ciphers=best' },
    /^deferred 4\.3\.5 TLS policy table: invalid cipher grade "best" for far\.example$/,
  ],
  [
    'an attribute without a value',
    { table: 'far.example may ciphers' },
    /^deferred 4\.3\.5 TLS policy table: invalid attribute "ciphers" for far\.example$/,
  ],
  [
    'a peer that speaks plaintext where TLS comes first, even at may',
    { plain: true, rules: { wrapperMode: true } },
    /^deferred 4\.7\.5 Cannot start TLS: /,
  ],
  [
    'a stranger where TLS comes first',
    { wrapped: true, cert: PKI.stranger, rules: { wrapperMode: true, level: 'verify' } },
    /^deferred 4\.7\.5 Server certificate not verified$/,
  ],
] as const satisfies readonly (readonly [string, TlsCase, RegExp])[]) {
  test(`${title} keeps the mail`, async (t) => {
    t.regex((await deliver(given)).outcome, expected)
  })
}

const REQUIRED: TlsCase = { message: { requireTls: true } }
const PROMISES = '250-peer\r\n250 REQUIRETLS\r\n'
const STS = { mode: 'enforce', mx: ['mx.far.example'], maxAgeSeconds: 86_400 } as const

for (const [title, given, expected] of [
  ['a host that has proven who it is', { inside: PROMISES, rules: { level: 'verify' } }, SENT],
  ['a host that DANE proves', { inside: PROMISES, rules: { level: 'dane' }, tlsa: `3 1 1 ${spki}` }, SENT],
  [
    'a host that does not promise it',
    { rules: { level: 'verify' } },
    'bounced 5.7.30 REQUIRETLS was not offered by host PEER',
  ],
  [
    'a host without TLS',
    { plain: true, hello: PROMISES },
    'bounced 5.7.30 TLS is required, but was not offered by host PEER',
  ],
  [
    'a host with a certificate for another name, though the level is may',
    { inside: PROMISES, cert: PKI.stranger },
    'bounced 5.7.30 Server certificate not trusted: UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  ],
  [
    'a hop where TLS is turned off',
    { inside: PROMISES, rules: { level: 'none' } },
    'bounced 5.7.30 REQUIRETLS, but TLS is not used to mx.far.example',
  ],
  [
    'a host whose proof cannot be looked up just now',
    { inside: PROMISES, rules: { level: 'dane' }, tlsa: 'SERVFAIL' },
    'deferred 4.7.5 TLSA lookup error for mx.far.example:PORT: RCODE 2',
  ],
] as const satisfies readonly (readonly [string, TlsCase, string])[]) {
  test(`REQUIRETLS and ${title}: ${expected.split(' ').slice(0, 2).join(' ')}`, async (t) => {
    const { outcome, heard } = await deliver({ ...given, ...REQUIRED })
    t.is(outcome, expected)
    if (outcome === SENT) t.is(heard[0], 'MAIL FROM:<sender@example.org> REQUIRETLS')
    else
      t.deepEqual(
        heard.filter((line) => line.startsWith('MAIL')),
        [],
      )
  })
}

for (const [title, given, expected, mail] of [
  [
    'a host that promises it',
    { inside: PROMISES, rules: { level: 'verify' } },
    SENT,
    'MAIL FROM:<> REQUIRETLS',
  ],
  ['a host that does not promise it', { rules: { level: 'verify' } }, SENT, 'MAIL FROM:<>'],
  ['a host without TLS', { plain: true, hello: '250 peer\r\n' }, SENT, undefined],
  [
    'a host without TLS where the settings want it',
    { plain: true, rules: { level: 'encrypt' } },
    'deferred 4.7.4 TLS is required, but was not offered by host PEER',
    undefined,
  ],
  [
    'a host whose proof cannot be looked up just now',
    { inside: PROMISES, rules: { level: 'dane' }, tlsa: 'SERVFAIL' },
    'deferred 4.7.5 TLSA lookup error for mx.far.example:PORT: RCODE 2',
    undefined,
  ],
] as const satisfies readonly (readonly [string, TlsCase, string, string | undefined])[]) {
  test(`a bounce with REQUIRETLS and ${title}: ${expected.split(' ').slice(0, 2).join(' ')}`, async (t) => {
    const { outcome, heard } = await deliver({ ...given, message: { sender: '', requireTls: true } })
    t.is(outcome, expected)
    t.is(
      heard.find((line) => line.startsWith('MAIL')),
      mail,
    )
  })
}

const OPTIONAL = 'Subject: x\r\ntls-required:\r\n no\r\n\r\nx\r\n'
const NO_MATCH = 'deferred 4.7.5 Server certificate not trusted: no TLSA record matches'

for (const [title, given, expected] of [
  ['what DANE wants', { rules: { level: 'dane' }, tlsa: `3 1 1 ${'0'.repeat(64)}`, body: OPTIONAL }, SENT],
  ['what MTA-STS wants', { sts: STS, plain: true, body: OPTIONAL }, SENT],
  ['who is in the policy of MTA-STS', { sts: { ...STS, mx: ['other.example'] }, body: OPTIONAL }, SENT],
  [
    'not what the settings want',
    { rules: { level: 'encrypt' }, plain: true, body: OPTIONAL },
    'deferred 4.7.4 TLS is required, but was not offered by host PEER',
  ],
  [
    'nothing where it says something else',
    { rules: { level: 'dane' }, tlsa: `3 1 1 ${'0'.repeat(64)}`, body: OPTIONAL.replace(' no', ' yes') },
    NO_MATCH,
  ],
  [
    'nothing in the body',
    { rules: { level: 'dane' }, tlsa: `3 1 1 ${'0'.repeat(64)}`, body: `A: b\r\n\r\n${OPTIONAL}` },
    NO_MATCH,
  ],
] as const satisfies readonly (readonly [string, TlsCase, string])[]) {
  test(`TLS-Required: No goes before ${title}`, async (t) => {
    t.is((await deliver(given)).outcome, expected)
  })
}

for (const [title, given, expected] of [
  ['a session with TLS and no policy', {}, 'no-policy-found mx.far.example well'],
  ['a session in plaintext', { plain: true }, 'no-policy-found mx.far.example starttls-not-supported'],
  ['DANE that holds', { rules: { level: 'dane' }, tlsa: `3 1 1 ${spki}` }, 'tlsa mx.far.example well'],
  [
    'DANE that does not',
    { rules: { level: 'dane' }, tlsa: `3 1 1 ${'0'.repeat(64)}` },
    'tlsa mx.far.example validation-failure',
  ],
  [
    'TLSA records that nobody can use',
    { rules: { level: 'dane-only' }, tlsa: `1 1 1 ${spki}` },
    'tlsa mx.far.example tlsa-invalid',
  ],
  [
    'TLSA records that are bogus',
    { rules: { level: 'dane' }, tlsa: 'SERVFAIL' },
    'tlsa mx.far.example dnssec-invalid',
  ],
  ['MTA-STS and no STARTTLS', { sts: STS, plain: true }, 'sts mx.far.example starttls-not-supported'],
  ['MTA-STS and a CA that nobody knows', { sts: STS }, 'sts mx.far.example certificate-not-trusted'],
  [
    'MTA-STS in testing and a CA that nobody knows',
    { sts: { ...STS, mode: 'testing' } },
    'sts mx.far.example certificate-not-trusted',
  ],
  [
    'MTA-STS in testing and a host that it does not list',
    { sts: { ...STS, mode: 'testing', mx: ['other.example'] } },
    'sts mx.far.example validation-failure',
  ],
  [
    'a host that MTA-STS does not list',
    { sts: { ...STS, mx: ['other.example'] } },
    'sts mx.far.example validation-failure',
  ],
  [
    'a certificate that is too old',
    { rules: { level: 'verify' }, cert: PKI.expired },
    'no-policy-found mx.far.example certificate-expired',
  ],
  [
    'a certificate for somebody else',
    { rules: { level: 'verify' }, cert: PKI.stranger },
    'no-policy-found mx.far.example certificate-host-mismatch',
  ],
] as const satisfies readonly (readonly [string, TlsCase, string])[]) {
  test(`${title} is reported to the domain as ${expected.split(' ').at(-1) ?? ''}`, async (t) => {
    t.deepEqual((await deliver(given)).reported, [`far.example ${expected}`])
  })
}
