import type { Socket } from 'node:net'
import { join } from 'node:path'
import type { Clock } from '#src/base/clock.ts'
import { elapsed } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'
import { VERSION } from '#src/base/version.ts'
import { WORKERS_MAX } from '#src/config/config.ts'
import { FrameWriter, parseHead, readFrames } from '#src/net/frames.ts'
import { UnixServer } from '#src/net/unix-server.ts'
import type { ChildKind, ChildSpec, Launch, Life } from './child.ts'
import { readFromChild } from './from-child.ts'
import type { Hello, Welcome } from './ipc.ts'

/** What a process says at once: counts of 500 members of each metric are the most of it. */
const FROM_BYTES_MAX = 8 * 1024 * 1024
/** A process that does not read what it is told is let go; settings have some hundred kilobytes. */
const UNREAD_BYTES_MAX = 64 * 1024 * 1024
/** Whoever connects says first who it is. */
const HELLO_MS = 10_000
/** All smtpd there may be, and as many that are just being replaced. */
const CONNECTIONS_MAX = 2 * WORKERS_MAX

export interface GateOptions {
  /** The folder with a folder for each kind: whoever may enter that one is of that kind. */
  readonly runFolder: string
  readonly clock: Clock
  readonly log: Log
  /** What processes take over into their environment: the time zone. */
  readonly env: Readonly<Record<string, string>>
}

/** Where master listens for processes of one kind. */
export function masterSocketPath(runFolder: string, kind: ChildKind): string {
  return join(runFolder, kind, 'master.sock')
}

interface Caller {
  readonly hello: Hello
  readonly socket: Socket
  readonly out: FrameWriter
  life: Life | undefined
}

/**
 * Processes that somebody else starts, each as a user of its own (systemd: docs/install.md): they come to master over a
 * Unix socket, say who they are, and are spoken to over it as master's own children are over IPC. The files' modes say
 * who may come as what; the rest of what they say is believed no more than that of a stranger.
 */
export class Gate {
  readonly #options: GateOptions
  readonly #servers: UnixServer[] = []
  /** Those that there are to be. */
  #expected: ReadonlySet<string> = new Set()
  /** Those that master waits for. */
  readonly #awaited = new Map<string, Life>()
  /** Those that are connected, whether master has taken them on or does so after a pause. */
  readonly #callers = new Map<string, Caller>()

  readonly #told = new Map<string, string>()

  constructor(options: GateOptions) {
    this.#options = options
  }

  /** Listens for these processes; whoever else comes is told that it is not needed. */
  async open(specs: readonly Pick<ChildSpec, 'kind' | 'n'>[]): Promise<void> {
    this.#expected = new Set(specs.map(nameOf))
    for (const kind of KINDS) {
      const server = new UnixServer((socket) => this.#serve(kind, socket), {
        connectionsMax: CONNECTIONS_MAX,
        mode: 0o660,
      })
      await server.listen(masterSocketPath(this.#options.runFolder, kind))
      this.#servers.push(server)
    }
  }

  readonly launch: Launch = (spec, life) => {
    const name = nameOf(spec)
    const caller = this.#callers.get(name)
    if (caller === undefined) this.#awaited.set(name, life)
    else this.#begin(caller, life)
  }

  /** Takes no more; those that are there go on. */
  stopListening(): void {
    for (const server of this.#servers) server.stopListening()
  }

  #serve(kind: ChildKind, socket: Socket): void {
    const out = new FrameWriter(socket)
    const said = new AbortController()
    let caller: Caller | undefined
    readFrames(socket, { headBytesMax: FROM_BYTES_MAX, tailBytesMax: 0 }, (head) => {
      const message = parseHead(head)
      if (caller === undefined) {
        said.abort()
        caller = this.#greet(kind, { hello: readHello(message), socket, out })
        return
      }
      const read = readFromChild(message)
      if (read !== undefined) caller.life?.heard(read)
    })
    socket.on('close', () => {
      said.abort()
      if (caller !== undefined) this.#gone(kind, caller)
    })
    void elapsed(this.#options.clock, HELLO_MS, said.signal).then((isLate) => {
      if (isLate) socket.destroy()
      return undefined
    })
  }

  /** undefined: it is not wanted, and told so. */
  #greet(
    kind: ChildKind,
    { hello, socket, out }: { hello: Hello | string; socket: Socket; out: FrameWriter },
  ): Caller | undefined {
    const name = typeof hello === 'string' ? kind : nameOf({ kind, n: hello.n })
    const refused = this.#refusal(hello, name)
    if (refused !== undefined || typeof hello === 'string') {
      if (refused?.kind === 'refused') this.#tell(name, refused.reason)
      out.write(JSON.stringify(refused))
      out.flush()
      socket.end()
      return undefined
    }
    this.#told.delete(name)
    const caller: Caller = { hello, socket, out, life: undefined }
    this.#callers.set(name, caller)
    out.write(JSON.stringify({ kind: 'welcome', env: this.#options.env } satisfies Welcome))
    const life = this.#awaited.get(name)
    if (life !== undefined) this.#begin(caller, life, name)
    return caller
  }

  /** Once: it comes again every second. */
  #tell(name: string, reason: string): void {
    if (this.#told.get(name) === reason || this.#told.size > CONNECTIONS_MAX) return
    this.#told.set(name, reason)
    this.#options.log.write('warn', 'master.caller', { child: name, reason })
  }

  #refusal(hello: Hello | string, name: string): Exclude<Welcome, { kind: 'welcome' }> | undefined {
    if (typeof hello === 'string') return { kind: 'refused', reason: hello }
    if (hello.version !== VERSION)
      return { kind: 'refused', reason: `it is of release ${hello.version}, and master of ${VERSION}` }
    if (!this.#expected.has(name)) return { kind: 'unneeded' }
    if (this.#callers.has(name)) return { kind: 'refused', reason: 'there is one already' }
    return undefined
  }

  #begin(caller: Caller, life: Life, name?: string): void {
    if (name !== undefined) this.#awaited.delete(name)
    caller.life = life
    const { hello, socket, out } = caller
    life.started({
      pid: hello.pid,
      send: (message) => {
        out.write(JSON.stringify(message))
        if (socket.writableLength > UNREAD_BYTES_MAX) socket.destroy()
      },
      kill: () => socket.destroy(),
    })
  }

  #gone(kind: ChildKind, caller: Caller): void {
    this.#callers.delete(nameOf({ kind, n: caller.hello.n }))
    caller.life?.ended('its connection has closed')
  }
}

const KINDS: readonly ChildKind[] = ['mailbox', 'directory', 'qmgr', 'smtpd', 'health']

function nameOf({ kind, n }: Pick<ChildSpec, 'kind' | 'n'>): string {
  return `${kind}/${n}`
}

/** A sentence where it is none. */
function readHello(message: Readonly<Record<string, unknown>>): Hello | string {
  const { kind, version, n, pid } = message
  if (kind !== 'hello' || typeof version !== 'string' || version.length > 100)
    return 'it does not say what it is'
  if (!isBetween(n, 1, WORKERS_MAX) || !isBetween(pid, 2, 2 ** 31)) return 'it does not say which it is'
  return { kind, version, n, pid }
}

function isBetween(value: unknown, least: number, most: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most
}
