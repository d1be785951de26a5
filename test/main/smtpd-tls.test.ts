import { constants } from 'node:crypto'
import test from 'ava'
import { defaultSettings } from '#src/config/defaults.ts'
import type { Settings } from '#src/config/settings.ts'
import { clientCertificates, profileOf } from '#src/main/smtpd-tls.ts'

const settings = (more: Partial<Settings> = {}): Settings => ({ ...defaultSettings(), ...more })

for (const [protocols, legacy, least, most] of [
  ['!SSLv2, !SSLv3', false, 'TLSv1.2', 'TLSv1.3'],
  ['', false, 'TLSv1.2', 'TLSv1.3'],
  ['>=TLSv1', false, 'TLSv1.2', 'TLSv1.3'],
  ['>=TLSv1', true, 'TLSv1', 'TLSv1.3'],
  ['!SSLv2, !SSLv3', true, 'TLSv1', 'TLSv1.3'],
  ['!SSLv2, !SSLv3, !TLSv1', true, 'TLSv1.1', 'TLSv1.3'],
  ['TLSv1.2', false, 'TLSv1.2', 'TLSv1.2'],
  ['>=TLSv1.3', false, 'TLSv1.3', 'TLSv1.3'],
  ['<=TLSv1.2', true, 'TLSv1', 'TLSv1.2'],
] as const) {
  test(`smtpd_tls_protocols "${protocols}"${legacy ? ' with legacy' : ''} means ${least} to ${most}`, (t) => {
    const made = profileOf(settings({ tlsProtocols: protocols }), 'smtp', legacy)
    t.like(made, { kind: 'profile', profile: { minVersion: least, maxVersion: most } })
  })
}

test('a protocol between two others is left out', (t) => {
  const made = profileOf(settings({ tlsProtocols: 'TLSv1.1 TLSv1.3' }), 'smtp', true)
  t.like(made, { profile: { minVersion: 'TLSv1.1', secureOptions: constants.SSL_OP_NO_TLSv1_2 } })
})

for (const [what, more] of [
  ['protocols that leave nothing', { tlsProtocols: 'TLSv1' }],
  ['a protocol that is none', { tlsProtocols: 'TLSv9' }],
] as const) {
  test(`${what} make no profile, and say why`, (t) => {
    t.is(profileOf(settings(more), 'smtp', false).kind, 'wrong')
  })
}

function leastOf(of: Settings, service: 'smtp' | 'submission'): string {
  const made = profileOf(of, service, false)
  return made.kind === 'profile' ? made.profile.minVersion : made.reason
}

test('the mandatory settings are for where TLS is demanded', (t) => {
  const both = settings({ tlsProtocols: '>=TLSv1.2', tlsMandatoryProtocols: '>=TLSv1.3' })
  t.is(leastOf(both, 'smtp'), 'TLSv1.2')
  t.is(leastOf(both, 'submission'), 'TLSv1.3')
  t.is(leastOf({ ...both, tlsSecurityLevel: 'encrypt' }, 'smtp'), 'TLSv1.3')
})

test('a cipher that is excluded is not in the list, be it of TLS 1.2 or 1.3', (t) => {
  const made = profileOf(settings({ tlsExcludeCiphers: ['AES128', 'TLS_AES_128_GCM_SHA256'] }), 'smtp', false)
  if (made.kind !== 'profile') throw new Error(made.reason)
  t.true(made.profile.ciphers?.includes(':!AES128'))
  t.false(made.profile.ciphers?.includes('TLS_AES_128_GCM_SHA256:'))
  t.is(profileOf(settings(), 'smtp', false).kind, 'profile')
  t.true(profileOf(settings({ tlsCiphers: 'high' }), 'smtp', false).kind === 'profile')
})

test('authorities that cannot be read believe nobody, and it is told', (t) => {
  t.deepEqual(clientCertificates(settings()), {
    clients: { ask: false, ca: undefined, depthMax: 9 },
    problem: '',
  })
  const { clients, problem } = clientCertificates(
    settings({ tlsAskCcert: true, tlsCaFile: '/nowhere/ca.pem' }),
  )
  t.deepEqual(clients, { ask: true, ca: undefined, depthMax: 9 })
  t.regex(problem, /^smtpd_tls_CAfile \/nowhere\/ca\.pem: /)
})
