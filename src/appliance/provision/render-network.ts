import type { DnsSettings, TimeSettings } from './read-services.ts'
import { parseServer } from './read-services.ts'
import type { InterfaceSettings } from './read-network.ts'

/** The name of the systemd.network(5) file of an interface. What is named comes before what is not. */
export function networkFileName({ name }: InterfaceSettings): string {
  return name === '*'
    ? '60-postern-any.network'
    : `50-postern-${name.toLowerCase().replaceAll(':', '')}.network`
}

export function networkFile(settings: InterfaceSettings): string {
  const { name, dhcp, addresses, gateways, ipv6 } = settings
  return lines([
    '[Match]',
    ...matchLines(name),
    '',
    '[Network]',
    `DHCP=${dhcp ? 'ipv4' : 'no'}`,
    `LinkLocalAddressing=${ipv6 === 'off' ? 'no' : 'ipv6'}`,
    `IPv6AcceptRA=${ipv6 === 'accept-ra' ? 'yes' : 'no'}`,
    // Names are asked of the DNS alone, and nobody on the link is told who we are.
    'LLMNR=no',
    'MulticastDNS=no',
    'LLDP=no',
    'EmitLLDP=no',
    ...addresses.map((address) => `Address=${address}`),
    ...gateways.map((gateway) => `Gateway=${gateway}`),
    '',
    // Resolvers, time and name are said in one place, and not by whoever answers a broadcast first.
    '[DHCPv4]',
    'ClientIdentifier=mac',
    ...NOTHING_ELSE,
    'UseHostname=no',
    'UseTimezone=no',
    'SendHostname=no',
    '',
    '[DHCPv6]',
    ...NOTHING_ELSE,
    'UseHostname=no',
    '',
    '[IPv6AcceptRA]',
    'UseDNS=no',
    'UseDomains=no',
  ])
}

const NOTHING_ELSE = ['UseDNS=no', 'UseNTP=no', 'UseDomains=no']

function matchLines(name: string): readonly string[] {
  // Real interfaces only: a Kind= is had by bridges, tunnels and the like.
  if (name === '*') return ['Type=ether', 'Kind=!*']
  return name.includes(':') ? [`MACAddress=${name.toLowerCase()}`] : [`Name=${name}`]
}

/**
 * What is added to the image's unbound.conf(5), which has a resolver for this machine alone that checks signatures: whom
 * it asks, and what it does not check.
 */
export function unboundConf({ servers, validate, insecure }: DnsSettings): string {
  const forwards = servers.flatMap((text) => parseServer(text) ?? [])
  return lines([
    MADE_HERE,
    'server:',
    ...(validate ? [] : ['  module-config: "iterator"']),
    // Names of private addresses are known to the resolvers of the site, and to nobody else (RFC 6303).
    ...(forwards.length > 0 ? ['  unblock-lan-zones: yes', '  insecure-lan-zones: yes'] : []),
    ...insecure.map((domain) => `  domain-insecure: "${domain}"`),
    ...(forwards.length === 0
      ? []
      : [
          'forward-zone:',
          '  name: "."',
          ...forwards.map(({ host, port }) => `  forward-addr: ${host}@${port}`),
        ]),
  ])
}

/** Whom is asked where nothing is said. */
const POOL = 'pool 2.debian.pool.ntp.org iburst maxsources 4'

/** What is added to the image's chrony.conf(5): whom the time is asked of. */
export function chronySources({ servers, nts }: TimeSettings): string {
  return lines([
    MADE_HERE,
    ...servers.map((server) => `server ${server} iburst`),
    ...nts.map((server) => `server ${server} iburst nts`),
    ...(servers.length + nts.length === 0 ? [POOL] : []),
  ])
}

export const MADE_HERE = '# Made at each start from what the box was provisioned with; changes do not last.'

export function lines(list: readonly string[]): string {
  return `${list.join('\n')}\n`
}
