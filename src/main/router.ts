import type { Directory } from '#src/directory/directory.ts'
import { parseAddress } from '#src/mail/address.ts'
import type { Destination, Route } from '#src/queue/ports.ts'

/** The lookups that routing wants of the directory. */
export type Routes = Pick<Directory, 'domain' | 'transport'>

/**
 * Decides at each attempt where mail for an address goes: by the transport that the directory names for its account or
 * domain, else to `lmtp`. Mail for foreign domains can only be a bounce (policy takes no other), and there is no way
 * out for it, so it ends there, as with `default_transport = error:` in Postfix.
 */
export function createRouter(
  directory: Routes,
  lmtp: { readonly host: string; readonly port: number },
): (address: string) => Route {
  const fallback: Route = toLmtp(lmtp.host, lmtp.port)
  return (address) => {
    switch (directory.domain(parseAddress(address)?.domain ?? '')) {
      case 'foreign':
        return {
          kind: 'bounced',
          dsn: '5.4.4',
          reason: `mail for <${address}> has no way out: this server delivers to its own domains only`,
        }
      case 'unavailable':
        return deferred('the directory cannot be read')
      case 'local':
      case 'alias':
        break
    }
    const transport = directory.transport(address)
    switch (transport.kind) {
      case 'default':
        return fallback
      case 'lmtp':
        return toLmtp(transport.host, transport.port)
      case 'error':
        return { kind: 'bounced', dsn: '5.0.0', reason: transport.text }
      case 'invalid':
        // A slip of the operator, who may mend it before the mail is too old.
        return deferred(`the transport ${transport.text} is not known`)
      case 'unavailable':
        return deferred('the directory cannot be read')
    }
  }
}

function toLmtp(host: string, port: number): Route {
  const destination: Destination = { protocol: 'lmtp', host, port }
  return { kind: 'destination', destination }
}

/** Postfix: "mail transport unavailable". */
function deferred(reason: string): Route {
  return { kind: 'deferred', dsn: '4.3.5', reason: `mail transport unavailable: ${reason}` }
}
