import type { AttributeTable } from '#src/config/attribute.ts'
import { GLOBAL, GLOBAL_SERVER, fixed, later, read } from '#src/config/attribute.ts'
import { YES_NO } from './words.ts'

const OF_THE_STORE = fixed('A setting of the mailbox server, which reads it itself.')
const OF_ITS_CLIENT = fixed('A setting of the mailbox server for what it sends; it reads it itself.')

/** Mailbox server, milter, archive, resolver. */
export const PEER_ATTRIBUTES: AttributeTable = {
  zimbraArchiveAccount: { type: 'email', multi: true, scope: ['account'], use: later('archive') },
  zimbraArchiveAccountDateTemplate: {
    type: 'string',
    scope: ['account', 'cos'],
    default: 'yyyyMMdd',
    use: later('archive'),
  },
  zimbraArchiveAccountNameTemplate: {
    type: 'string',
    scope: ['account', 'cos'],
    default: '${USER}-${DATE}@${DOMAIN}.archive',
    use: later('archive'),
  },
  zimbraArchiveEnabled: {
    type: 'boolean',
    scope: ['account', 'cos', 'globalConfig'],
    default: 'FALSE',
    use: later('archive'),
  },
  zimbraArchiveMailFrom: { type: 'email', scope: GLOBAL, use: later('archive') },
  zimbraDNSMasterIP: { type: 'string', multi: true, scope: GLOBAL_SERVER },
  zimbraDNSTCPUpstream: {
    type: 'enum',
    values: YES_NO,
    scope: GLOBAL_SERVER,
    default: 'no',
    use: later('dnscache'),
  },
  zimbraDNSUseTCP: {
    type: 'enum',
    values: YES_NO,
    scope: GLOBAL_SERVER,
    default: 'yes',
    use: later('dnscache'),
  },
  zimbraDNSUseUDP: {
    type: 'enum',
    values: YES_NO,
    scope: GLOBAL_SERVER,
    default: 'yes',
    use: later('dnscache'),
  },
  zimbraDomainMandatoryMailSignatureEnabled: {
    type: 'boolean',
    scope: ['globalConfig', 'domain'],
    default: 'FALSE',
    use: later('disclaimer'),
  },
  zimbraDomainMandatoryMailSignatureHTML: {
    type: 'string',
    scope: ['globalConfig', 'domain'],
    deprecatedSince: '8.5.0',
    use: later('disclaimer'),
  },
  zimbraDomainMandatoryMailSignatureText: {
    type: 'string',
    scope: ['globalConfig', 'domain'],
    deprecatedSince: '8.5.0',
    use: later('disclaimer'),
  },
  zimbraInterceptAddress: { type: 'string', multi: true, scope: ['account', 'cos'], use: OF_THE_STORE },
  zimbraIPMode: { type: 'enum', values: ['ipv4', 'ipv6', 'both'], scope: GLOBAL_SERVER, default: 'ipv4' },
  zimbraLmtpAdvertisedName: { type: 'string', scope: ['server'], use: OF_THE_STORE },
  zimbraLmtpBindAddress: { type: 'string', multi: true, scope: ['server'], use: OF_THE_STORE },
  zimbraLmtpBindOnStartup: { type: 'boolean', scope: GLOBAL_SERVER, default: 'FALSE', use: OF_THE_STORE },
  zimbraLmtpBindPort: {
    type: 'port',
    scope: GLOBAL_SERVER,
    default: '7025',
    use: read(
      'The port that zmprov puts into zimbraMailTransport of accounts whose zimbraMailHost is this server. Mail goes where zimbraMailTransport says.',
    ),
  },
  zimbraLmtpExposeVersionOnBanner: {
    type: 'boolean',
    scope: GLOBAL_SERVER,
    default: 'FALSE',
    use: OF_THE_STORE,
  },
  zimbraLmtpLHLORequired: { type: 'boolean', scope: GLOBAL_SERVER, default: 'TRUE', use: OF_THE_STORE },
  zimbraLmtpNumThreads: { type: 'integer', scope: GLOBAL_SERVER, default: '20' },
  zimbraLmtpPermanentFailureWhenOverQuota: {
    type: 'boolean',
    scope: GLOBAL_SERVER,
    default: 'FALSE',
    use: OF_THE_STORE,
  },
  zimbraLmtpServerEnabled: { type: 'boolean', scope: GLOBAL_SERVER, default: 'TRUE', use: OF_THE_STORE },
  zimbraLmtpShutdownGraceSeconds: { type: 'integer', scope: GLOBAL_SERVER, default: '10', use: OF_THE_STORE },
  zimbraMessageIdDedupeCacheSize: { type: 'integer', scope: GLOBAL, default: '3000', use: OF_THE_STORE },
  zimbraMessageIdDedupeCacheTimeout: { type: 'duration', scope: GLOBAL, default: '0', use: OF_THE_STORE },
  zimbraMilterBindAddress: { type: 'string', multi: true, scope: ['server'], use: later('milter') },
  zimbraMilterBindPort: { type: 'port', scope: GLOBAL_SERVER, default: '7026', use: later('milter') },
  zimbraMilterMaxConnections: {
    type: 'integer',
    scope: GLOBAL_SERVER,
    default: '20000',
    use: later('milter'),
  },
  zimbraMilterNumThreads: { type: 'integer', scope: GLOBAL_SERVER, default: '100', use: later('milter') },
  zimbraMilterServerEnabled: {
    type: 'boolean',
    scope: GLOBAL_SERVER,
    default: 'FALSE',
    use: later('milter'),
  },
  zimbraServiceEnabled: { type: 'string', multi: true, scope: ['server'] },
  zimbraSmtpEnableTrace: { type: 'boolean', scope: ['account', 'cos'], use: OF_ITS_CLIENT },
  zimbraSmtpHostname: {
    type: 'astring',
    multi: true,
    scope: ['globalConfig', 'server', 'domain'],
    default: 'localhost',
    use: OF_ITS_CLIENT,
  },
  zimbraSmtpPort: {
    type: 'port',
    scope: ['globalConfig', 'server', 'domain'],
    default: '25',
    use: OF_ITS_CLIENT,
  },
  zimbraSmtpRestrictEnvelopeFrom: {
    type: 'boolean',
    scope: ['account', 'cos'],
    default: 'TRUE',
    use: OF_ITS_CLIENT,
  },
  zimbraSmtpSendAddAuthenticatedUser: {
    type: 'boolean',
    scope: GLOBAL,
    default: 'FALSE',
    use: OF_ITS_CLIENT,
  },
  zimbraSmtpSendAddMailer: { type: 'boolean', scope: GLOBAL, default: 'TRUE', use: OF_ITS_CLIENT },
  zimbraSmtpSendAddOriginatingIP: { type: 'boolean', scope: GLOBAL, default: 'TRUE', use: OF_ITS_CLIENT },
  zimbraSmtpSendPartial: {
    type: 'boolean',
    scope: ['globalConfig', 'server', 'domain'],
    default: 'FALSE',
    use: OF_ITS_CLIENT,
  },
  zimbraSmtpTimeout: {
    type: 'integer',
    scope: ['globalConfig', 'server', 'domain'],
    default: '60',
    use: OF_ITS_CLIENT,
  },
}
