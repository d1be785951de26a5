import { pathsOf } from '#src/config/paths.ts'
import { isDeepStrictEqual } from 'node:util'
import type { Settings } from '#src/config/settings.ts'
import { defaultDelivery } from '#src/delivery/settings.ts'
import type { AgentSettings, DeliverySettings } from '#src/delivery/settings.ts'
import { USUAL_SESSION, sessionOf } from '#src/delivery/tls-session.ts'
import type { SessionWish } from '#src/delivery/tls-session.ts'
import type { Generation } from './generation.ts'
import type { PeersBoot } from './qmgr-peers.ts'
import type { RoutingBoot } from './qmgr-routing.ts'

const DNS_PORT = 53

function nameServer(host: string): { readonly host: string; readonly port: number } {
  return { host, port: DNS_PORT }
}

/** A mailbox store that listens on all addresses is reached on loopback. */
function reachableAddress(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1'
  return address === '::' ? '::1' : address
}

/** What routing, DNS, TLS and AUTH towards next hops go by. */
export function routingBoot({ settings, config }: Generation): RoutingBoot {
  const store = config.lmtpServer ?? {
    host: reachableAddress(config.mailbox.address),
    port: config.mailbox.port,
  }
  const mailboxes = store.port === 0 ? `lmtp:unix:${store.host}` : `lmtp:[${store.host}]:${store.port}`
  const isNamed = config.lmtpServer === undefined && settings.virtualTransport !== ''
  return {
    settings: {
      ownName: settings.myHostname.toLowerCase(),
      recipientDelimiters: settings.recipientDelimiter,
      localTransport: mailboxes,
      virtualTransport: isNamed ? settings.virtualTransport : mailboxes,
      relayTransport: 'relay',
      defaultTransport: 'smtp',
      relayHost: settings.relayHost.join(' '),
      fallbackRelayHost: settings.smtpFallbackRelay.join(' '),
      smtpPort: settings.smtpTcpPort,
    },
    tables: {
      transport: settings.transportMaps,
      relayHosts: settings.senderDependentRelayhostMaps,
      generic: settings.smtpGenericMaps,
    },
    own: {
      hostname: settings.myHostname,
      listeners: config.listeners,
      proxyInterfaces: settings.proxyInterfaces,
    },
    selfTestSocket: pathsOf(config.dataFolder).selfTestSocket,
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
    dnsServers: config.dnsServers.length > 0 ? config.dnsServers : settings.dnsServers.map(nameServer),
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
      caPath: settings.smtpTlsCaPath,
      appendDefaultCa: settings.tlsAppendDefaultCa,
      insecureMx: settings.smtpTlsDaneInsecureMxPolicy,
      wrapperMode: settings.smtpTlsWrapperMode,
      servername: settings.smtpTlsServername,
      opportunistic: {
        protocols: settings.smtpTlsProtocols,
        grade: settings.smtpTlsCiphers,
        exclude: settings.smtpTlsExcludeCiphers,
      },
      mandatory: {
        protocols: settings.smtpTlsMandatoryProtocols,
        grade: settings.smtpTlsMandatoryCiphers,
        exclude: [...settings.smtpTlsExcludeCiphers, ...settings.smtpTlsMandatoryExcludeCiphers],
      },
    },
    lmtp: {
      level: settings.lmtpTlsSecurityLevel,
      policyFile: '',
      verifyMatch: ['hostname'],
      secureMatch: ['nexthop'],
      fingerprints: settings.lmtpTlsFingerprintCertMatch,
      caFile: settings.lmtpTlsCaFile,
      caPath: settings.lmtpTlsCaPath,
      appendDefaultCa: settings.tlsAppendDefaultCa,
      insecureMx: 'dane',
      wrapperMode: false,
      servername: '',
      ...lmtpSessions(settings),
    },
    auth: {
      enabled: settings.smtpSaslAuthEnable,
      passwordFile: settings.smtpSaslPasswordMaps,
      securityOptions: settings.smtpSaslSecurityOptions,
      mechanismFilter: settings.smtpSaslMechanismFilter,
    },
  }
}

function lmtpSessions(settings: Settings): {
  readonly opportunistic: SessionWish
  readonly mandatory: SessionWish
} {
  const exclude = settings.lmtpTlsExcludeCiphers
  return {
    opportunistic: { protocols: settings.lmtpTlsProtocols, grade: settings.lmtpTlsCiphers, exclude },
    mandatory: {
      protocols: settings.lmtpTlsMandatoryProtocols,
      grade: settings.lmtpTlsMandatoryCiphers,
      exclude,
    },
  }
}

function isUsual(wish: SessionWish): boolean {
  return isDeepStrictEqual(sessionOf(wish), USUAL_SESSION)
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
    bind: { 4: settings.smtpBindAddress, 6: settings.smtpBindAddress6 },
    noteStartTls: settings.smtpTlsNoteStarttlsOffer,
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

/** What the two delivery agents go by. */
export function deliverySettings(settings: Settings): DeliverySettings {
  const defaults = defaultDelivery(settings.myHostname)
  const { opportunistic, mandatory } = lmtpSessions(settings)
  const lmtp: AgentSettings = {
    ...defaults.lmtp,
    concurrencyMax: settings.lmtpDestinationConcurrencyLimit,
    // A mailbox server is ours: it need not earn what it may have.
    concurrencyFirst: settings.lmtpDestinationConcurrencyLimit,
    recipientsMax: settings.lmtpDestinationRecipientLimit,
    idleMs: settings.lmtpConnectionCacheTimeLimitMs,
    restMs: Math.min(defaults.lmtp.restMs, settings.minimalBackoffTimeMs),
    tls: settings.lmtpTlsSecurityLevel,
    bind: { 4: settings.lmtpBindAddress, 6: settings.lmtpBindAddress6 },
    usualTls: isUsual(opportunistic) && isUsual(mandatory),
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
