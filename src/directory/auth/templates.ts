/** The name that somebody gave, as zimbraAuthLdapBindDn and its like want it. */
export interface Principal {
  readonly local: string
  readonly domain: string
}

/** What a value is put into, which decides how it is written there. */
type Escape = (value: string) => string

/** RFC 4514 section 2.4. */
function inDn(value: string): string {
  return value
    .replaceAll(/[\\,+"<>;=#]/g, (char) => `\\${char}`)
    .replaceAll('\0', '\\00')
    .replace(/^ | $/g, '\\20')
}

/** RFC 4515 section 3: nothing in a name can become syntax of a filter. */
export function inFilter(value: string): string {
  return value.replaceAll(/[\\*()\0]/g, (char) => `\\${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

/**
 * A name to bind by: a distinguished name, or for Active Directory `user@domain` or `DOMAIN\user`, which are no such
 * names and have nothing to escape.
 */
export function bindName(template: string, who: Principal): string {
  return filled(template, who, template.includes('=') ? inDn : (value) => value)
}

export function searchFilter(template: string, who: Principal): string {
  return filled(template, who, inFilter)
}

export function searchBase(template: string, who: Principal): string {
  return filled(template, who, inDn)
}

/**
 * Zimbra's LdapUtil.computeDn: %n the whole name, %u what stands before its @, %d the domain, %D the domain as
 * `dc=example,dc=com`, %% a percent sign. Any other letter stays as it is.
 */
function filled(template: string, { local, domain }: Principal, escape: Escape): string {
  return template.replaceAll(/%(.)/gs, (all, letter: string) => {
    switch (letter) {
      case 'n':
        return escape(`${local}@${domain}`)
      case 'u':
        return escape(local)
      case 'd':
        return escape(domain)
      case 'D':
        return domain
          .split('.')
          .map((label) => `dc=${escape(label)}`)
          .join(',')
      case '%':
        return '%'
      default:
        return all
    }
  })
}
