import type { Setting } from './setting.ts'

const GRADES = ['medium', 'high', 'low', 'export', 'null'] as const

function protocols(postfix: string, zimbra: string, text: string) {
  return {
    postfix,
    zimbra,
    type: 'text',
    default: '>=TLSv1.2',
    pattern: /^[\s,:]*(?:(?:!|>=|<=)?(?:SSLv[23]|TLSv1(?:\.[123])?)[\s,:]*)*$/i,
    means: 'protocols as Postfix writes them: `>=TLSv1.2`, `!SSLv2, !SSLv3`, `TLSv1.2, TLSv1.3`',
    takesHold: 'next attempt',
    text: `${text} None before TLS 1.2 is ever used, whatever stands here.`,
  } as const satisfies Setting
}

function ciphers(postfix: string, zimbra: string, text: string) {
  return {
    postfix,
    zimbra,
    type: 'enum',
    values: GRADES,
    default: 'medium',
    takesHold: 'next attempt',
    text: `${text} \`medium\`, \`low\` and \`export\` are those of Node.js; \`high\` leaves out some; \`null\` does not encrypt.`,
  } as const satisfies Setting
}

function excluded(postfix: string, zimbra: string, text: string) {
  return {
    postfix,
    zimbra,
    type: 'list',
    items: 'words',
    default: [],
    takesHold: 'next attempt',
    text,
  } as const satisfies Setting
}

/** How TLS towards next hops is made. */
export const TLS_SETTINGS = {
  smtpTlsWrapperMode: {
    postfix: 'smtp_tls_wrappermode',
    zimbra: '',
    type: 'boolean',
    default: false,
    takesHold: 'next attempt',
    text: 'Whether every SMTP server is spoken to in TLS from the first octet, without STARTTLS. Port 465 is always (RFC 8314), unless the level there is `none`.',
  },
  smtpTlsNoteStarttlsOffer: {
    postfix: 'smtp_tls_note_starttls_offer',
    zimbra: '',
    type: 'boolean',
    default: false,
    takesHold: 'next attempt',
    text: 'Whether the log tells of SMTP servers that offer STARTTLS where none is used.',
  },
  smtpTlsServername: {
    postfix: 'smtp_tls_servername',
    zimbra: '',
    type: 'text',
    default: '',
    takesHold: 'next attempt',
    text: 'The name that an SMTP server is asked for in the handshake (SNI): `hostname`, `nexthop`, or a name. Empty: that of the host, and with DANE that of its TLSA records.',
  },
  smtpTlsProtocols: protocols(
    'smtp_tls_protocols',
    'zimbraMtaSmtpTlsProtocols',
    'The protocols of TLS towards SMTP servers at level `may`.',
  ),
  smtpTlsMandatoryProtocols: protocols(
    'smtp_tls_mandatory_protocols',
    'zimbraMtaSmtpTlsMandatoryProtocols',
    'The protocols of TLS towards SMTP servers at the levels above `may`.',
  ),
  smtpTlsCiphers: ciphers(
    'smtp_tls_ciphers',
    'zimbraMtaSmtpTlsCiphers',
    'The ciphers of TLS 1.2 towards SMTP servers at level `may`.',
  ),
  smtpTlsMandatoryCiphers: ciphers(
    'smtp_tls_mandatory_ciphers',
    'zimbraMtaSmtpTlsMandatoryCiphers',
    'The ciphers of TLS 1.2 towards SMTP servers at the levels above `may`.',
  ),
  smtpTlsExcludeCiphers: excluded(
    'smtp_tls_exclude_ciphers',
    '',
    'Ciphers, in the names of OpenSSL, that are not used towards SMTP servers.',
  ),
  smtpTlsMandatoryExcludeCiphers: excluded(
    'smtp_tls_mandatory_exclude_ciphers',
    '',
    'Ciphers that are not used towards SMTP servers at the levels above `may`, besides those of `smtp_tls_exclude_ciphers`.',
  ),
  lmtpTlsProtocols: protocols(
    'lmtp_tls_protocols',
    'zimbraMtaLmtpTlsProtocols',
    'The protocols of TLS towards mailbox servers at level `may`.',
  ),
  lmtpTlsMandatoryProtocols: protocols(
    'lmtp_tls_mandatory_protocols',
    'zimbraMtaLmtpTlsMandatoryProtocols',
    'The protocols of TLS towards mailbox servers at the levels above `may`.',
  ),
  lmtpTlsCiphers: ciphers(
    'lmtp_tls_ciphers',
    'zimbraMtaLmtpTlsCiphers',
    'The ciphers of TLS 1.2 towards mailbox servers at level `may`.',
  ),
  lmtpTlsMandatoryCiphers: ciphers(
    'lmtp_tls_mandatory_ciphers',
    'zimbraMtaLmtpTlsMandatoryCiphers',
    'The ciphers of TLS 1.2 towards mailbox servers at the levels above `may`.',
  ),
  lmtpTlsExcludeCiphers: excluded(
    'lmtp_tls_exclude_ciphers',
    'zimbraMtaLmtpTlsExcludeCiphers',
    'Ciphers, in the names of OpenSSL, that are not used towards mailbox servers.',
  ),
} as const satisfies Readonly<Record<string, Setting>>
