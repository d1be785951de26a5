/** A transport and where it leads, as in transport(5). Either may be empty where a table says nothing of it. */
export interface TransportEntry {
  /** Name of the delivery agent: lmtp, smtp, relay, error, retry, discard. */
  readonly channel: string
  /** Host for lmtp and smtp, the text for error, retry and discard. */
  readonly nexthop: string
}

/** What a look-up in a table gives. 'unknown': it could not be asked (directory down), and then nobody guesses. */
export type TableAnswer =
  | { readonly kind: 'found'; readonly value: string }
  | { readonly kind: 'none' }
  | { readonly kind: 'unknown' }

/** Parent domains that are looked up, the nearest to the top: each may be a question to a directory server. */
export const PARENT_DOMAINS_MAX = 10

/** Postfix's words where a table sends mail to the error or retry agent and gives no text of its own. */
export const UNDELIVERABLE_TEXT = 'Address is undeliverable'

/** `transport:nexthop`; only the first colon parts them. */
export function parseTransport(text: string): TransportEntry {
  const trimmed = text.trim()
  const colon = trimmed.indexOf(':')
  if (colon < 0) return { channel: trimmed, nexthop: '' }
  return { channel: trimmed.slice(0, colon), nexthop: trimmed.slice(colon + 1).trim() }
}

/**
 * The keys under which a recipient is looked up, in the order of transport(5): `user+extension@domain`,
 * `user@domain`, `domain`, `.parent` for each parent, `*`. All in lower case. `address` has the form that the
 * queue keeps; its domain is not empty.
 */
export function transportKeys(address: string, delimiters: string): readonly string[] {
  const whole = address.toLowerCase()
  const at = whole.lastIndexOf('@')
  const local = whole.slice(0, at)
  const domain = whole.slice(at + 1)
  const keys = [whole]
  const bare = withoutExtension(local, delimiters)
  if (bare !== local) keys.push(`${bare}@${domain}`)
  keys.push(domain)
  if (!domain.startsWith('[')) {
    const labels = domain.split('.')
    const first = Math.max(1, labels.length - PARENT_DOMAINS_MAX)
    for (let i = first; i < labels.length; i++) keys.push(`.${labels.slice(i).join('.')}`)
  }
  keys.push('*')
  return keys
}

/** recipient_delimiter: the first of these characters ends the user name. A name that begins with one is left whole. */
export function withoutExtension(local: string, delimiters: string): string {
  if (delimiters === '' || local === 'mailer-daemon' || local === 'double-bounce') return local
  for (let i = 1; i < local.length; i++) {
    if (delimiters.includes(local.charAt(i))) return local.slice(0, i)
  }
  return local
}

/**
 * What a table entry makes of the transport found so far. `:` changes nothing, `:host` only the next hop; a named
 * transport without next hop goes to the recipient's own domain, whatever relay host is set.
 */
export function applyEntry(entry: TransportEntry, domain: string, before: TransportEntry): TransportEntry {
  if (entry.channel === '') {
    return { channel: before.channel, nexthop: entry.nexthop === '' ? before.nexthop : entry.nexthop }
  }
  if (entry.nexthop !== '') return entry
  const isText = entry.channel === 'error' || entry.channel === 'retry'
  return { channel: entry.channel, nexthop: isText ? UNDELIVERABLE_TEXT : domain }
}
