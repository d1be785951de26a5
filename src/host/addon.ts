import { createRequire } from 'node:module'

/** An inherited descriptor as the kernel describes it. */
export interface SocketFacts {
  readonly family: 'ipv4' | 'ipv6' | 'unix' | 'other'
  readonly type: 'stream' | 'datagram' | 'other'
  /** Whether somebody has called listen(2) on it. */
  readonly listening: boolean
  /** '' unless it is of an IP family. */
  readonly address: string
  readonly port: number
  /** `::` without IPv4's addresses in it. */
  readonly v6Only: boolean
}

/** The addon `native/host.cc`, loaded here and nowhere else; built by `native/build.sh`. */
interface HostAddon {
  /**
   * One datagram to a Unix socket; `@name` is of the abstract name space. Waits half a second at most for room at the
   * receiver's. Throws the system error, with its `code`.
   */
  sendDatagram(path: string, text: string): void
  /** Throws EBADF or ENOTSOCK. */
  describeSocket(fd: number): SocketFacts
  /** Node closes what it was started with when it starts another program; not this descriptor. Throws EBADF. */
  keepOverExec(fd: number): void
}

const require = createRequire(import.meta.url)

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what it holds is tested in test/host
export const host = require('../../build/Release/postern_host.node') as HostAddon
