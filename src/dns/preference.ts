/** What the order of hosts looks at. */
interface Ranked {
  readonly address: string
  readonly family: 4 | 6
  readonly preference: number
}

/** A fair shuffle (Fisher and Yates); `random` gives at least 0 and less than 1. */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const left = [...items]
  const out: T[] = []
  while (left.length > 0) {
    out.push(...left.splice(Math.floor(random() * left.length), 1))
  }
  return out
}

/**
 * Addresses by preference; equals in any order (RFC 5321 section 5.1), or one family first where
 * smtp_address_preference says so. An address that stands behind two names is tried once, at its best place.
 */
export function inOrder<T extends Ranked>(
  hosts: readonly T[],
  familyFirst: 'any' | 'ipv4' | 'ipv6',
  random: () => number,
): readonly T[] {
  const first = familyFirst === 'ipv4' ? 4 : 6
  const sorted = shuffled(hosts, random).toSorted((one, other) => {
    if (one.preference !== other.preference || familyFirst === 'any') return one.preference - other.preference
    return Number(other.family === first) - Number(one.family === first)
  })
  const seen = new Set<string>()
  return sorted.filter(({ address }) => !seen.has(address) && seen.add(address))
}

/**
 * The first `most`, but neither family is crowded out by the other (smtp_balance_inet_protocols): a domain with
 * ten IPv6 addresses is still tried over IPv4, in case that IPv6 leads nowhere from here. The order stays.
 */
export function balanced<T extends Ranked>(hosts: readonly T[], most: number): readonly T[] {
  if (hosts.length <= most) return hosts
  const six = hosts.filter((host) => host.family === 6).length
  const four = hosts.length - six
  if (six === 0 || four === 0) return hosts.slice(0, most)
  const half = Math.floor(most / 2)
  // Where both have more than half, the odd place goes to the family that comes first.
  const sixMost = six <= half ? six : four <= half ? most - four : hosts[0]?.family === 6 ? most - half : half
  const room = { 4: most - sixMost, 6: sixMost }
  return hosts.filter((host) => {
    room[host.family] -= 1
    return room[host.family] >= 0
  })
}
