// oxlint-disable no-underscore-dangle -- smtp-server's members are named so
import { createRequire } from 'node:module'
import { EventEmitter } from 'node:events'
import { Writable } from 'node:stream'
import { Socket } from 'node:net'
import { readFileSync } from 'node:fs'
import test from 'ava'
import { SMTPServer } from 'smtp-server'
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js'
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'

/**
 * What src/smtp/ rests on in smtp-server, member by member: an update of the package that renames one, changes its
 * arguments or calls it elsewhere fails here and not in a session.
 */

const PINNED = '3.21.6'

test('the package is the version that this contract was read in', (t) => {
  const path = createRequire(import.meta.url).resolve('smtp-server/package.json')
  const { version }: { version: string } = JSON.parse(readFileSync(path, 'utf8'))
  t.is(version, PINNED)
})

/** Members that are overridden or called, with the number of arguments that each declares. */
const MEMBERS: readonly (readonly [string, object, readonly (readonly [string, number])[]])[] = [
  [
    'SMTPStream',
    SMTPStream.prototype,
    [
      ['_write', 3],
      ['_flushData', 0],
    ],
  ],
  [
    'SMTPConnection',
    SMTPConnection.prototype,
    [
      ['init', 0],
      ['send', 3],
      ['close', 0],
      ['upgrade', 2],
      ['_createParser', 0],
      ['_setListeners', 1],
      ['_resetSession', 0],
      ['_onTimeout', 0],
      ['_onError', 1],
      ['_onClose', 0],
      ['_onCloseEvent', 1],
    ],
  ],
  [
    'SMTPServer',
    SMTPServer.prototype,
    [
      ['connect', 2],
      ['_handleProxy', 2],
      ['_expectsProxyHeader', 1],
      ['updateSecureContext', 1],
      ['_resolveSNI', 2],
      ['onSecure', 3],
      ['onAuth', 3],
      ['_onError', 1],
    ],
  ],
]

for (const [owner, prototype, members] of MEMBERS) {
  for (const [name, count] of members) {
    test(`${owner}.${name} is a method of ${count} arguments`, (t) => {
      const method: unknown = Object.getOwnPropertyDescriptor(prototype, name)?.value
      t.is(typeof method, 'function')
      t.is(typeof method === 'function' ? method.length : -1, count)
    })
  }
}

/** A socket as far as the base classes look at one. */
class FakeSocket extends EventEmitter {
  readonly calls: string[] = []
  localAddress = '127.0.0.1'
  localPort = 25
  remoteAddress = '::ffff:192.0.2.1'
  remotePort = 4000
  destroyed = false
  writable = true
  readyState = 'open'
  setNoDelay(): void {
    this.calls.push('setNoDelay')
  }
  setTimeout(ms: number): void {
    this.calls.push(`setTimeout ${ms}`)
  }
  pipe(): void {
    this.calls.push('pipe')
  }
  unpipe(): void {
    this.calls.push('unpipe')
  }
  resume(): void {
    this.calls.push('resume')
  }
  end(): void {
    this.calls.push('end')
  }
  destroy(): void {
    this.calls.push('destroy')
  }
}

class ProbeConnection extends SMTPConnection {
  // No initialiser: the base constructor makes the first stream before any field of a subclass is there.
  declare parsers: SMTPStream[]
  override _createParser(): SMTPStream {
    const parser = new SMTPStream()
    this.parsers = [...(this.parsers ?? []), parser]
    return parser
  }
}

function probe(socket: FakeSocket): ProbeConnection {
  const server = new SMTPServer({
    logger: false,
    hideSTARTTLS: true,
    socketTimeout: 1234,
    disableReverseLookup: true,
  })
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as much of a socket as the base class looks at
  return new ProbeConnection(server, socket as unknown as Socket, { id: 'given' })
}

test('the constructor of SMTPConnection takes its stream from _createParser and keeps the id that it is given', (t) => {
  const connection = probe(new FakeSocket())
  t.is(connection.parsers.length, 1)
  t.true(connection._parser === connection.parsers[0])
  t.is(connection.id, 'given')
  t.is(connection.remoteAddress, '192.0.2.1')
  t.is(connection.remotePort, 4000)
})

test('_setListeners arms the idle time-out, pipes the socket, and goes on at once without TLS', (t) => {
  const socket = new FakeSocket()
  const connection = probe(socket)
  let ready = false
  connection._setListeners(() => {
    ready = true
  })
  t.true(ready)
  t.deepEqual(socket.calls, ['setNoDelay', 'setTimeout 1234', 'pipe'])
  t.deepEqual(new Set(socket.eventNames()), new Set(['close', 'error']))
})

test('a closed socket is told to _onCloseEvent, an error to _onError', (t) => {
  const socket = new FakeSocket()
  const connection = probe(socket)
  const seen: string[] = []
  connection._onCloseEvent = () => seen.push('close')
  connection._onError = () => seen.push('error')
  connection._setListeners(() => {})
  socket.emit('error', new Error('x'))
  socket.emit('close', false)
  t.deepEqual(seen, ['error', 'close'])
})

test('close ends the socket, retires the stream, drains the socket and leaves the set of connections', (t) => {
  const socket = new FakeSocket()
  const connection = probe(socket)
  connection._server.connections.add(connection)
  socket.calls.length = 0
  connection.close()
  t.deepEqual(socket.calls, ['end', 'unpipe', 'resume'])
  t.true(connection._closing)
  t.true(connection._parser !== false && connection._parser.isClosed)
  t.is(connection._server.connections.size, 0)
  clearTimeout(connection._closeTimer)
})

test('a stream makes no promise of its own at its end but to call _flushData', async (t) => {
  const ended = Promise.withResolvers<string>()
  class Probe extends SMTPStream {
    override _flushData(): void {
      ended.resolve('flushed')
    }
  }
  const stream = new Probe({ highWaterMark: 17 })
  t.true(stream instanceof Writable)
  t.is(stream.writableHighWaterMark, 17)
  t.false(stream.isClosed)
  stream.end()
  t.is(await ended.promise, 'flushed')
})

test('the constructor of SMTPServer makes its TLS contexts through updateSecureContext, and none with our override', (t) => {
  let calls = 0
  class Probe extends SMTPServer {
    override updateSecureContext(): void {
      calls += 1
      this.secureContext = new Map()
    }
  }
  const server = new Probe({ logger: false, hideSTARTTLS: true })
  t.is(calls, 1)
  t.is(server.secureContext.size, 0)
  t.is(server.options.key, undefined)
})

test('updateSecureContext makes the default context of the options, for every server name', (t) => {
  const server = new SMTPServer({ logger: false, hideSTARTTLS: true })
  t.true(server.secureContext.has('*'))
  t.is(server.connections.size, 0)
  t.is(server._pendingSockets.size, 0)
})

test('without useProxy no peer is expected to send a PROXY header', (t) => {
  const server = new SMTPServer({ logger: false, hideSTARTTLS: true })
  t.false(server._expectsProxyHeader(new Socket()))
})

test('the source of upgrade retires the stream before it makes the next, and resets the session before it reads on', (t) => {
  const source = SMTPConnection.prototype.upgrade.toString()
  const order = [
    'isClosed = true',
    '_createParser()',
    '_upgrading = true',
    "once('secure'",
    '_resetSession()',
    'onSecure(',
    '_socket.pipe(this._parser)',
  ]
  const places = order.map((what) => source.indexOf(what))
  t.true(
    places.every((place) => place >= 0),
    JSON.stringify(places),
  )
  t.deepEqual(
    places,
    places.toSorted((a, b) => a - b),
  )
})
