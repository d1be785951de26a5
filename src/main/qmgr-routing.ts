import { readFileSync } from 'node:fs'
import { systemClock } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'
import type { PeerMemory } from '#src/delivery/peer-memory.ts'
import { StsPolicies } from '#src/delivery/mta-sts.ts'
import { stsFetch } from '#src/delivery/mta-sts-fetch.ts'
import type { Secure } from '#src/delivery/approach.ts'
import type { Planner } from '#src/delivery/attempt.ts'
import { deliveryPlan } from '#src/delivery/routing/candidates.ts'
import type { Candidate, CandidateRules } from '#src/delivery/routing/candidates.ts'
import type { RoutingSettings } from '#src/delivery/routing/route.ts'
import type { GenericRules } from '#src/delivery/generic.ts'
import { readTables, tableProblem } from '#src/delivery/routing/tables.ts'
import type { RoutingTables } from '#src/delivery/routing/tables.ts'
import { TlsTally } from '#src/delivery/tls-tally.ts'
import type { TlsRecorder } from '#src/delivery/tls-outcome.ts'
import type { Directory } from '#src/directory/directory.ts'
import { systemNames } from '#src/dns/native.ts'
import { parseResolvConf } from '#src/dns/resolv-conf.ts'
import type { ResolvConf } from '#src/dns/resolv-conf.ts'
import type { NameLookup } from '#src/dns/records.ts'
import { Resolver } from '#src/dns/resolver.ts'
import type { Destination, DestinationHop, Route, Router } from '#src/queue/ports.ts'
import { canonicalHeaders } from './canonical-headers.ts'
import type { CanonicalRules } from './canonical-headers.ts'
import { securityOf } from './qmgr-peers.ts'
import type { PeersBoot } from './qmgr-peers.ts'
import { ownIdentities } from './own-identity.ts'
import type { OwnListeners } from './own-identity.ts'
import { createRouter, withSelfTest } from './router.ts'

/** What routing is told by master. Plain data. */
export interface RoutingBoot {
  readonly settings: RoutingSettings
  /** transport_maps, sender_dependent_relayhost_maps and smtp_generic_maps: names of files. */
  readonly tables: { readonly transport: string; readonly relayHosts: string; readonly generic: string }
  readonly own: OwnListeners
  /** Of the mail of the self-test. */
  readonly selfTestSocket: string
  readonly candidates: Pick<
    CandidateRules,
    | 'dnsSupport'
    | 'smtpHostLookup'
    | 'lmtpHostLookup'
    | 'families'
    | 'addressPreference'
    | 'addressesMax'
    | 'sessionsMax'
  >
  readonly peers: PeersBoot
  /** Empty: those of /etc/resolv.conf. */
  readonly dnsServers: readonly { readonly host: string; readonly port: number }[]
}

interface InForce {
  readonly router: Router
  readonly rules: CandidateRules
  readonly secure: Secure
  readonly generic: GenericRules | undefined
}

const RESOLV_CONF = '/etc/resolv.conf'

