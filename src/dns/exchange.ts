import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect, isIP, isIPv6 } from 'node:net'
import { encodeQuestion, readMessage } from './message.ts'
import { errorCode, errorText } from '#src/base/fault.ts'
import type { Message, Question } from './message.ts'
import type { RecordType, UnknownCause } from './records.ts'

/** A resolver to ask. */
export interface DnsServer {
  readonly address: string
  readonly port: number
}

/** What one exchange with one server gave. */
export type Exchanged =
  | { readonly kind: 'reply'; readonly message: Message & { readonly kind: 'reply' } }
  | { readonly kind: 'failed'; readonly cause: UnknownCause; readonly detail: string }

export interface ExchangeLimits {
  /** How long the UDP answer may take. */
  readonly udpMs: number
  /** How long the TCP answer may take from connect to its last octet, where UDP was cut short. */
  readonly tcpMs: number
}

/** Datagrams that are no answer to our question before one is taken to be attacked: then nothing more is believed. */
const STRAYS_MAX = 100
/** RFC 1035 section 4.2.2: two octets of length, then so many. */
const TCP_MESSAGE_MAX = 65_535

/** Asks one server once, over UDP and, where the answer did not fit, over TCP. Never rejects. */
export async function exchange(
  server: DnsServer,
  asked: { readonly name: string; readonly type: RecordType },
  limits: ExchangeLimits,
  signal: AbortSignal,
): Promise<Exchanged> {
  // Nobody looks up the resolver's own name.
  if (isIP(server.address) === 0) return failed('unreachable', `${server.address} is no address`)
  // RFC 5452 section 9.2: the id from a source that cannot be guessed; the kernel picks the port at random.
  const question: Question = { id: randomInt(65_536), name: asked.name, type: asked.type }
  const first = await overUdp(server, question, bounded(limits.udpMs, signal))
  if (first !== 'truncated') return first
  const second = await overTcp(server, { ...question, id: randomInt(65_536) }, bounded(limits.tcpMs, signal))
  return second === 'truncated' ? failed('malformed', 'cut short over TCP') : second
}

interface Bound extends Disposable {
  readonly signal: AbortSignal
}

/** Aborted by the caller or by the time, whichever comes first; unlike AbortSignal.timeout() it holds the process. */
function bounded(ms: number, signal: AbortSignal): Bound {
  const own = new AbortController()
  const timer = setTimeout(() => {
    own.abort(TIMED_OUT)
  }, ms)
  return {
    signal: AbortSignal.any([signal, own.signal]),
    [Symbol.dispose]: () => {
      clearTimeout(timer)
    },
  }
}

const TIMED_OUT = Symbol('timed out')

function failed(cause: UnknownCause, detail: string): Exchanged {
  return { kind: 'failed', cause, detail }
}

function aborted(signal: AbortSignal, where: string): Exchanged {
  return signal.reason === TIMED_OUT
    ? failed('timeout', `no answer from ${where}`)
    : failed('cancelled', 'cancelled')
}

function systemFailure(error: unknown, where: string): Exchanged {
  return failed('unreachable', `${where}: ${errorCode(error) || errorText(error)}`)
}

function name(server: DnsServer): string {
  return isIPv6(server.address) ? `[${server.address}]:${server.port}` : `${server.address}:${server.port}`
}

/** undefined: wait for another datagram. */
function outcomeOf(message: Message): Exchanged | 'truncated' | undefined {
  switch (message.kind) {
    case 'stray':
      return undefined
    case 'truncated':
      return 'truncated'
    case 'malformed':
      return failed('malformed', message.detail)
    case 'reply':
      return { kind: 'reply', message }
  }
}

async function overUdp(
  server: DnsServer,
  question: Question,
  bound: Bound,
): Promise<Exchanged | 'truncated'> {
  using limit = bound
  const { signal } = limit
  const { promise, resolve } = Promise.withResolvers<Exchanged | 'truncated'>()
  if (signal.aborted) return aborted(signal, name(server))
  const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4')
  const onAbort = (): void => {
    resolve(aborted(signal, name(server)))
  }
  signal.addEventListener('abort', onAbort, { once: true })
  let strays = 0
  socket.on('error', (error) => {
    resolve(systemFailure(error, name(server)))
  })
  socket.on('message', (bytes) => {
    const outcome = outcomeOf(readMessage(bytes, question))
    strays += 1
    if (outcome !== undefined) resolve(outcome)
    else if (strays > STRAYS_MAX) resolve(failed('malformed', `only strange datagrams from ${name(server)}`))
  })
  // By event and not by callback: the callback of connect() is called for failures too, and its type hides that.
  socket.once('connect', () => {
    socket.send(encodeQuestion(question), (error) => {
      if (error !== null) resolve(systemFailure(error, name(server)))
    })
  })
  // Connected, so that the kernel drops what comes from elsewhere and tells us of a port where nobody listens.
  socket.connect(server.port, server.address)
  const outcome = await promise
  signal.removeEventListener('abort', onAbort)
  socket.close()
  return outcome
}

async function overTcp(
  server: DnsServer,
  question: Question,
  bound: Bound,
): Promise<Exchanged | 'truncated'> {
  using limit = bound
  const { signal } = limit
  if (signal.aborted) return aborted(signal, name(server))
  const { promise, resolve } = Promise.withResolvers<Exchanged | 'truncated'>()
  const onAbort = (): void => {
    resolve(aborted(signal, name(server)))
  }
  signal.addEventListener('abort', onAbort, { once: true })
  const socket = connect({ host: server.address, port: server.port })
  const reader = new StreamReader()
  socket.on('error', (error) => {
    resolve(systemFailure(error, name(server)))
  })
  socket.on('close', () => {
    resolve(failed('malformed', `${name(server)} closed the connection within its answer`))
  })
  socket.on('data', (chunk: Buffer) => {
    const whole = reader.take(chunk)
    if (whole === undefined) return
    // On a connection of our own there is nobody else's answer.
    resolve(outcomeOf(readMessage(whole, question)) ?? failed('malformed', 'an answer to another question'))
  })
  const query = encodeQuestion(question)
  const length = Buffer.alloc(2)
  length.writeUInt16BE(query.length)
  // In one segment: some servers answer only what comes in one (RFC 7766 section 8).
  socket.write(Buffer.concat([length, query]))
  const outcome = await promise
  signal.removeEventListener('abort', onAbort)
  socket.destroy()
  return outcome
}

/** Gathers one message of a stream; holds no more than that message. */
class StreamReader {
  readonly #bytes: Buffer = Buffer.alloc(TCP_MESSAGE_MAX + 2)
  #filled = 0

  /** The message once it is whole. */
  take(chunk: Buffer): Buffer | undefined {
    this.#filled += chunk.copy(this.#bytes, this.#filled)
    if (this.#filled < 2) return undefined
    const end = this.#bytes.readUInt16BE(0) + 2
    return this.#filled < end ? undefined : this.#bytes.subarray(2, end)
  }
}
