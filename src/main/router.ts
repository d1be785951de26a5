import type { Directory } from '#src/directory/directory.ts'
import { routeRecipient } from '#src/delivery/routing/route.ts'
import type { Routing, RoutingLookups, RoutingSettings } from '#src/delivery/routing/route.ts'
import type { Destination, DestinationHop, Route, Router } from '#src/queue/ports.ts'
import { NO_TABLES, lookUp, senderRelayHost } from '#src/delivery/routing/tables.ts'
import type { RoutingTables } from '#src/delivery/routing/tables.ts'
import type { TableAnswer } from '#src/delivery/routing/transport.ts'
import { isSocketPath } from '#src/delivery/routing/nexthop.ts'
import { SELF_TEST_ADDRESS } from '#src/mail/self-test.ts'
import { isIP } from 'node:net'

/** The lookups that routing wants of the directory. */
export type Routes = Pick<Directory, 'domain' | 'transport' | 'epoch'>

/** Routes that are kept; one takes some 300 bytes. Beyond it the oldest goes. */
const ROUTES_MAX = 20_000

/**
 * Decides at each attempt where mail for an address goes, without waiting for anything: by the transport that the
 * tables of files or the directory name for its account or domain, else to the mailbox server for our own domains, and out for others. A
 * name is looked up only when it is connected to. Answers are kept until the directory changes.
 */
export function createRouter(
  directory: Routes,
  settings: RoutingSettings,
  tables: RoutingTables = NO_TABLES,
): Router {
  const routes = new Map<string, Route>()
  let epoch = -1
  const lookups = lookupsOf(directory, tables.transport)
  return (address, sender) => {
    const now = directory.epoch
    if (now !== epoch) {
      routes.clear()
      epoch = now
    }
    const own = relayHostFor(sender, settings, tables)
    if (own.kind === 'unknown') return NO_RELAY_HOST
    const key = own.kind === 'none' ? address : `${address} ${own.value}`
    const kept = routes.get(key)
    if (kept !== undefined) return kept
    const by = own.kind === 'none' ? settings : { ...settings, relayHost: own.value }
    const route = routeOf(routeRecipient(address, by, lookups))
    if (routes.size >= ROUTES_MAX) {
      const [oldest] = routes.keys()
      if (oldest !== undefined) routes.delete(oldest)
    }
    routes.set(key, route)
    return route
  }
}

/** The mail of the self-test goes to its socket, whatever tables, relay hosts and the directory say. */
export function withSelfTest(router: Router, socket: string): Router {
  const route: Route = { kind: 'destination', destination: { protocol: 'lmtp', host: socket, port: 0 } }
  return (address, sender) => (address === SELF_TEST_ADDRESS ? route : router(address, sender))
}

/** As qmgr(8) says it of a table that cannot be read. */
const NO_RELAY_HOST: Route = { kind: 'deferred', dsn: '4.3.0', reason: 'address resolver failure' }
const NONE: TableAnswer = { kind: 'none' }

/** The relay host that a sender has instead of everybody's. */
function relayHostFor(
  sender: string,
  { recipientDelimiters }: RoutingSettings,
  { relayHosts }: RoutingTables,
): TableAnswer {
  return relayHosts.length === 0 ? NONE : senderRelayHost(sender, relayHosts, recipientDelimiters)
}

function lookupsOf(directory: Routes, tables: RoutingTables['transport']): RoutingLookups {
  return {
    domainClass: (domain) => {
      switch (directory.domain(domain)) {
        case 'local':
        // Aliases were followed when the mail was taken; what we write ourselves to one is for the mailbox server to know.
        case 'alias':
          return 'virtual'
        case 'foreign':
          return 'default'
        case 'unavailable':
          return 'unknown'
      }
    },
    transport: (key) => {
      const listed = lookUp(tables, key)
      if (listed.kind !== 'none') return listed
      // Zimbra's ldap-transport.cf asks for delivery addresses and domains, never for `.parent` or `*`.
      return key.startsWith('.') || key === '*' ? NONE : directory.transport(key)
    },
  }
}

function routeOf(routing: Routing): Route {
  if (routing.kind !== 'deliver') return routing
  return { kind: 'destination', destination: destinationOf(routing.protocol, routing.hops) }
}

/** One mailbox server with an address for a name is connected to as it stands. */
function destinationOf(protocol: 'lmtp' | 'smtp', hops: readonly DestinationHop[]): Destination {
  const [first] = hops
  const port = first?.port ?? 0
  if (first !== undefined && hops.length === 1 && protocol === 'lmtp' && isDirect(first.host)) {
    return { protocol, host: first.host, port }
  }
  // A fallback relay is named too: who may use it does not wait with who may not.
  return { protocol, host: hops.map(nameOf).join(','), port, hops }
}

/** An address, or a socket in the file system: there is nothing to look up. */
function isDirect(host: string): boolean {
  return isIP(host) !== 0 || isSocketPath(host)
}

function nameOf({ host, port, bracketed }: DestinationHop, index: number): string {
  const name = bracketed ? `[${host}]` : host
  return index === 0 ? name : `${name}:${port}`
}