/** Where mail goes, by the settings of the generation in force. */
export class QmgrRouting {
  readonly #directory: Directory
  readonly #log: Log
  readonly #native = systemNames()
  readonly #sts: StsPolicies
  /** The resolver of the moment, for what outlives it. */
  readonly #dns: NameLookup = {
    lookup: (name, type, signal) => this.#asked.resolver.lookup(name, type, signal),
  }
  #asked: { readonly servers: string; readonly resolver: Resolver }
  #inForce: InForce

  readonly #tally: TlsTally

  constructor(directory: Directory, boot: RoutingBoot, log: Log, memory: PeerMemory) {
    this.#directory = directory
    this.#log = log
    this.#asked = resolverOf(boot.dnsServers)
    const sources = {
      dns: this.#dns,
      native: this.#native,
      order: ['dns'],
      families: boot.candidates.families,
    } as const
    this.#tally = new TlsTally(memory, systemClock)
    this.#sts = new StsPolicies({
      dns: this.#dns,
      fetch: stsFetch({ sources }),
      clock: systemClock,
      log,
      memory,
      onFailure: (domain, failure) => {
        const source = { type: 'sts', strings: [], mxHosts: [] } as const
        this.#tally.record(domain, { source, mxHost: '', address: '', sender: '', failure })
      },
    })
    this.#inForce = this.#make(boot)
  }

  /** Takes a new generation. DNS answers are kept as long as the same servers are asked, MTA-STS policies always. */
  update(boot: RoutingBoot): void {
    const asked = resolverOf(boot.dnsServers)
    if (asked.servers !== this.#asked.servers) this.#asked = asked
    this.#inForce = this.#make(boot)
  }

  #make(boot: RoutingBoot): InForce {
    const { peers, candidates } = boot
    const wantsDane = [peers.smtp.level, peers.lmtp.level].some((level) => level.startsWith('dane'))
    if (wantsDane && candidates.dnsSupport !== 'dnssec') {
      const reason =
        'TLS level dane has no effect without smtp_dns_support_level = dnssec: no host counts as proven'
      this.#log.write('error', 'delivery.alarm', { reason })
    }
    const rules: CandidateRules = {
      ...boot.candidates,
      dns: this.#dns,
      native: this.#native,
      own: ownIdentities(boot.own),
      random: Math.random,
    }
    const secure = securityOf(boot.peers, this.#dns, this.#sts)
    const tables: RoutingTables = {
      transport: readTables(boot.tables.transport),
      relayHosts: readTables(boot.tables.relayHosts),
    }
    const problem = tableProblem([...tables.transport, ...tables.relayHosts])
    if (problem !== '') {
      const reason = `all mail waits, for a routing table cannot be read: ${problem}`
      this.#log.write('error', 'delivery.alarm', { reason })
    }
    const { ownName, recipientDelimiters } = boot.settings
    const outward = readTables(boot.tables.generic)
    const generic =
      outward.length === 0 ? undefined : { tables: outward, ownName, delimiters: recipientDelimiters }
    const router = withSelfTest(createRouter(this.#directory, boot.settings, tables), boot.selfTestSocket)
    return { router, rules, secure, generic }
  }

  /** What becomes of addresses in a header, and of all of them on their way out. */
  rewriting(canonical: () => CanonicalRules) {
    return {
      canonical: canonicalHeaders(this.#directory, canonical),
      generic: (): GenericRules | undefined => this.#inForce.generic,
    }
  }

  /** Counts a session for the domain that it was with (RFC 8460). */
  readonly recordTls: TlsRecorder = (domain, outcome) => this.#tally.record(domain, outcome)

  /** Writes what has been counted. */
  close(): void {
    this.#tally.flush()
  }

  readonly route = (address: string, sender: string): Route | Promise<Route> =>
    this.#inForce.router(address, sender)

  readonly plan: Planner = (destination, signal) =>
    deliveryPlan({ protocol: destination.protocol, hops: hopsOf(destination) }, this.#inForce.rules, signal)

  readonly secure: Secure = (target, protocol, signal) => this.#inForce.secure(target, protocol, signal)

  readonly ownNames = (candidate: Candidate): ReadonlySet<string> | undefined =>
    this.#inForce.rules.own(candidate.port)?.names
}

/** A destination without hops is one host, whose name may have to be looked up. */
function hopsOf({ host, port, hops }: Destination): readonly DestinationHop[] {
  return hops ?? [{ text: host, host, port, bracketed: true, role: 'table', reason: host }]
}

/** A resolver for these servers, and what tells it from one for others. */
function resolverOf(given: RoutingBoot['dnsServers']): {
  readonly servers: string
  readonly resolver: Resolver
} {
  const system = readResolvConf()
  const servers = given.length > 0 ? given.map(({ host, port }) => ({ address: host, port })) : system.servers
  const trustAd = given.length === 0 && system.trustAd
  const resolver = new Resolver({ servers, clock: systemClock, trustAd })
  return { servers: JSON.stringify([servers, trustAd]), resolver }
}

/** Without the file the C library asks this machine, and so do we. */
function readResolvConf(): ResolvConf {
  try {
    return parseResolvConf(readFileSync(RESOLV_CONF, 'utf8'))
  } catch {
    return parseResolvConf('')
  }
}
