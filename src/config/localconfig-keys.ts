import type { AttributeUse } from './attribute.ts'
import { fixed, read } from './attribute.ts'

/** A key of `zmlocalconfig`. */
export interface LocalconfigKey {
  /** Zimbra's. */
  readonly default: string
  /** The attribute that carries the value today, with the same meaning. */
  readonly attribute?: string
  /** What Postern does with it, where no attribute says so; left out where a setting reads the key itself. */
  readonly use?: AttributeUse
  /** Left out where the attribute says it. */
  readonly text?: string
  /** Shown only with `zmlocalconfig -s`. */
  readonly secret?: true
}

/**
 * The keys of Zimbra's localconfig.xml that have to do with mail on its way. Nearly all have become attributes of the
 * directory: a key counts where neither globalConfig nor the server's entry has its attribute.
 */
export const LOCALCONFIG_KEYS: Readonly<Record<string, LocalconfigKey>> = {
  ldap_master_url: {
    default: '',
    use: read('With `localconfig = true` in [directory] of postern.toml, where zmprov makes changes.'),
    text: 'The directory servers that take changes.',
  },
  ldap_postfix_password: {
    default: '',
    secret: true,
    use: fixed(
      'uid=zmpostfix may not read settings: the directory is read as zimbra_ldap_userdn with `localconfig = true` in [directory] of postern.toml, or as `bind_dn` with `password_file`.',
    ),
    text: 'Bind password of uid=zmpostfix.',
  },
  ldap_starttls_required: {
    default: 'true',
    use: read('With `localconfig = true` in [directory] of postern.toml; false goes without TLS.'),
    text: 'Whether TLS is demanded of directory servers.',
  },
  ldap_starttls_supported: {
    default: '0',
    use: read('With `localconfig = true` in [directory] of postern.toml; 0 goes without TLS.'),
    text: 'Whether directory servers have TLS.',
  },
  ldap_url: {
    default: '',
    use: read('With `localconfig = true` in [directory] of postern.toml, the servers that are read.'),
    text: 'The directory servers, separated by blanks.',
  },
  postfix_alias_maps: { default: 'hash:/etc/aliases', attribute: 'zimbraMtaAliasMaps' },
  postfix_always_add_missing_headers: { default: 'yes', attribute: 'zimbraMtaAlwaysAddMissingHeaders' },
  postfix_bounce_notice_recipient: { default: 'postmaster', attribute: 'zimbraMtaBounceNoticeRecipient' },
  postfix_bounce_queue_lifetime: { default: '5d', attribute: 'zimbraMtaBounceQueueLifetime' },
  postfix_broken_sasl_auth_clients: { default: 'yes', attribute: 'zimbraMtaBrokenSaslAuthClients' },
  postfix_command_directory: { default: '/opt/zimbra/postfix/sbin', attribute: 'zimbraMtaCommandDirectory' },
  postfix_daemon_directory: { default: '/opt/zimbra/postfix/libexec', attribute: 'zimbraMtaDaemonDirectory' },
  postfix_delay_warning_time: { default: '0h', attribute: 'zimbraMtaDelayWarningTime' },
  postfix_enable_smtpd_policyd: { default: 'no', attribute: 'zimbraMtaEnableSmtpdPolicyd' },
  postfix_header_checks: {
    default: 'pcre:/opt/zimbra/conf/postfix_header_checks',
    attribute: 'zimbraMtaHeaderChecks',
  },
  postfix_import_environment: { default: '', attribute: 'zimbraMtaImportEnvironment' },
  postfix_in_flow_delay: { default: '1s', attribute: 'zimbraMtaInFlowDelay' },
  postfix_lmtp_connection_cache_destinations: {
    default: '',
    attribute: 'zimbraMtaLmtpConnectionCacheDestinations',
  },
  postfix_lmtp_connection_cache_time_limit: {
    default: '4s',
    attribute: 'zimbraMtaLmtpConnectionCacheTimeLimit',
  },
  postfix_lmtp_host_lookup: { default: 'dns', attribute: 'zimbraMtaLmtpHostLookup' },
  postfix_mail_owner: {
    default: 'postfix',
    use: fixed('All processes run as the user that starts the appliance, and the queue is theirs.'),
    text: 'Queue owner user.',
  },
  postfix_mailq_path: { default: '/opt/zimbra/postfix/sbin/mailq', attribute: 'zimbraMtaMailqPath' },
  postfix_manpage_directory: { default: '/opt/zimbra/postfix/man', attribute: 'zimbraMtaManpageDirectory' },
  postfix_maximal_backoff_time: { default: '4000s', attribute: 'zimbraMtaMaximalBackoffTime' },
  postfix_milter_command_timeout: { default: '30s', attribute: 'zimbraMtaMilterCommandTimeout' },
  postfix_milter_connect_timeout: { default: '30s', attribute: 'zimbraMtaMilterConnectTimeout' },
  postfix_milter_content_timeout: { default: '300s', attribute: 'zimbraMtaMilterContentTimeout' },
  postfix_milter_default_action: { default: 'tempfail', attribute: 'zimbraMtaMilterDefaultAction' },
  postfix_minimal_backoff_time: { default: '300s', attribute: 'zimbraMtaMinimalBackoffTime' },
  postfix_newaliases_path: {
    default: '/opt/zimbra/postfix/sbin/newaliases',
    attribute: 'zimbraMtaNewaliasesPath',
  },
  postfix_notify_classes: { default: 'resource,software', attribute: 'zimbraMtaNotifyClasses' },
  postfix_policy_time_limit: { default: '3600', attribute: 'zimbraMtaPolicyTimeLimit' },
  postfix_propagate_unmatched_extensions: {
    default: 'canonical',
    attribute: 'zimbraMtaPropagateUnmatchedExtensions',
  },
  postfix_queue_directory: {
    default: '/opt/zimbra/data/postfix/spool',
    attribute: 'zimbraMtaQueueDirectory',
  },
  postfix_queue_run_delay: { default: '300s', attribute: 'zimbraMtaQueueRunDelay' },
  postfix_sender_canonical_maps: {
    default: 'proxy:ldap:/opt/zimbra/conf/ldap-scm.cf',
    attribute: 'zimbraMtaSenderCanonicalMaps',
  },
  postfix_sendmail_path: { default: '/opt/zimbra/postfix/sbin/sendmail', attribute: 'zimbraMtaSendmailPath' },
  postfix_setgid_group: {
    default: 'postdrop',
    use: fixed('Mail from this machine comes in over a socket: no program needs a group of its own.'),
    text: 'Postdrop group.',
  },
  postfix_smtp_cname_overrides_servername: {
    default: 'no',
    attribute: 'zimbraMtaSmtpCnameOverridesServername',
  },
  postfix_smtp_helo_name: { default: '$myhostname', attribute: 'zimbraMtaSmtpHeloName' },
  postfix_smtp_sasl_auth_enable: { default: 'no', attribute: 'zimbraMtaSmtpSaslAuthEnable' },
  postfix_smtp_sasl_security_options: {
    default: 'noplaintext,noanonymous',
    attribute: 'zimbraMtaSmtpSaslSecurityOptions',
  },
  postfix_smtpd_banner: { default: '$myhostname ESMTP $mail_name', attribute: 'zimbraMtaSmtpdBanner' },
  postfix_smtpd_client_restrictions: {
    default: 'reject_unauth_pipelining',
    attribute: 'zimbraMtaSmtpdClientRestrictions',
  },
  postfix_smtpd_data_restrictions: {
    default: 'reject_unauth_pipelining',
    attribute: 'zimbraMtaSmtpdDataRestrictions',
  },
  postfix_smtpd_error_sleep_time: { default: '1s', attribute: 'zimbraMtaSmtpdErrorSleepTime' },
  postfix_smtpd_hard_error_limit: { default: '20', attribute: 'zimbraMtaSmtpdHardErrorLimit' },
  postfix_smtpd_helo_required: { default: 'yes', attribute: 'zimbraMtaSmtpdHeloRequired' },
  postfix_smtpd_proxy_timeout: { default: '100s', attribute: 'zimbraMtaSmtpdProxyTimeout' },
  postfix_smtpd_reject_unlisted_recipient: {
    default: 'no',
    attribute: 'zimbraMtaSmtpdRejectUnlistedRecipient',
  },
  postfix_smtpd_reject_unlisted_sender: { default: 'no', attribute: 'zimbraMtaSmtpdRejectUnlistedSender' },
  postfix_smtpd_sasl_authenticated_header: {
    default: 'no',
    attribute: 'zimbraMtaSmtpdSaslAuthenticatedHeader',
  },
  postfix_smtpd_sasl_security_options: {
    default: 'noanonymous',
    attribute: 'zimbraMtaSmtpdSaslSecurityOptions',
  },
  postfix_smtpd_sasl_tls_security_options: {
    default: '$smtpd_sasl_security_options',
    attribute: 'zimbraMtaSmtpdSaslTlsSecurityOptions',
  },
  postfix_smtpd_soft_error_limit: { default: '10', attribute: 'zimbraMtaSmtpdSoftErrorLimit' },
  postfix_smtpd_tls_cert_file: {
    default: '/opt/zimbra/conf/smtpd.crt',
    use: fixed('Named by `certificate` in [tls] of postern.toml.'),
    text: 'Certificate.',
  },
  postfix_smtpd_tls_key_file: {
    default: '/opt/zimbra/conf/smtpd.key',
    use: fixed('Named by `key` in [tls] of postern.toml.'),
    text: 'Key.',
  },
  postfix_smtpd_tls_loglevel: { default: '1', attribute: 'zimbraMtaSmtpdTlsLoglevel' },
  postfix_transport_maps: {
    default: 'proxy:ldap:/opt/zimbra/conf/ldap-transport.cf',
    attribute: 'zimbraMtaTransportMaps',
  },
  postfix_virtual_alias_domains: {
    default: 'proxy:ldap:/opt/zimbra/conf/ldap-vad.cf',
    attribute: 'zimbraMtaVirtualAliasDomains',
  },
  postfix_virtual_alias_expansion_limit: {
    default: '10000',
    attribute: 'zimbraMtaVirtualAliasExpansionLimit',
  },
  postfix_virtual_alias_maps: {
    default: 'proxy:ldap:/opt/zimbra/conf/ldap-vam.cf',
    attribute: 'zimbraMtaVirtualAliasMaps',
  },
  postfix_virtual_mailbox_domains: {
    default: 'proxy:ldap:/opt/zimbra/conf/ldap-vmd.cf',
    attribute: 'zimbraMtaVirtualMailboxDomains',
  },
  postfix_virtual_mailbox_maps: {
    default: 'proxy:ldap:/opt/zimbra/conf/ldap-vmm.cf',
    attribute: 'zimbraMtaVirtualMailboxMaps',
  },
  postfix_virtual_transport: { default: 'error', attribute: 'zimbraMtaSmtpdVirtualTransport' },
  zimbra_ldap_password: {
    default: '',
    secret: true,
    use: read('With `localconfig = true` in [directory] of postern.toml.'),
    text: 'Bind password of zimbra_ldap_userdn.',
  },
  zimbra_ldap_userdn: {
    default: 'uid=zimbra,cn=admins,cn=zimbra',
    use: read('With `localconfig = true` in [directory] of postern.toml.'),
    text: 'As whom the directory is read and changed.',
  },
  zimbra_require_interprocess_security: {
    default: '1',
    use: read('With `localconfig = true` in [directory] of postern.toml; 0 goes without TLS.'),
    text: 'Whether the servers of Zimbra speak TLS with each other.',
  },
  zimbra_server_hostname: {
    default: 'localhost',
    use: read(
      'Whose entry stands above globalConfig, where `server` in [directory] of postern.toml does not say it.',
    ),
    text: 'The name of the entry of this server.',
  },
  zmconfigd_interval: {
    default: '60',
    text: 'How often settings are looked at, in seconds. Postern looks every two minutes where this is not set.',
  },
  zmmtaconfig_interval: {
    default: '60',
    text: 'The name of zmconfigd_interval before Zimbra 7.',
  },
}
