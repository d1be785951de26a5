import { readFileSync } from 'node:fs'
import { systemClock } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'
import { StsPolicies } from '#src/delivery/mta-sts.ts'
import { stsFetch } from '#src/delivery/mta-sts-fetch.ts'
import type { Planner, Secure } from '#src/delivery/attempt.ts'
import { deliveryPlan } from '#src/delivery/routing/candidates.ts'
import type { Candidate, CandidateRules } from '#src/delivery/routing/candidates.ts'
import type { RoutingSettings } from '#src/delivery/routing/route.ts'
import type { Directory } from '#src/directory/directory.ts'
import { systemNames } from '#src/dns/native.ts'
import { parseResolvConf } from '#src/dns/resolv-conf.ts'
import type { ResolvConf } from '#src/dns/resolv-conf.ts'
import { Resolver } from '#src/dns/resolver.ts'
import type { Destination, DestinationHop, Route, Router } from '#src/queue/ports.ts'
import { securityOf } from './qmgr-peers.ts'
import type { PeersBoot } from './qmgr-peers.ts'
import { ownIdentities } from './own-identity.ts'
import type { OwnListeners } from './own-identity.ts'
import { createRouter } from './router.ts'

/** What routing is told by master. Plain data. */
export interface RoutingBoot {
  readonly settings: RoutingSettings
  readonly own: OwnListeners
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

/** What outlives a change of settings: what others have told us. */
type Kept = Pick<InForce, 'sts'> & Pick<CandidateRules, 'dns'>

interface InForce {
  readonly boot: RoutingBoot
  readonly router: Router
  readonly rules: CandidateRules
  readonly secure: Secure
  readonly sts: StsPolicies
}

const RESOLV_CONF = '/etc/resolv.conf'

/** Where mail goes, by the settings of the generation in force. */
export class QmgrRouting {
  readonly #directory: Directory
  readonly #log: Log
  readonly #native = systemNames()
  #inForce: InForce

  constructor(directory: Directory, boot: RoutingBoot, log: Log) {
    this.#directory = directory
    this.#log = log
    this.#inForce = this.#make(boot, undefined)
  }

  /** Takes a new generation. DNS answers are kept as long as the same servers are asked. */
  update(boot: RoutingBoot): void {
    const { boot: before, rules, sts } = this.#inForce
    const same = JSON.stringify(before.dnsServers) === JSON.stringify(boot.dnsServers)
    this.#inForce = this.#make(boot, same ? { dns: rules.dns, sts } : undefined)
  }

  #make(boot: RoutingBoot, before: Kept | undefined): InForce {
    const rules: CandidateRules = {
      ...boot.candidates,
      dns: before?.dns ?? resolver(boot.dnsServers),
      native: this.#native,
      own: ownIdentities(boot.own),
      random: Math.random,
    }
    const { dns, native, families } = rules
    const fetch = stsFetch({ sources: { dns, native, order: ['dns'], families } })
    const sts = before?.sts ?? new StsPolicies({ dns, fetch, clock: systemClock, log: this.#log })
    return {
      boot,
      sts,
      router: createRouter(this.#directory, boot.settings),
      rules,
      secure: securityOf(boot.peers, dns, sts),
    }
  }

  readonly route = (address: string): Route | Promise<Route> => this.#inForce.router(address)

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

function resolver(servers: RoutingBoot['dnsServers']): Resolver {
  const system = readResolvConf()
  const given = servers.map(({ host, port }) => ({ address: host, port }))
  return new Resolver({
    servers: given.length > 0 ? given : system.servers,
    clock: systemClock,
    trustAd: given.length === 0 && system.trustAd,
  })
}

/** Without the file the C library asks this machine, and so do we. */
function readResolvConf(): ResolvConf {
  try {
    return parseResolvConf(readFileSync(RESOLV_CONF, 'utf8'))
  } catch {
    return parseResolvConf('')
  }
}
