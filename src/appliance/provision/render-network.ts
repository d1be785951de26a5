import type { DnsSettings, TimeSettings } from './read-services.ts'
import { parseServer } from './read-services.ts'
import type { InterfaceSettings } from './read-network.ts'

/** Every Ethernet interface by DHCP and as routers announce: what serves where nothing is said about the network. */
export const ANY_BY_DHCP: InterfaceSettings = {
  name: '*',
  dhcp: true,
  addresses: [],
  gateways: [],
  ipv6: 'accept-ra',
}

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

/** resolv.conf(5): our own resolver, whose word on signatures is believed. */
export const RESOLV_CONF = 'nameserver 127.0.0.1\noptions edns0 trust-ad\n'

/** unbound.conf(5): a resolver for this machine alone, which checks signatures. */
export function unboundConf({ servers, validate, insecure }: DnsSettings, rootKey: string): string {
  const forwards = servers.flatMap((text) => parseServer(text) ?? [])
  return lines([
    'server:',
    '  interface: 127.0.0.1',
    '  interface: ::1',
    '  access-control: 127.0.0.0/8 allow',
    '  access-control: ::1/128 allow',
    '  chroot: ""',
    '  username: "unbound"',
    '  directory: "/var/lib/unbound"',
    '  pidfile: ""',
    '  use-syslog: no',
    '  log-local-actions: no',
    '  num-threads: 1',
    `  module-config: "${validate ? 'validator iterator' : 'iterator'}"`,
    ...(validate
      ? [`  trust-anchor-file: "${rootKey}"`, '  aggressive-nsec: yes', '  ede: yes', '  val-log-level: 1']
      : []),
    '  hide-identity: yes',
    '  hide-version: yes',
    '  harden-glue: yes',
    '  harden-below-nxdomain: yes',
    '  qname-minimisation: yes',
    // DNS flag day 2020: larger answers get lost in pieces.
    '  edns-buffer-size: 1232',
    '  unwanted-reply-threshold: 10000000',
    '  prefetch: yes',
    // An answer that has run out is better than none while a server is away (RFC 8767), for a day.
    '  serve-expired: yes',
    '  serve-expired-ttl: 86400',
    '  serve-expired-client-timeout: 1800',
    // Names of private addresses are known to the resolvers of the site, and to nobody else (RFC 6303).
    ...(forwards.length > 0 ? ['  unblock-lan-zones: yes', '  insecure-lan-zones: yes'] : []),
    ...insecure.map((domain) => `  domain-insecure: "${domain}"`),
    'remote-control:',
    '  control-enable: no',
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

/** chrony.conf(5): a client, which answers nobody. */
export function chronyConf({ servers, nts }: TimeSettings): string {
  return lines([
    ...servers.map((server) => `server ${server} iburst`),
    ...nts.map((server) => `server ${server} iburst nts`),
    ...(servers.length + nts.length === 0 ? [POOL] : []),
    'driftfile /var/lib/chrony/chrony.drift',
    // A clock that has stopped is set at once in the first three answers, and never jumps later.
    'makestep 1 3',
    'maxupdateskew 100',
    'rtcsync',
    'port 0',
    'cmdport 0',
    // Keys of NTS are kept; and a clock without a battery must not keep the first certificate from being believed.
    ...(nts.length > 0 ? ['ntsdumpdir /var/lib/chrony', 'nocerttimecheck 1'] : []),
  ])
}

export function lines(list: readonly string[]): string {
  return `${list.join('\n')}\n`
}
