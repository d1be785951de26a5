/* oxlint-disable no-underscore-dangle -- smtp-server's own names for what is overridden */
import { once } from 'node:events'
import { SMTPServer } from 'smtp-server'
import { errorText } from '#src/base/fault.ts'
import { MaildirStore } from '#src/mail/maildir.ts'
import { MailboxConnection } from './mailbox-connection.ts'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { SMTPServerSession } from 'smtp-server'
import type { Log } from '#src/base/log.ts'
import type { MailboxContext, MailboxLookup } from './mailbox-connection.ts'

export interface MailboxOptions {
  /** First word of the greeting. */
  readonly hostname: string
  /** Where it listens; port 0 lets the system choose. Loopback: there is no authentication. */
  readonly address: string
  readonly port: number
  /** The folder that the Maildirs lie in: `<domain>/<local part>/{tmp,new,cur}`. */
  readonly root: string
  /** Octets of a message; 0 for no limit. */
  readonly messageBytesMax: number
  readonly log: Log
  readonly mailboxOf: MailboxLookup
  /** How long a silent client is kept, and how long stop() waits for messages under way, milliseconds. */
  readonly idleMs: number
  readonly stopMs: number
}

export interface MailboxServer {
  readonly address: string
  readonly port: number
  /** Takes no more, lets messages under way end (`stopMs` at most), closes. */
  stop(): Promise<void>
}

/** Clients at once; delivery uses 20. */
const CLIENTS_MAX = 1000

/**
 * Starts the embedded mailbox store: smtp-server in LMTP mode (RFC 2033) before a tree of Maildirs. It is what
 * mail is delivered to where no LMTP server is set. Rejects with a system error where it cannot listen, or
 * cannot make its folder.
 */
export async function startMailboxServer(options: MailboxOptions): Promise<MailboxServer> {
  const store = new MaildirStore(options.root)
  const server = new LmtpServer({ ...options, store }, options.idleMs)
  // Of single connections, and of listening, where `once` below rejects with it as well.
  server.on('error', (error: Error) => {
    options.log.write('warn', 'mailbox.error', { error: errorText(error) })
  })
  const listening = once(server.server, 'listening')
  server.listen(options.port, options.address)
  await listening
  const bound = server.server.address()
  const at =
    typeof bound === 'object' && bound !== null ? bound : { address: options.address, port: options.port }
  options.log.write('info', 'mailbox.start', { address: at.address, port: at.port, root: options.root })
  return { address: at.address, port: at.port, stop: () => server.stop(options.stopMs) }
}

class LmtpServer extends SMTPServer {
  readonly #context: MailboxContext
  readonly #clients = new Set<MailboxConnection>()

  constructor(context: MailboxContext, idleMs: number) {
    super({
      lmtp: true,
      name: context.hostname,
      // No AUTH, and no TLS: its built-in certificate has a key that everyone knows.
      disabledCommands: ['AUTH', 'STARTTLS', 'HELP', 'WIZ', 'SHELL', 'KILL', 'XCLIENT', 'XFORWARD'],
      hideSTARTTLS: true,
      hideENHANCEDSTATUSCODES: false,
      hideDSN: true,
      size: context.messageBytesMax,
      disableReverseLookup: true,
      socketTimeout: idleMs,
      logger: false,
    })
    this.#context = context
  }

  override connect(socket: Socket | TLSSocket): void {
    const connection = new MailboxConnection(this, socket, this.#context)
    this.connections.add(connection)
    this.#clients.add(connection)
    socket.once('close', () => this.#clients.delete(connection))
    connection.on('error', (error: Error) => this._onError(error))
    connection.init()
    if (this.#clients.size > CLIENTS_MAX) connection.stop()
  }

  /** At once and not in the next turn, so that the greeting goes out before anything is read. */
  override onConnect(_session: SMTPServerSession, callback: (error?: Error | null) => void): void {
    callback()
  }

  async stop(stopMs: number): Promise<void> {
    if (!this.server.listening) return
    const closed = once(this.server, 'close')
    this.server.close()
    for (const connection of this.#clients) connection.stop()
    const timer = setTimeout(() => {
      for (const connection of this.#clients) connection._socket.destroy()
    }, stopMs)
    await closed
    clearTimeout(timer)
  }
}
