import { lookup } from 'node:dns/promises'
import { errorCode } from '#src/base/fault.ts'
import { Turnstile } from './turnstile.ts'
import type { HostAddresses, NativeLookup } from './host-addresses.ts'

/**
 * getaddrinfo(3) holds one of the four threads of libuv for as long as it takes and cannot be stopped; files and
 * SQLite want those threads too.
 */
const AT_ONCE_MAX = 2
/** How long one is waited for; it may go on without us. */
const WAIT_MS = 10_000

/** gai_strerror(3). */
const GAI_TEXT: ReadonlyMap<string, string> = new Map([
  ['ENOTFOUND', 'Name or service not known'],
  ['ENODATA', 'No address associated with hostname'],
  ['EAI_AGAIN', 'Temporary failure in name resolution'],
  ['EAI_NONAME', 'Name or service not known'],
  ['EAI_NODATA', 'No address associated with hostname'],
  ['EAI_FAIL', 'Non-recoverable failure in name resolution'],
])
/** Those that say that there is no such host. */
const GAI_NONE: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA', 'EAI_NONAME', 'EAI_NODATA'])

/** The name service of the operating system: /etc/hosts, and whatever nsswitch.conf(5) names besides. */
export function systemNames(): NativeLookup {
  const turnstile = new Turnstile(AT_ONCE_MAX)
  return {
    addresses: async (host, signal) => {
      const patience = new AbortController()
      const timer = setTimeout(() => {
        patience.abort()
      }, WAIT_MS)
      const either = signal === undefined ? patience.signal : AbortSignal.any([patience.signal, signal])
      const { promise, resolve } = Promise.withResolvers<undefined>()
      const giveUp = (): void => {
        resolve(undefined)
      }
      either.addEventListener('abort', giveUp, { once: true })
      const found = await Promise.race([turnstile.pass(async () => await ask(host), either), promise])
      clearTimeout(timer)
      either.removeEventListener('abort', giveUp)
      return found ?? failed('unknown', '4.4.4', `unable to look up host ${host}: no answer in time`)
    },
  }
}

/** The verbatim order: which family goes first is for smtp_address_preference to say. */
async function ask(host: string): Promise<HostAddresses> {
  try {
    const addresses = await lookup(host, { all: true, order: 'verbatim' })
    return {
      kind: 'found',
      addresses: addresses.map(({ address, family }) => ({
        address,
        family: family === 6 ? 6 : 4,
        canonicalHost: host,
        // Nothing is known of who said so.
        secure: false,
      })),
    }
  } catch (error) {
    const code = errorCode(error)
    const text = `unable to look up host ${host}: ${GAI_TEXT.get(code) ?? (code || 'Unknown error')}`
    if (GAI_NONE.has(code)) return failed('none', '5.4.4', text)
    return failed('unknown', code === 'EAI_AGAIN' ? '4.4.4' : '4.3.0', text)
  }
}

function failed(kind: 'none' | 'unknown', status: string, text: string): HostAddresses {
  return { kind, status, text }
}
