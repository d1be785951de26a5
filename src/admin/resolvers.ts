import { readFileSync } from 'node:fs'
import { systemClock } from '#src/base/clock.ts'
import type { Config } from '#src/config/config.ts'
import { parseResolvConf } from '#src/dns/resolv-conf.ts'
import { Resolver } from '#src/dns/resolver.ts'

/** Whom the appliance asks for names, and the means to ask them too. */
export function resolversOf(config: Config): { readonly text: string; readonly resolver: () => Resolver } {
  const system = parseResolvConf(resolvConf())
  const isSet = config.dnsServers.length > 0
  const servers = isSet
    ? config.dnsServers.map(({ host, port }) => ({ address: host, port }))
    : system.servers
  const text = servers
    .map(({ address, port }) => (port === 53 ? address : `${address} port ${port}`))
    .join(', ')
  return {
    text: `${text} (${isSet ? 'postern.toml' : '/etc/resolv.conf'})`,
    resolver: () => new Resolver({ servers, clock: systemClock, trustAd: !isSet && system.trustAd }),
  }
}

/** Without the file it is this machine, as in the C library. */
function resolvConf(): string {
  try {
    return readFileSync('/etc/resolv.conf', 'utf8')
  } catch {
    return ''
  }
}
