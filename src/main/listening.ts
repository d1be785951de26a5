import type { Listener } from '#src/config/listeners.ts'
import type { InheritedSocket } from '#src/host/activation.ts'

/** A listener as smtpd opens it: with `fd`, a socket that master was started with. */
export interface OpenListener extends Listener {
  readonly fd?: number
}

export type Matched =
  | { readonly kind: 'listeners'; readonly listeners: readonly OpenListener[] }
  | { readonly kind: 'wrong'; readonly reason: string }

/**
 * Gives each `[[listener]]` the inherited socket that is meant for it: that of its very address and port; else one for
 * all addresses at its port, where it too is for all; else one that has the name of its service (FileDescriptorName=
 * smtp, submission, submissions), whose address then counts. A listener without one is opened by smtpd itself. A socket
 * without a listener would take connections that nobody answers, so it is a mistake.
 */
export function matchSockets(listeners: readonly Listener[], sockets: readonly InheritedSocket[]): Matched {
  const left = new Set(sockets)
  const found = new Map<Listener, InheritedSocket>()
  for (const rule of RULES) {
    for (const listener of listeners) {
      const socket = found.has(listener) ? undefined : [...left].find((one) => rule(listener, one))
      if (socket === undefined) continue
      found.set(listener, socket)
      left.delete(socket)
    }
  }
  const [stranger] = left
  if (stranger !== undefined) return { kind: 'wrong', reason: strangerText(stranger) }
  // `0.0.0.0` beside `::` needs no socket of its own where that one takes IPv4 too.
  const isCovered = (listener: Listener) =>
    isAll(listener) && [...found.values()].some((one) => one.dualStack && one.port === listener.port)
  return {
    kind: 'listeners',
    listeners: listeners.flatMap((listener): readonly OpenListener[] => {
      const socket = found.get(listener)
      if (socket === undefined) return isCovered(listener) ? [] : [listener]
      return [{ service: listener.service, address: socket.address, port: socket.port, fd: socket.fd }]
    }),
  }
}

type Rule = (listener: Listener, socket: InheritedSocket) => boolean

const RULES: readonly Rule[] = [
  (listener, socket) => listener.port === socket.port && listener.address === socket.address,
  (listener, socket) =>
    listener.port === socket.port &&
    isAll(listener) &&
    // systemd opens 0.0.0.0 for ListenStream=25 where the kernel has no IPv6.
    (socket.dualStack || socket.address === '0.0.0.0'),
  (listener, socket) => listener.service === socket.name,
]

function isAll({ address }: Listener): boolean {
  return address === '0.0.0.0' || address === '::'
}

function strangerText({ address, port, name }: InheritedSocket): string {
  const at = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
  return `Postern was handed a socket for ${at}${name === '' ? '' : ` (${JSON.stringify(name)})`}, and no [[listener]] of postern.toml is for it.\nAdd one with address = "${address}" and port = ${port}, or take the port out of the socket unit.`
}
