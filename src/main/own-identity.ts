import { networkInterfaces } from 'node:os'
import { addressSpelling } from '#src/dns/records.ts'
import { isLoopback } from '#src/net/addresses.ts'
import type { OwnIdentity } from '#src/dns/mx.ts'

/** How this machine can be met as an SMTP server. */
export interface OwnListeners {
  /** myhostname. */
  readonly hostname: string
  readonly listeners: readonly { readonly address: string; readonly port: number }[]
  /** proxy_interfaces. */
  readonly proxyInterfaces: readonly string[]
}

/** Where mail from outside arrives, whichever port it is redirected to here. */
const SMTP_PORT = 25

/**
 * How we are known to who connects to a port, so that no mail is sent round in a circle; undefined where something
 * else answers. On a port of ours, all our addresses. On 25 without a listener there: the addresses that
 * others see, for the port may be redirected, but not loopback, where another mail server of this machine may be.
 */
export function ownIdentities(own: OwnListeners): (port: number) => OwnIdentity | undefined {
  const names = new Set([own.hostname.toLowerCase()])
  const interfaces = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
  const all = interfaces.map(({ address }) => addressSpelling(address))
  const proxies = own.proxyInterfaces.map(addressSpelling)
  const seen = new Set([...all.filter((address) => !isLoopback(address)), ...proxies])
  const ports = new Map<number, OwnIdentity>()
  for (const { address, port } of own.listeners) {
    const before = ports.get(port)?.addresses ?? (port === SMTP_PORT ? seen : new Set<string>())
    const here = address === '0.0.0.0' || address === '::' ? [...all, ...proxies] : [addressSpelling(address)]
    ports.set(port, { names, addresses: new Set([...before, ...here]) })
  }
  if (!ports.has(SMTP_PORT)) ports.set(SMTP_PORT, { names, addresses: seen })
  return (port) => ports.get(port)
}
