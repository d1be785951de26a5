import type { Settings } from '#src/config/settings.ts'
import { defaultDelivery } from '#src/delivery/settings.ts'
import type { AgentSettings, DeliverySettings } from '#src/delivery/settings.ts'
import type { Generation } from './generation.ts'
import type { LogBoot } from './ipc.ts'
import type { MailboxBoot } from './mailbox-boot.ts'
import type { Paths } from '#src/config/paths.ts'
import type { QmgrBoot } from './qmgr-boot.ts'
import type { NoticesBoot } from './notice-targets.ts'
import type { PeersBoot } from './qmgr-peers.ts'
import type { RoutingBoot } from './qmgr-routing.ts'
import type { SmtpdBoot } from './smtpd-boot.ts'

/** What the settings messages of the processes are made of. */
export interface BootContext {
  readonly generation: Generation
  readonly paths: Paths
  /** smtpd processes. */
  readonly workers: number
  /** Whether the readable log goes to standard output. */
  readonly echo: boolean
}

function logOf({ generation, echo }: BootContext): LogBoot {
  return { ...generation.config.log, stdout: echo }
}

/** Room for the header lines that are put on top of a message: Received, and what was missing. */
const ADDED_HEADER_BYTES = 65_536

export function mailboxBoot(context: BootContext): MailboxBoot {
  const { settings, config } = context.generation
  const limit = settings.messageSizeLimitBytes
  return {
    hostname: settings.myHostname,
    address: config.mailbox.address,
    port: config.mailbox.port,
    root: context.paths.mailboxes,
    messageBytesMax: limit === 0 ? 0 : limit + ADDED_HEADER_BYTES,
    log: logOf(context),
  }
}

/** Where `message_size_limit` sets no bound to what one message may need. */
const UNBOUNDED_MESSAGE_BYTES = 100_000_000

export function qmgrBoot(context: BootContext): QmgrBoot {
  const { settings, number } = context.generation
  const { paths } = context
  const message =
    settings.messageSizeLimitBytes === 0 ? UNBOUNDED_MESSAGE_BYTES : settings.messageSizeLimitBytes
  return {
    hostname: settings.myHostname,
    queueDir: paths.queue,
    spoolDir: paths.spool,
    runDir: paths.run,
    // Postfix's own rule of thumb: room for the message, and half as much again for what the store needs.
    minFreeBytes: settings.queueMinfreeBytes === 0 ? Math.ceil(1.5 * message) : settings.queueMinfreeBytes,
    activeRecipientsMax: settings.activeLimit,
    times: {
      minimalBackoffMs: settings.minimalBackoffTimeMs,
      maximalBackoffMs: Math.max(settings.maximalBackoffTimeMs, settings.minimalBackoffTimeMs),
      maximalQueueLifetimeMs: settings.maximalQueueLifetimeMs,
      bounceQueueLifetimeMs: settings.bounceQueueLifetimeMs,
      delayWarningMs: settings.delayWarningTimeMs,
    },
    bounceSizeLimitBytes: settings.bounceSizeLimitBytes,
    notices: noticesBoot(context),
    directoryFile: paths.directory,
    routing: routingBoot(context),
    delivery: deliverySettings(settings),
    generation: number,
    log: logOf(context),
  }
}

/** Who is told of what; addresses without a domain are of the default one (Postfix: `$myorigin`). */
function noticesBoot({ generation: { settings, defaultDomain } }: BootContext): NoticesBoot {
  const full = (address: string): string => (address.includes('@') ? address : `${address}@${defaultDomain}`)
  return {
    classes: settings.notifyClasses,
    bounce: full(settings.bounceNoticeRecipient),
    doubleBounce: full(settings.doubleBounceNoticeRecipient),
    delay: full(settings.delayNoticeRecipient),
    error: full(settings.errorNoticeRecipient),
    postmaster: `postmaster@${defaultDomain}`,
  }
}

/** A mailbox store that listens on all addresses is reached on loopback. */
function reachableAddress(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1'
  return address === '::' ? '::1' : address
}

function routingBoot({ generation }: BootContext): RoutingBoot {
  const { settings, config } = generation
  const store = config.lmtpServer ?? {
    host: reachableAddress(config.mailbox.address),
    port: config.mailbox.port,
  }
  const mailboxes = `lmtp:[${store.host}]:${store.port}`
  return {
    settings: {
      ownName: settings.myHostname.toLowerCase(),
      recipientDelimiters: settings.recipientDelimiter,
      localTransport: mailboxes,
      virtualTransport: mailboxes,
      relayTransport: 'relay',
      defaultTransport: 'smtp',
      relayHost: settings.relayHost.join(' '),
      fallbackRelayHost: settings.smtpFallbackRelay.join(' '),
      smtpPort: settings.smtpTcpPort,
    },
    own: {
      hostname: settings.myHostname,
      listeners: config.listeners,
      proxyInterfaces: settings.proxyInterfaces,
    },
    candidates: {
      dnsSupport: settings.smtpDnsSupportLevel,
      smtpHostLookup: lookupOrder(settings.smtpHostLookup),
      lmtpHostLookup: lookupOrder(settings.lmtpHostLookup),
      families: FAMILIES[settings.inetProtocols],
      addressPreference: settings.smtpAddressPreference,
      addressesMax: settings.smtpMxAddressLimit,
      sessionsMax: settings.smtpMxSessionLimit,
    },
    peers: peersBoot(settings, config.mtaSts),
    dnsServers: config.dnsServers,
  }
}

