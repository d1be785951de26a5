import type { Setting } from './setting.ts'

const PROTOCOLS = /^$|^(?:(?:!|>=|<=)?(?:SSLv2|SSLv3|TLSv1|TLSv1\.1|TLSv1\.2|TLSv1\.3)(?:[\s,:]+(?!$)|$))+$/

/** Grades of tls_high_cipherlist and its like. */
const GRADES = ['export', 'low', 'medium', 'high'] as const

/** TLS on the listeners. */
export const LISTENER_SETTINGS = {
  tlsProtocols: {
    postfix: 'smtpd_tls_protocols',
    zimbra: 'zimbraMtaSmtpdTlsProtocols',
    type: 'text',
    default: '!SSLv2, !SSLv3',
    pattern: PROTOCOLS,
    means: 'a list such as >=TLSv1.2 or !SSLv2, !SSLv3, !TLSv1',
    takesHold: 'next connection',
    text: 'Protocols where TLS is offered. Nothing below TLS 1.2 is used, whatever is listed, unless `legacy = true` stands in `[tls]` of postern.toml.',
  },
  tlsMandatoryProtocols: {
    postfix: 'smtpd_tls_mandatory_protocols',
    zimbra: 'zimbraMtaSmtpdTlsMandatoryProtocols',
    type: 'text',
    default: '!SSLv2, !SSLv3',
    pattern: PROTOCOLS,
    means: 'a list such as >=TLSv1.2 or !SSLv2, !SSLv3, !TLSv1',
    takesHold: 'next connection',
    text: 'The same where TLS is demanded: on submission listeners, and everywhere with `encrypt`.',
  },
  tlsCiphers: {
    postfix: 'smtpd_tls_ciphers',
    zimbra: 'zimbraMtaSmtpdTlsCiphers',
    type: 'enum',
    values: GRADES,
    default: 'medium',
    takesHold: 'next connection',
    text: 'The least grade of ciphers where TLS is offered. `export` and `low` mean `medium`, since OpenSSL has no weaker ones any more.',
  },
  tlsMandatoryCiphers: {
    postfix: 'smtpd_tls_mandatory_ciphers',
    zimbra: 'zimbraMtaSmtpdTlsMandatoryCiphers',
    type: 'enum',
    values: GRADES,
    default: 'medium',
    takesHold: 'next connection',
    text: 'The same where TLS is demanded.',
  },
  tlsExcludeCiphers: {
    postfix: 'smtpd_tls_exclude_ciphers',
    zimbra: 'zimbraMtaSmtpdTlsExcludeCiphers',
    type: 'list',
    items: 'ciphers',
    default: [],
    takesHold: 'next connection',
    text: 'Ciphers, or kinds of them, that are never used, by their OpenSSL names; of TLS 1.3 whole suites.',
  },
  tlsAskCcert: {
    postfix: 'smtpd_tls_ask_ccert',
    zimbra: 'zimbraMtaSmtpdTlsAskCcert',
    type: 'boolean',
    default: false,
    takesHold: 'next connection',
    text: 'Whether clients are asked for a certificate. One that is shown is checked against `smtpd_tls_CAfile` and told in the log; nobody needs one.',
  },
  relayClientCerts: {
    postfix: 'relay_clientcerts',
    zimbra: '',
    type: 'list',
    items: 'fingerprints',
    default: [],
    takesHold: 'next connection',
    text: 'Clients that may relay without AUTH: SHA-256 fingerprints of their certificates or public keys, with or without colons (`permit_tls_clientcerts`). Works with `smtpd_tls_ask_ccert` alone.',
  },
  tlsCcertVerifydepth: {
    postfix: 'smtpd_tls_ccert_verifydepth',
    zimbra: 'zimbraMtaSmtpdTlsCcertVerifydepth',
    type: 'integer',
    default: 9,
    least: 0,
    most: 100,
    takesHold: 'next connection',
    text: 'Certificates between that of a client and the authority it is trusted for.',
  },
  tlsCaFile: {
    postfix: 'smtpd_tls_CAfile',
    zimbra: 'zimbraMtaSmtpdTlsCAfile',
    type: 'text',
    default: '',
    takesHold: 'next connection',
    text: 'PEM file of the authorities that certificates of clients are checked with; empty trusts none.',
  },
} as const satisfies Readonly<Record<string, Setting>>
