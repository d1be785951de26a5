import { isIP } from 'node:net'
import type { Table } from '#src/config/reader.ts'
import { isWithin, parsePrefix, readTexts } from './read-values.ts'
import type { Prefix } from './read-values.ts'

/** How one interface, or each that has no table of its own, gets its addresses. */
export interface InterfaceSettings {
  /** `eth0`, a hardware address, or `*` for each Ethernet interface that is not named. */
  readonly name: string
  /** Whether an IPv4 address is asked for. */
  readonly dhcp: boolean
  readonly addresses: readonly string[]
  readonly gateways: readonly string[]
  readonly ipv6: Ipv6
}

export type Ipv6 = (typeof IPV6)[number]

/** Addresses as routers announce them (and by DHCPv6 where they say so), those of the file alone, or none at all. */
const IPV6 = ['accept-ra', 'static', 'off'] as const

/** A mail server has two or four. */
const INTERFACES_MAX = 16
const ADDRESSES_MAX = 64

/** IFNAMSIZ is 16 with the NUL; a hardware address is written with colons. */
const NAME = /^(?:\*|[a-z][a-z0-9_.-]{0,14}|[0-9a-f]{2}(?::[0-9a-f]{2}){5})$/i

/** `[network.eth0]`, `[network."52:54:00:12:34:56"]`, `[network."*"]`. */
export function readNetwork(table: Table): readonly InterfaceSettings[] {
  if (table.keys.length > INTERFACES_MAX) {
    table.wrong(table.keys[INTERFACES_MAX] ?? '', `is one too many: ${INTERFACES_MAX} interfaces at most`)
    return []
  }
  return table.keys.map((name) => {
    if (!NAME.test(name) || name === 'lo')
      table.wrong(name, 'must be the name of an interface (eth0), a hardware address in quotes, or "*"')
    return readInterface(name, table.table(name))
  })
}

function readInterface(name: string, table: Table): InterfaceSettings {
  table.only(['dhcp', 'addresses', 'gateway', 'ipv6'])
  const addresses = readTexts(table, 'addresses', {
    most: ADDRESSES_MAX,
    fits: (text) => parsePrefix(text) !== undefined,
    means: 'addresses with the length of their prefix, such as "192.0.2.5/24" or "2001:db8::5/64"',
  })
  const prefixes = addresses.flatMap((text) => parsePrefix(text) ?? [])
  const has = (family: 4 | 6): boolean => prefixes.some((one) => one.family === family)
  const read = {
    name,
    dhcp: table.flag('dhcp', false),
    addresses,
    gateways: readGateways(table, prefixes),
    ipv6: table.oneOf('ipv6', has(6) ? 'static' : 'accept-ra', IPV6),
  }
  checkFamilies(table, read, has)
  for (const prefix of prefixes) checkHost(table, prefix)
  return read
}

function checkFamilies(table: Table, read: InterfaceSettings, has: (family: 4 | 6) => boolean): void {
  const { dhcp, ipv6, addresses } = read
  if (dhcp && has(4))
    table.wrong('dhcp', 'asks for an IPv4 address although one is given: take out dhcp, or the IPv4 address')
  if (ipv6 === 'off' && has(6))
    table.wrong('ipv6', 'is off although an IPv6 address is given: say "static", or take the address out')
  if (ipv6 === 'static' && !has(6))
    table.wrong('ipv6', 'is "static" without an address: give one in addresses, or say "accept-ra" or "off"')
  if (!dhcp && addresses.length === 0 && table.raw('ipv6') !== 'accept-ra')
    table.wrong(
      'addresses',
      'is wanted, or dhcp = true, or ipv6 = "accept-ra": the interface gets no address',
    )
}

/** The address of the network itself and that of everybody in it are nobody's (RFC 1122 section 3.2.1.3). */
function checkHost(table: Table, { address, length, family }: Prefix): void {
  if (family === 6 || length >= 31) return
  const bits = address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
  const host = bits % 2 ** (32 - length)
  if (host === 0)
    table.wrong('addresses', `has ${address}/${length}, which is the network and no address in it`)
  else if (host === 2 ** (32 - length) - 1)
    table.wrong('addresses', `has ${address}/${length}, which is the broadcast address of its network`)
}

function readGateways(table: Table, prefixes: readonly Prefix[]): readonly string[] {
  const gateways = readTexts(table, 'gateway', {
    most: 2,
    fits: (text) => isIP(text) !== 0,
    means: 'addresses of routers, one of IPv4 and one of IPv6, such as "192.0.2.1"',
  })
  if (gateways.length === 2 && isIP(gateways[0] ?? '') === isIP(gateways[1] ?? ''))
    table.wrong('gateway', 'has two of one family: one of IPv4 and one of IPv6 may stand there')
  for (const gateway of gateways) {
    // RFC 4861 section 6.1.2: a router is known by its link-local address, which is in no prefix of ours.
    if (/^fe[89ab]/i.test(gateway) || prefixes.some((prefix) => isWithin(gateway, prefix))) continue
    table.wrong('gateway', `${gateway} is in none of the networks of addresses: it could not be reached`)
  }
  return gateways
}
