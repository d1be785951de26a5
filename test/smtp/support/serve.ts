import type { ClientInfo } from '#src/smtp/ports.ts'
import { Server } from '#src/smtp/server.ts'
import type { Certificate } from '#src/smtp/server-tls.ts'
import { plainTls } from './certificate.ts'
import type { SmtpSettings } from '#src/smtp/settings.ts'
import { fakes } from './fakes.ts'
import type { Fakes } from './fakes.ts'

export interface Serving extends Fakes, AsyncDisposable {
  readonly port: number
  readonly server: Server
}

/** A listener on a free port of loopback, with fakes behind it. */
export async function serve(
  settings: Partial<SmtpSettings> = {},
  certificate?: Certificate,
  service: ClientInfo['service'] = 'smtp',
): Promise<Serving> {
  const all = fakes({ stopGraceMs: 200, ...settings })
  const server = new Server({ environment: all.environment, service, tls: plainTls(certificate) })
  const port = await server.start({ host: '127.0.0.1', port: 0, reusePort: false })
  return {
    ...all,
    server,
    port,
    [Symbol.asyncDispose]: async () => {
      await server.stop()
    },
  }
}

/** The idle time is over when the test says so: a busy machine would be late for a short one. */
export function timeIsUp({ server }: Serving): void {
  // oxlint-disable-next-line no-underscore-dangle -- smtp-server's member is named so
  for (const { _socket } of server.connections) _socket.emit('timeout')
}
