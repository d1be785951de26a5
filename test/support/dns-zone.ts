import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Socket as UdpSocket } from 'node:dgram'
import type { Server, Socket } from 'node:net'
import { RCODES, readQuery, typeName, wireData, wireMessage, wireType } from '#test/support/dns-wire.ts'
import type { WireMessage, WireRecord, WireType } from '#test/support/dns-wire.ts'

/** One question that came, and how. */
export interface Query {
  readonly id: number
  readonly name: string
  readonly type: WireType | number
  readonly over: 'udp' | 'tcp'
}

/** What to send back: octets one after another, or nothing at all. */
export type Answerer = (query: Query, zone: ZoneServer) => readonly Buffer[] | Promise<readonly Buffer[]>

/**
 * A resolver of a zone given as text, on a free loopback port, UDP and TCP. Lines are `name [ttl] TYPE data`, full
 * names without the last dot; `;` begins a comment. A name ending in one of `secure` gets the AD bit, one in
 * `broken` SERVFAIL. It follows aliases as a resolver does.
 */
export class ZoneServer implements AsyncDisposable {
  readonly port: number
  /** Every question that came, in order. */
  readonly queries: Query[] = []
  readonly #records: readonly WireRecord[]
  readonly #options: ZoneOptions
  readonly #close: () => Promise<void>

  private constructor(port: number, zone: string, options: ZoneOptions, close: () => Promise<void>) {
    this.port = port
    this.#records = parseZone(zone)
    this.#options = options
    this.#close = close
  }

  static async start(zone: string, options: ZoneOptions = {}): Promise<ZoneServer> {
    const { tcp, udp, port } = await listenOnBoth()
    const sockets = new Set<Socket>()
    const server = new ZoneServer(port, zone, options, async () => {
      for (const socket of sockets) socket.destroy()
      tcp.close()
      udp.close()
      await once(tcp, 'close')
    })
    udp.on('message', (bytes, from) => {
      void server.#replies(bytes, 'udp').then((replies) => {
        for (const reply of replies) udp.send(reply, from.port, from.address, () => {})
        return undefined
      })
    })
    tcp.on('connection', (socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => sockets.delete(socket))
      socket.on('data', (bytes: Buffer) => {
        void server.#replies(bytes.subarray(2), 'tcp').then((replies) => {
          for (const reply of replies) socket.write(reply)
          if (options.hangUp === true) socket.end()
          return undefined
        })
      })
    })
    return server
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close()
  }

  async #replies(bytes: Buffer, over: 'udp' | 'tcp'): Promise<readonly Buffer[]> {
    const { id, name, type } = readQuery(bytes)
    const query: Query = { id, name: name.toLowerCase(), type: typeName(type) ?? type, over }
    this.queries.push(query)
    return await (this.#options.answer ?? honest)(query, this)
  }

  /** The honest answer to a question, to be sent or to be spoilt. */
  message(query: Query): WireMessage {
    const question = { name: query.name, type: query.type }
    const isUnder = (names: readonly string[] | undefined): boolean =>
      names?.some((end) => query.name === end || query.name.endsWith(`.${end}`)) === true
    if (isUnder(this.#options.broken)) return { id: query.id, question, rcode: RCODES.SERVFAIL }
    const answers: WireRecord[] = []
    let name = query.name
    for (let n = 0; n < 20; n++) {
      const here = this.#records.filter((record) => record.name === name)
      const wanted = here.filter((record) => record.type === query.type)
      answers.push(...wanted)
      const alias = wanted.length > 0 ? undefined : here.find((record) => record.type === 'CNAME')
      if (alias === undefined) break
      answers.push(alias)
      name = readQuery(Buffer.concat([Buffer.alloc(12), alias.data, Buffer.alloc(4)])).name
    }
    const authentic = isUnder(this.#options.secure)
    const found = answers.some((record) => record.type === query.type)
    if (found) return { id: query.id, question, answers, authentic }
    const exists = this.#records.some((record) => record.name === name)
    const authorities = this.#records.filter((record) => record.type === 'SOA' && name.endsWith(record.name))
    return {
      id: query.id,
      question,
      answers,
      authorities,
      authentic,
      rcode: exists ? RCODES.NOERROR : RCODES.NXDOMAIN,
    }
  }
}

/** One port for both protocols: what is free for TCP may be taken for UDP, then another is tried. */
async function listenOnBoth(): Promise<{
  readonly tcp: Server
  readonly udp: UdpSocket
  readonly port: number
}> {
  for (let n = 0; ; n++) {
    const tcp = createServer()
    tcp.listen(0, '127.0.0.1')
    await once(tcp, 'listening')
    const address = tcp.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const udp = createSocket('udp4')
    udp.bind(address.port, '127.0.0.1')
    try {
      await once(udp, 'listening')
      return { tcp, udp, port: address.port }
    } catch (error) {
      tcp.close()
      if (n === 10) throw error
    }
  }
}

export interface ZoneOptions {
  readonly secure?: readonly string[]
  readonly broken?: readonly string[]
  /** In place of the honest answer. */
  readonly answer?: Answerer
  /** Whether a TCP connection is closed behind the answer. */
  readonly hangUp?: boolean
}

/** The zone's own answer as it goes over UDP or TCP. */
export const honest: Answerer = (query, zone) => [framed(wireMessage(zone.message(query)), query.over)]

export function framed(message: Buffer, over: 'udp' | 'tcp'): Buffer {
  if (over === 'udp') return message
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}

/** The records of a zone text. */
export function parseZone(text: string): readonly WireRecord[] {
  const records: WireRecord[] = []
  for (const line of text.split('\n')) {
    const match = /^(\S+)\s+(?:(\d+)\s+)?([A-Z]+)\s+(.*)$/.exec(line.replace(/;.*$/, '').trim())
    if (match === null) continue
    const [, name = '', ttl = '300', type = '', data = ''] = match
    const known = wireType(type)
    if (known === undefined) throw new Error(`a type that the test zone does not know: ${line}`)
    records.push({
      name: name.toLowerCase(),
      ttl: Number(ttl),
      type: known,
      data: wireData(known, data.trim()),
    })
  }
  return records
}
