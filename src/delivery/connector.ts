import { counter } from '#src/base/metrics.ts'
import { Connection } from './connection.ts'
import { localResult, systemText } from './failure.ts'
import { Handshake } from './handshake.ts'
import { NO_TLS } from './tls.ts'
import { PeerTranscript } from './transcript.ts'
import type { Clock } from '#src/base/clock.ts'
import type { BodyEncoder } from './body.ts'
import type { PeerAddress } from './connection.ts'
import type { Result } from './failure.ts'
import type { Credentials } from './credentials.ts'
import type { DeliverySettings, TlsLevel } from './settings.ts'
import type { TlsFailure } from './tls-outcome.ts'
import type { TlsPolicy } from './tls.ts'
import type { PeerTrouble } from './transcript.ts'

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
  /** Our own address; '' where nobody was reached. */
  readonly localAddress: string
  /** Where it is TLS that was wrong. */
  readonly tls?: TlsFailure
}

export type Opened =
  | {
      readonly kind: 'open'
      readonly connection: Connection
      /** What was wrong with TLS all the same: not offered, or not to be had, at a level that does without. */
      readonly tls: TlsFailure | undefined
      /** It greeted with our own name. */
      readonly namesake?: true
    }
  | { readonly kind: 'failed'; readonly failure: OpenFailure }

export interface ConnectorContext {
  readonly settings: () => DeliverySettings
  readonly clock: Clock
  readonly createEncoder: () => BodyEncoder
  /** Told of sessions with protocol errors; undefined where nobody is to be told. */
  readonly onTrouble: () => ((trouble: PeerTrouble) => void) | undefined
}

/** What is to be known of one address before it is connected to. */
export interface Approach {
  readonly peer: PeerAddress
  /** Names that the peer must not greet us with: they are ours (RFC 5321 section 4.1.1.1 makes it say its own). */
  readonly ownNames: ReadonlySet<string> | undefined
  readonly tls: TlsPolicy
  readonly credentials: Credentials | undefined
}

/** Makes connections: TLS by level, and the words for what goes wrong. */
export class Connector {
  readonly #context: ConnectorContext

  constructor(context: ConnectorContext) {
    this.#context = context
  }

  /** A connection that is ready for MAIL. */
  async open(approach: Approach, signal: AbortSignal): Promise<Opened> {
    const first = await this.#try(approach, signal)
    if (!first.plainMayDo || signal.aborted) return first.opened
    const { opened } = await this.#try({ ...approach, tls: NO_TLS }, signal)
    return opened.kind === 'open' && first.opened.kind === 'failed'
      ? { ...opened, tls: first.opened.failure.tls ?? FELL_BACK }
      : opened
  }

  async #try(
    { peer, ownNames, tls, credentials }: Approach,
    signal: AbortSignal,
  ): Promise<{ readonly opened: Opened; readonly plainMayDo: boolean }> {
    const { clock, createEncoder } = this.#context
    const tell = this.#context.onTrouble()
    const transcript = tell === undefined ? undefined : new PeerTranscript(peer, tell)
    const settings = this.#context.settings()[peer.protocol]
    const connection = new Connection(peer, tls, { settings, clock, createEncoder, transcript })
    const handshake = new Handshake({
      protocol: peer.protocol,
      helloName: settings.helloName,
      peer: connection.name,
      tls: wireLevel(tls),
      wrapped: tls.level !== 'none' && tls.session.wrapped,
      ignored: settings.ignored,
      ownNames,
      credentials,
    })
    const cancel = (): void => connection.cancel()
    signal.addEventListener('abort', cancel, { once: true })
    const opening = connection.open(handshake)
    if (signal.aborted) cancel()
    await opening
    signal.removeEventListener('abort', cancel)
    const { failure: failed, tlsFailure } = handshake
    connections.of(outcomeOf(failed !== undefined, connection.connected)).add()
    if (failed === undefined) {
      const opened: Opened = { kind: 'open', connection, tls: tlsFailure }
      return { opened: handshake.namesake ? { ...opened, namesake: true } : opened, plainMayDo: false }
    }
    if (!connection.connected && !signal.aborted) {
      const text = `connect to ${connection.relay}: ${systemText(connection.connectError)}`
      const failure: OpenFailure = {
        result: localResult('deferred', '4.4.1', text),
        relay: 'none',
        verdict: 'dead',
        localAddress: '',
      }
      return { opened: { kind: 'failed', failure }, plainMayDo: false }
    }
    const verdict = handshake.busy ? 'busy' : handshake.countsAsDead ? 'dead' : 'other'
    const { relay } = connection
    const failure: OpenFailure = {
      result: failed,
      relay,
      verdict,
      localAddress: connection.localAddress,
      ...(tlsFailure === undefined ? {} : { tls: tlsFailure }),
    }
    return { opened: { kind: 'failed', failure }, plainMayDo: handshake.plainMayDo }
  }
}

const connections = counter('postern_delivery_connections_total')

function outcomeOf(failed: boolean, connected: boolean): string {
  if (!failed) return 'open'
  return connected ? 'refused' : 'unreachable'
}

/** The peer hung up while TLS was agreed on. */
const FELL_BACK: TlsFailure = { type: 'validation-failure', reason: 'the handshake was broken off' }

/** Whether TLS is said at all, and whether there is a way without: who the peer is, is asked afterwards. */
function wireLevel({ level, session }: TlsPolicy): TlsLevel {
  if (level === 'none') return 'none'
  // Where TLS comes first there is no plaintext to fall back to.
  return level === 'may' && !session.wrapped ? 'may' : 'encrypt'
}
