import { isIP } from 'node:net'
import { errorCode } from '#src/base/fault.ts'
import { isLoopback } from '#src/net/addresses.ts'
import { Connection } from './connection.ts'
import { localResult, systemText } from './failure.ts'
import { Handshake } from './handshake.ts'
import type { Destination } from '#src/queue/ports.ts'
import type { ConnectionContext, PeerAddress } from './connection.ts'
import type { Result } from './failure.ts'
import type { TlsLevel } from './settings.ts'

/** Finds the addresses of a host, the best first. Rejects with a system or DNS error code. */
export type Lookup = (host: string, signal: AbortSignal) => Promise<readonly string[]>

/** Why no connection was made. */
export interface OpenFailure {
  readonly result: Result
  /** `host[address]:port`, 'none' where no peer was reached. */
  readonly relay: string
  /**
   * 'dead': the destination as a whole seems not to work. 'busy': it asked for a pause (421). 'other': says
   * nothing about it.
   */
  readonly verdict: 'dead' | 'busy' | 'other'
}

export type Opened =
  | { readonly kind: 'open'; readonly connection: Connection }
  | { readonly kind: 'failed'; readonly failure: OpenFailure }

export interface ConnectorContext extends ConnectionContext {
  readonly lookup: Lookup
}

/** Makes connections: addresses one after another, TLS by level, and the words for what goes wrong. */
export class Connector {
  readonly #context: ConnectorContext

  constructor(context: ConnectorContext) {
    this.#context = context
  }

  /** A connection that is ready for MAIL, from the first address that gives one. */
  async open(destination: Destination, signal: AbortSignal): Promise<Opened> {
    const host = bareHost(destination.host)
    const found = await this.#addresses(host, signal)
    if (!Array.isArray(found)) return { kind: 'failed', failure: found }
    let last: Opened | undefined
    for (const address of found) {
      const peer: PeerAddress = { protocol: destination.protocol, host, address, port: destination.port }
      last = await this.#tryPeer(peer, signal)
      if (last.kind === 'open' || signal.aborted) return last
    }
    return last ?? { kind: 'failed', failure: notFound(host, 'ENOTFOUND') }
  }

  async #addresses(host: string, signal: AbortSignal): Promise<string[] | OpenFailure> {
    if (isIP(host) !== 0) return [host]
    try {
      const found = await this.#context.lookup(host, signal)
      return found.length === 0
        ? notFound(host, 'ENODATA')
        : found.slice(0, this.#context.settings.addressesMax)
    } catch (error) {
      return notFound(host, errorCode(error))
    }
  }

  async #tryPeer(peer: PeerAddress, signal: AbortSignal): Promise<Opened> {
    const level = this.#level(peer)
    const first = await this.#try(peer, level, signal)
    if (first.plainMayDo && !signal.aborted) return (await this.#try(peer, 'none', signal)).opened
    return first.opened
  }

  #level(peer: PeerAddress): TlsLevel {
    const level = this.#context.settings.tls[peer.protocol]
    return peer.protocol === 'lmtp' && level === 'may' && isLoopback(peer.address) ? 'none' : level
  }

  async #try(
    peer: PeerAddress,
    tls: TlsLevel,
    signal: AbortSignal,
  ): Promise<{ readonly opened: Opened; readonly plainMayDo: boolean }> {
    const { settings } = this.#context
    const connection = new Connection(peer, tls, this.#context)
    const handshake = new Handshake({
      protocol: peer.protocol,
      helloName: settings.helloName,
      peer: connection.name,
      tls,
    })
    const cancel = (): void => connection.cancel()
    signal.addEventListener('abort', cancel, { once: true })
    const opening = connection.open(handshake)
    if (signal.aborted) cancel()
    await opening
    signal.removeEventListener('abort', cancel)
    const failed = handshake.failure
    if (failed === undefined) return { opened: { kind: 'open', connection }, plainMayDo: false }
    if (!connection.connected && !signal.aborted) {
      const text = `connect to ${connection.relay}: ${systemText(connection.connectError)}`
      const failure: OpenFailure = {
        result: localResult('deferred', '4.4.1', text),
        relay: 'none',
        verdict: 'dead',
      }
      return { opened: { kind: 'failed', failure }, plainMayDo: false }
    }
    const verdict = handshake.busy ? 'busy' : handshake.countsAsDead ? 'dead' : 'other'
    const failure: OpenFailure = { result: failed, relay: connection.relay, verdict }
    return { opened: { kind: 'failed', failure }, plainMayDo: handshake.plainMayDo }
  }
}

/** `[192.0.2.1]` and `[host]` mean: no MX lookup; here that is all the same. */
function bareHost(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}

/** A name that cannot be resolved is tried again: a broken resolver must not bounce mail. */
function notFound(host: string, code: string): OpenFailure {
  const why = code === 'ENOTFOUND' || code === 'ENODATA' ? 'Host not found' : 'Host not found, try again'
  const text = `Host or domain name not found. Name service error for name=${host} type=A: ${why}`
  return { result: localResult('deferred', '4.4.3', text), relay: 'none', verdict: 'dead' }
}
