import { errorText } from '#src/base/fault.ts'
import { host } from './addon.ts'

/** A listening TCP socket that whoever started us has opened: systemd's socket unit, systemd-socket-activate. */
export interface InheritedSocket {
  readonly fd: number
  /** FileDescriptorName= of its socket unit; systemd calls one without a name after the unit. '' where none is told. */
  readonly name: string
  readonly address: string
  readonly port: number
  /** `::` that takes IPv4 connections as well. */
  readonly dualStack: boolean
}

export type Inherited =
  | { readonly kind: 'sockets'; readonly sockets: readonly InheritedSocket[] }
  /** `reason` is a sentence for the operator. */
  | { readonly kind: 'wrong'; readonly reason: string }

type Environment = Readonly<Record<string, string | undefined>>

/** SD_LISTEN_FDS_START of sd_listen_fds(3): the first descriptor behind standard error. */
const FIRST_FD = 3
/** More than the listeners of one box may be: a number beyond it is a slip. */
const DESCRIPTORS_MAX = 64

/** The variables by which descriptors are handed over; nothing that we start may believe that they are meant for it. */
export const ACTIVATION_VARIABLES: readonly string[] = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']

/**
 * The listening sockets that this process was started with, by sd_listen_fds(3). Each is looked at: what is no
 * listening TCP socket is a mistake of whoever set it up, and is told. None for a process that they are not meant for.
 */
export function inheritedSockets(env: Environment, pid: number): Inherited {
  const count = inheritedCount(env, pid)
  if (count === undefined)
    return {
      kind: 'wrong',
      reason: `LISTEN_FDS=${JSON.stringify(env['LISTEN_FDS'])} is no number of sockets.`,
    }
  const names = (env['LISTEN_FDNAMES'] ?? '').split(':')
  const sockets: InheritedSocket[] = []
  for (let n = 0; n < count; n += 1) {
    const socket = look(FIRST_FD + n, names[n] ?? '')
    if (typeof socket === 'string') return { kind: 'wrong', reason: socket }
    sockets.push(socket)
  }
  return { kind: 'sockets', sockets }
}

/** How many there are; 0 where they are meant for another process; undefined for a number that is none. */
function inheritedCount(env: Environment, pid: number): number | undefined {
  if (env['LISTEN_PID'] !== String(pid) || env['LISTEN_FDS'] === undefined) return 0
  const count = /^\d{1,3}$/.test(env['LISTEN_FDS']) ? Number(env['LISTEN_FDS']) : DESCRIPTORS_MAX + 1
  return count > DESCRIPTORS_MAX ? undefined : count
}

function look(fd: number, name: string): InheritedSocket | string {
  const what = `Descriptor ${fd}${name === '' ? '' : ` (${JSON.stringify(name)})`}, which Postern was started with,`
  try {
    const { family, type, listening, address, port, v6Only } = host.describeSocket(fd)
    if ((family !== 'ipv4' && family !== 'ipv6') || type !== 'stream' || !listening)
      return `${what} is no listening TCP socket. Mend the socket unit: ListenStream= with a port, Accept=no.`
    return { fd, name, address, port, dualStack: address === '::' && !v6Only }
  } catch (error) {
    return `${what} cannot be used: ${errorText(error)}.`
  }
}

/** For a process that is about to become another program by exec: what it was handed stays open, for that program. */
export function keepInherited(env: Environment, pid: number): void {
  const count = inheritedCount(env, pid) ?? 0
  for (let n = 0; n < count; n += 1) {
    try {
      host.keepOverExec(FIRST_FD + n)
    } catch {
      // It is not open: whoever takes the sockets over says so, with its name.
    }
  }
}
