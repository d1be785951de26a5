import { request } from 'node:https'
import { hostAddresses } from '#src/dns/host-addresses.ts'
import { fetchFailure } from './mta-sts.ts'
import type { HostSources } from '#src/dns/host-addresses.ts'
import type { StsFetch } from './mta-sts.ts'

/** RFC 8461 section 3.3: one minute and 64 KiB are suggested; a delivery waits for it. */
const FETCH_MS = 10_000
const POLICY_BYTES_MAX = 65_536
const HTTPS_PORT = 443

export interface StsFetchOptions {
  readonly sources: HostSources
  /** Another port and other CAs, for tests. */
  readonly port?: number
  readonly ca?: string
}

/** Fetches policies over HTTPS from `mta-sts.<domain>`: certificate checked, no redirect followed, no cache asked. */
export function stsFetch(options: StsFetchOptions): StsFetch {
  return async (domain, signal) => {
    const name = `mta-sts.${domain}`
    const bound = AbortSignal.any([signal, AbortSignal.timeout(FETCH_MS)])
    const found = await hostAddresses(name, options.sources, bound)
    const address = found.kind === 'found' ? found.addresses[0]?.address : undefined
    if (address === undefined) {
      const reason = found.kind === 'found' ? `${name} has no address` : found.text
      return { kind: 'failed', reason, type: 'sts-policy-fetch-error' }
    }
    try {
      return { kind: 'text', text: await get({ name, address }, options, bound) }
    } catch (error) {
      return fetchFailure(error)
    }
  }
}

async function get(
  at: { readonly name: string; readonly address: string },
  options: StsFetchOptions,
  signal: AbortSignal,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const asked = request({
    host: at.address,
    servername: at.name,
    port: options.port ?? HTTPS_PORT,
    path: '/.well-known/mta-sts.txt',
    headers: { host: at.name },
    agent: false,
    signal,
    ...(options.ca === undefined ? {} : { ca: options.ca }),
  })
  asked.on('error', reject)
  asked.on('response', (response) => {
    const type = response.headers['content-type'] ?? ''
    if (response.statusCode !== 200 || !/^text\/plain(?:\s*;|$)/i.test(type)) {
      asked.destroy(new Error(`${at.name} answered ${response.statusCode ?? 0} ${type}`))
      return
    }
    const parts: Buffer[] = []
    let length = 0
    response.on('data', (part: Buffer) => {
      length += part.length
      if (length > POLICY_BYTES_MAX)
        asked.destroy(new Error(`${at.name} sent more than ${POLICY_BYTES_MAX} octets`))
      else parts.push(part)
    })
    response.on('error', reject)
    response.on('end', () => resolve(Buffer.concat(parts).toString('utf8')))
  })
  asked.end()
  return await promise
}
