import { MECHANISMS } from '#src/smtp/sasl.ts'
import { DEFAULT_SETTINGS } from '#src/smtp/settings.ts'
import type { SmtpSettings } from '#src/smtp/settings.ts'
import type { SmtpdBoot } from './smtpd-boot.ts'

/** What a session is run by, from what master says. What has no setting keeps its default. */
export function smtpSettings({ settings, postmaster, generation }: SmtpdBoot): SmtpSettings {
  return {
    ...DEFAULT_SETTINGS,
    hostname: settings.myHostname,
    banner: bannerText(settings.smtpdBanner, settings.myHostname),
    postmaster,
    heloRequired: settings.heloRequired,
    messageBytesMax: settings.messageSizeLimitBytes,
    headerBytesMax: settings.headerSizeLimitBytes,
    recipientsMax: settings.recipientLimit,
    softErrorLimit: settings.softErrorLimit,
    hardErrorLimit: settings.hardErrorLimit,
    errorDelayMs: settings.errorSleepTimeMs,
    junkCommandLimit: settings.junkCommandLimit,
    timeoutMs: settings.smtpdTimeoutMs,
    requestDeadline: settings.perRequestDeadline,
    dataRateMin: settings.minDataRateBytes,
    lineBytesMax: settings.lineLengthLimitBytes,
    bareNewline: settings.forbidBareNewline,
    rejectNul: settings.messageRejectCharacters !== '',
    hopsMax: settings.hopcountLimit,
    addMissingHeaders: settings.alwaysAddMissingHeaders,
    logsTls: settings.tlsLoglevel > 0,
    logsClientPort: settings.clientPortLogging,
    tlsReceivedHeader: settings.tlsReceivedHeader,
    forbidUnauthPipelining: settings.forbidUnauthPipelining,
    authEnabled: settings.saslAuthEnable,
    mechanisms: MECHANISMS.filter((mechanism) => settings.saslMechanisms.includes(mechanism)),
    tlsAuthOnly: settings.tlsAuthOnly,
    brokenSaslAuthClients: settings.brokenSaslAuthClients,
    saslOptions: settings.saslSecurityOptions,
    saslTlsOptions: settings.saslTlsSecurityOptions.flatMap((option) =>
      option === '$smtpd_sasl_security_options' ? settings.saslSecurityOptions : [option],
    ),
    authenticatedHeader: settings.saslAuthenticatedHeader,
    tlsRequired: settings.tlsSecurityLevel === 'encrypt',
    forbiddenCommands: settings.forbiddenCommands.map((word) => word.toUpperCase()),
    generation,
  }
}

/**
 * `smtpd_banner` with its two macros filled in, without the host name, which the greeting begins with whatever is
 * set (RFC 5321 section 4.2).
 */
function bannerText(banner: string, hostname: string): string {
  const text = banner.replaceAll('$myhostname', hostname).replaceAll('$mail_name', 'Postern')
  return text.startsWith(`${hostname} `) ? text.slice(hostname.length + 1) : text
}
