import type { Facts } from '#src/base/fault.ts'
import type { ClientInfo, PeerName } from './ports.ts'

/** The client of one connection, as policy sees it: the same object from connect to disconnect. */
export class Client implements ClientInfo {
  readonly address: string
  readonly port: number
  readonly service: ClientInfo['service']
  user = ''
  sendsAs: readonly string[] = []
  /** How it has authenticated, for the log; '' if it has not. */
  mechanism = ''
  fingerprints: readonly string[] = []
  helo = ''
  tls: boolean
  readonly #name: PeerName

  // oxlint-disable-next-line max-params -- address, port, name: who; service: where
  constructor(address: string, port: number, name: PeerName, service: ClientInfo['service']) {
    this.address = address
    this.port = port
    this.service = service
    this.tls = service === 'submissions'
    this.#name = name
  }

  get name(): string {
    return this.#name.name
  }

  /** What lines of the log say of it; with its port where `smtpd_client_port_logging` is on. */
  facts(withPort: boolean): Facts {
    const who = { client: this.address, name: this.name }
    return withPort ? { ...who, clientPort: this.port } : who
  }

  /** Who the client was before TLS, and what it said, holds no more (RFC 3207 section 4.2). */
  forget(): void {
    this.helo = ''
    this.user = ''
    this.sendsAs = []
    this.mechanism = ''
    this.fingerprints = []
  }
}
