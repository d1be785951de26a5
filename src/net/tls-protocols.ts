/** Every protocol that Postfix has a name for, the oldest first. */
export const TLS_PROTOCOLS = ['SSLv2', 'SSLv3', 'TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const

export type TlsProtocol = (typeof TLS_PROTOCOLS)[number]

/**
 * What a value of smtpd_tls_protocols and its like (Postfix 3.6) allows: names that are allowed, `!` before one that is
 * not, `>=` and `<=`. Empty allows all. A sentence where a word is none of these.
 */
export function allowedProtocols(text: string): ReadonlySet<TlsProtocol> | string {
  const words = text.split(/[\s,:]+/).filter((word) => word !== '')
  const named = new Set<number>()
  const excluded = new Set<number>()
  let least = 0
  let most = TLS_PROTOCOLS.length - 1
  for (const word of words) {
    const [, sign = '', name = ''] = /^(!|>=|<=|)(.*)$/s.exec(word) ?? []
    const at = TLS_PROTOCOLS.findIndex((each) => each.toLowerCase() === name.toLowerCase())
    if (at < 0) return `invalid TLS protocol "${word}"`
    if (sign === '!') excluded.add(at)
    else if (sign === '>=') least = at
    else if (sign === '<=') most = at
    else named.add(at)
  }
  const isOn = (at: number): boolean =>
    at >= least && at <= most && !excluded.has(at) && (named.size === 0 || named.has(at))
  return new Set(TLS_PROTOCOLS.filter((_, at) => isOn(at)))
}
