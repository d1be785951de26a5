/** A search that a value names (RFC 4516). */
export interface LdapUrl {
  readonly dn: string
  readonly attributes: readonly string[]
  readonly scope: 'base' | 'one' | 'sub'
  readonly filter: string
}

/**
 * `ldap://host/dn?attributes?scope?filter`. The host is not looked at: Postfix asks the server that it has. undefined
 * where it is no such URL.
 */
export function parseLdapUrl(text: string): LdapUrl | undefined {
  const match =
    /^ldap[si]?:\/\/[^/?]*(?:\/([^?]*)(?:\?([^?]*)(?:\?([^?]*)(?:\?([^?]*)(?:\?.*)?)?)?)?)?$/is.exec(text)
  if (match === null) return undefined
  const [dn, attributes, scope, filter] = match.slice(1).map(decoded)
  if (dn === null || attributes === null || scope === null || filter === null) return undefined
  const wide = scope === undefined || scope === '' ? 'base' : scope.toLowerCase()
  if (wide !== 'base' && wide !== 'one' && wide !== 'sub') return undefined
  return {
    dn: dn ?? '',
    attributes: (attributes ?? '').split(',').filter((name) => name !== ''),
    scope: wide,
    filter: filter === undefined || filter === '' ? '(objectClass=*)' : filter,
  }
}

/** null where the percent signs are wrong. */
function decoded(part: string | undefined): string | undefined | null {
  try {
    return part === undefined ? undefined : decodeURIComponent(part)
  } catch {
    return null
  }
}