function peersBoot(settings: Settings, mtaSts: boolean): PeersBoot {
  return {
    mtaSts: mtaSts && settings.smtpDnsSupportLevel !== 'disabled',
    smtp: {
      level: settings.smtpTlsSecurityLevel,
      policyFile: settings.smtpTlsPolicyMaps,
      verifyMatch: settings.smtpTlsVerifyCertMatch,
      secureMatch: settings.smtpTlsSecureCertMatch,
      fingerprints: settings.smtpTlsFingerprintCertMatch,
      caFile: settings.smtpTlsCaFile,
      insecureMx: settings.smtpTlsDaneInsecureMxPolicy,
    },
    lmtp: {
      level: settings.lmtpTlsSecurityLevel,
      policyFile: '',
      verifyMatch: ['hostname'],
      secureMatch: ['nexthop'],
      fingerprints: settings.lmtpTlsFingerprintCertMatch,
      caFile: settings.lmtpTlsCaFile,
      insecureMx: 'dane',
    },
    auth: {
      enabled: settings.smtpSaslAuthEnable,
      passwordFile: settings.smtpSaslPasswordMaps,
      securityOptions: settings.smtpSaslSecurityOptions,
      mechanismFilter: settings.smtpSaslMechanismFilter,
    },
  }
}

const FAMILIES = { all: [4, 6], ipv4: [4], ipv6: [6] } as const

/** An empty list would find no host at all, and what is not found bounces. */
function lookupOrder(words: readonly string[]): readonly ('dns' | 'native')[] {
  const order = words.filter((word) => word === 'dns' || word === 'native')
  return order.length === 0 ? ['dns'] : order
}

function smtpSettings(settings: Settings): AgentSettings {
  const { smtpHeloName, myHostname } = settings
  const { smtp } = defaultDelivery(smtpHeloName === '$myhostname' ? myHostname : smtpHeloName)
  const limit = settings.smtpDestinationConcurrencyLimit
  return {
    ...smtp,
    concurrencyMax: limit,
    concurrencyFirst: Math.min(limit, settings.initialDestinationConcurrency),
    recipientsMax: settings.smtpDestinationRecipientLimit,
    idleMs: settings.smtpConnectionCacheTimeLimitMs,
    restMs: settings.minimalBackoffTimeMs,
    rateDelayMs: settings.smtpDestinationRateDelayMs,
    transportDelayMs: settings.smtpTransportRateDelayMs,
    tls: settings.smtpTlsSecurityLevel,
    ignored: settings.smtpDiscardEhloKeywords.map((word) => word.toUpperCase()),
    timeouts: {
      connectMs: settings.smtpConnectTimeoutMs,
      helloMs: settings.smtpHeloTimeoutMs,
      startTlsMs: settings.smtpStarttlsTimeoutMs,
      mailMs: settings.smtpMailTimeoutMs,
      rcptMs: settings.smtpRcptTimeoutMs,
      dataInitMs: settings.smtpDataInitTimeoutMs,
      dataXferMs: settings.smtpDataXferTimeoutMs,
      dataDoneMs: settings.smtpDataDoneTimeoutMs,
      rsetMs: settings.smtpRsetTimeoutMs,
      quitMs: settings.smtpQuitTimeoutMs,
    },
  }
}

function deliverySettings(settings: Settings): DeliverySettings {
  const defaults = defaultDelivery(settings.myHostname)
  const lmtp: AgentSettings = {
    ...defaults.lmtp,
    concurrencyMax: settings.lmtpDestinationConcurrencyLimit,
    // A mailbox server is ours: it need not earn what it may have.
    concurrencyFirst: settings.lmtpDestinationConcurrencyLimit,
    recipientsMax: settings.lmtpDestinationRecipientLimit,
    idleMs: settings.lmtpConnectionCacheTimeLimitMs,
    restMs: Math.min(defaults.lmtp.restMs, settings.minimalBackoffTimeMs),
    tls: settings.lmtpTlsSecurityLevel,
    ignored: settings.lmtpDiscardLhloKeywords.map((word) => word.toUpperCase()),
    timeouts: {
      connectMs: settings.lmtpConnectTimeoutMs,
      helloMs: settings.lmtpLhloTimeoutMs,
      startTlsMs: settings.lmtpStarttlsTimeoutMs,
      mailMs: settings.lmtpMailTimeoutMs,
      rcptMs: settings.lmtpRcptTimeoutMs,
      dataInitMs: settings.lmtpDataInitTimeoutMs,
      dataXferMs: settings.lmtpDataXferTimeoutMs,
      dataDoneMs: settings.lmtpDataDoneTimeoutMs,
      rsetMs: settings.lmtpRsetTimeoutMs,
      quitMs: settings.lmtpQuitTimeoutMs,
    },
  }
  return { lmtp, smtp: smtpSettings(settings) }
}

export function smtpdBoot(context: BootContext, slot: number): SmtpdBoot {
  const { config, settings, number, defaultDomain } = context.generation
  const { paths } = context
  return {
    slot,
    generation: number,
    listeners: config.listeners,
    settings,
    postmaster: `postmaster@${defaultDomain}`,
    certificate: config.tls,
    signatureFolder: config.signatureFolder,
    signatureCache: paths.signatureCache,
    queueSocket: paths.queueSocket,
    spoolFolder: paths.spool,
    directoryFile: paths.directory,
    log: logOf(context),
  }
}
