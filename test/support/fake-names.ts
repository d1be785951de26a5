import type { HostAddresses, NativeLookup } from '#src/dns/host-addresses.ts'
import type { Answer, NameLookup, RecordData, RecordType } from '#src/dns/records.ts'

/**
 * A DNS in a table: `'example.com MX': '10 mx.example.com, 20 .'`, addresses parted by commas. `SERVFAIL` as data is
 * an answer that is not known; a name with other types only has no data. `secure` names are proven.
 */
export interface FakeDns extends NameLookup {
  /** `name TYPE` of each question that came. */
  readonly asked: string[]
}

export function fakeDns(records: Readonly<Record<string, string>>, secure: readonly string[] = []): FakeDns {
  const asked: string[] = []
  const names = new Set(Object.keys(records).map((key) => key.split(' ')[0]))
  const answerFor = (name: string, type: string): Answer<unknown> => {
    const isSecure = secure.some((end) => name === end || name.endsWith(`.${end}`))
    const alias = records[`${name} CNAME`]
    if (alias !== undefined && type !== 'CNAME') {
      const found = answerFor(alias, type)
      return found.kind === 'unknown' ? found : { ...found, secure: found.secure && isSecure }
    }
    const data = records[`${name} ${type}`]
    if (data === 'SERVFAIL') return { kind: 'unknown', cause: 'servfail', detail: 'RCODE 2' }
    const common = { canonicalName: name, secure: isSecure, ttlSeconds: 300 }
    if (data === undefined) return { kind: 'none', why: names.has(name) ? 'nodata' : 'nxdomain', ...common }
    return { kind: 'found', records: data.split(', ').map((text) => recordOf(type, text)), ...common }
  }
  return {
    asked,
    lookup: async <T extends RecordType>(name: string, type: T): Promise<Answer<RecordData[T]>> => {
      asked.push(`${name} ${type}`)
      // oxlint-disable-next-line no-unsafe-type-assertion -- recordOf() makes what the type wants
      return answerFor(name, type) as Answer<RecordData[T]>
    },
  }
}

function recordOf(type: string, text: string): unknown {
  if (type === 'TLSA') {
    const [usage = '', selector = '', matchingType = '', hex = ''] = text.split(' ')
    const data = Uint8Array.from(Buffer.from(hex, 'hex'))
    return { usage: Number(usage), selector: Number(selector), matchingType: Number(matchingType), data }
  }
  if (type !== 'MX') return text
  const [preference = '', host = ''] = text.split(' ')
  return { preference: Number(preference), host: host === '.' ? '' : host }
}

/** A hosts file: names to addresses. */
export function fakeHosts(hosts: Readonly<Record<string, string>>): NativeLookup {
  return {
    addresses: async (host): Promise<HostAddresses> => {
      const address = hosts[host]
      if (address === undefined) {
        return {
          kind: 'none',
          status: '5.4.4',
          text: `unable to look up host ${host}: Name or service not known`,
        }
      }
      const family = address.includes(':') ? 6 : 4
      return { kind: 'found', addresses: [{ address, family, canonicalHost: host, secure: false }] }
    },
  }
}
