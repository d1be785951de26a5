import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** One of the map files that zmmtainit writes, as far as it differs from the others. */
interface ZimbraMap {
  readonly filter: string
  readonly results: string
  readonly more?: string
}

const ADDRESS = '(zimbraMailDeliveryAddress=%s)(zimbraMailAlias=%s)'
const CATCH_ALL = '(zimbraMailCatchAllAddress=%s)'
const IN_USE = '(zimbraMailStatus=enabled)'
const FORWARDS =
  'zimbraMailDeliveryAddress,zimbraMailForwardingAddress,zimbraPrefMailForwardingAddress,zimbraMailCatchAllForwardingAddress'

/** Zimbra's map files by their names, ldap-NAME.cf. */
export const ZIMBRA_MAPS: Readonly<Record<string, ZimbraMap>> = {
  vmm: { filter: `(&(zimbraMailDeliveryAddress=%s)${IN_USE})`, results: 'zimbraMailDeliveryAddress' },
  vmd: { filter: `(&(zimbraDomainName=%s)(zimbraDomainType=local)${IN_USE})`, results: 'zimbraDomainName' },
  vam: {
    filter: `(&(|${ADDRESS}(zimbraOldMailAddress=%s)${CATCH_ALL})${IN_USE})`,
    results: FORWARDS,
    more: 'special_result_attribute = member',
  },
  vad: { filter: `(&(zimbraDomainName=%s)(zimbraDomainType=alias)${IN_USE})`, results: 'zimbraDomainName' },
  canonical: {
    filter: `(&(|${ADDRESS}${CATCH_ALL})${IN_USE})`,
    results: 'zimbraMailCanonicalAddress,zimbraMailCatchAllCanonicalAddress',
  },
  transport: {
    filter: `(&(|(zimbraMailDeliveryAddress=%s)(zimbraDomainName=%s))${IN_USE})`,
    results: 'zimbraMailTransport',
  },
  slm: {
    filter: `(&(|(uid=%s)${ADDRESS}${CATCH_ALL}(zimbraAllowFromAddress=%s))${IN_USE})`,
    results: `uid,${FORWARDS}`,
    more: 'result_filter = %u, %s',
  },
  splitdomain: {
    filter: `(&(|${ADDRESS}${CATCH_ALL})${IN_USE})`,
    results: FORWARDS,
    more: 'result_filter = OK',
  },
}

export interface MapServer {
  readonly port: number
  readonly dn: string
  readonly password: string
}

/** Writes all map files into a folder; gives the path of each by its name. */
export function writeZimbraMaps(folder: string, server: MapServer): ReadonlyMap<string, string> {
  const files = new Map<string, string>()
  for (const [name, map] of Object.entries(ZIMBRA_MAPS)) {
    const file = join(folder, `ldap-${name}.cf`)
    writeFileSync(file, mapText(map, server))
    files.set(name, file)
  }
  return files
}

export function mapText({ filter, results, more = '' }: ZimbraMap, server: MapServer): string {
  return `server_host = ldap://127.0.0.1:${server.port}
server_port = 389
search_base =
query_filter = ${filter}
result_attribute = ${results}
${more}
version = 3
start_tls = no
tls_ca_cert_dir =
bind = yes
bind_dn = ${server.dn}
bind_pw = ${server.password}
timeout = 30
`
}
