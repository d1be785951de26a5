import { isIP } from 'node:net'
import type { DnsServer } from './exchange.ts'

/** resolv.conf(5), MAXNS. */
const SERVERS_MAX = 3
const PORT = 53

/** What we take of resolv.conf(5): whom to ask, and whether its AD bit is to be believed. */
export interface ResolvConf {
  readonly servers: readonly DnsServer[]
  /** `options trust-ad`: the administrator says that the way to the server is safe. */
  readonly trustAd: boolean
}

/**
 * Reads the text of /etc/resolv.conf. Search lists are left alone: a mail domain is always written in full. With
 * no server in it, it is the one on this machine, as in the C library.
 */
export function parseResolvConf(text: string): ResolvConf {
  const servers: DnsServer[] = []
  let trustAd = false
  for (const line of text.split('\n')) {
    const words = line.trim().split(/\s+/)
    if (words[0] === 'nameserver' && servers.length < SERVERS_MAX && isIP(words[1] ?? '') !== 0) {
      servers.push({ address: words[1] ?? '', port: PORT })
    }
    if (words[0] === 'options' && words.includes('trust-ad')) trustAd = true
  }
  return { servers: servers.length === 0 ? [{ address: '127.0.0.1', port: PORT }] : servers, trustAd }
}
