import test from 'ava'
import type { Listener } from '#src/config/listeners.ts'
import type { InheritedSocket } from '#src/host/activation.ts'
import { matchSockets } from '#src/main/listening.ts'

const listener = (address: string, port: number, service: Listener['service'] = 'smtp'): Listener => ({
  address,
  port,
  service,
})
const socket = (fd: number, address: string, port: number, more: Partial<InheritedSocket> = {}) => ({
  fd,
  name: 'postern.socket',
  address,
  port,
  dualStack: address === '::',
  ...more,
})

/** What listens, as `service address port descriptor`; or the first words of why it is refused. */
function matched(
  listeners: readonly Listener[],
  sockets: readonly InheritedSocket[],
): readonly string[] | string {
  const result = matchSockets(listeners, sockets)
  if (result.kind === 'wrong') return result.reason
  return result.listeners.map(
    ({ service, address, port, fd }) => `${service} ${address} ${port} ${fd ?? 'own'}`,
  )
}

const THREE = [listener('::', 25), listener('::', 465, 'submissions'), listener('::', 587, 'submission')]

const CASES: readonly {
  readonly title: string
  readonly listeners: readonly Listener[]
  readonly sockets: readonly InheritedSocket[]
  readonly expected: readonly string[]
}[] = [
  {
    title: 'without sockets every listener is opened by smtpd itself',
    listeners: [listener('127.0.0.1', 2525)],
    sockets: [],
    expected: ['smtp 127.0.0.1 2525 own'],
  },
  {
    title: 'sockets find their listeners by address and port, in whatever order they come',
    listeners: THREE,
    sockets: [socket(3, '::', 587), socket(4, '::', 25), socket(5, '::', 465)],
    expected: ['smtp :: 25 4', 'submissions :: 465 5', 'submission :: 587 3'],
  },
  {
    title: 'a socket for both families serves 0.0.0.0 and :: at once',
    listeners: [listener('0.0.0.0', 25), listener('::', 25)],
    sockets: [socket(3, '::', 25)],
    expected: ['smtp :: 25 3'],
  },
  {
    title: 'a socket of IPv6 alone leaves 0.0.0.0 to smtpd',
    listeners: [listener('0.0.0.0', 25), listener('::', 25)],
    sockets: [socket(3, '::', 25, { dualStack: false })],
    expected: ['smtp 0.0.0.0 25 own', 'smtp :: 25 3'],
  },
  {
    title: 'where the kernel has no IPv6, the socket of 0.0.0.0 is that of ::',
    listeners: [listener('::', 25)],
    sockets: [socket(3, '0.0.0.0', 25)],
    expected: ['smtp 0.0.0.0 25 3'],
  },
  {
    title: 'two sockets for two families at one port go to a listener each',
    listeners: [listener('::', 25), listener('0.0.0.0', 25)],
    sockets: [socket(3, '0.0.0.0', 25), socket(4, '::', 25, { dualStack: false })],
    expected: ['smtp :: 25 4', 'smtp 0.0.0.0 25 3'],
  },
  {
    title: 'a socket with the name of a service is for the listener of that service, at its own address',
    listeners: [listener('127.0.0.1', 2525), listener('127.0.0.1', 2587, 'submission')],
    sockets: [socket(3, '192.0.2.1', 2000, { name: 'submission' })],
    expected: ['smtp 127.0.0.1 2525 own', 'submission 192.0.2.1 2000 3'],
  },
  {
    title: 'an address counts for more than a name',
    listeners: [listener('127.0.0.1', 2525), listener('127.0.0.1', 2526)],
    sockets: [socket(3, '192.0.2.1', 2000, { name: 'smtp' }), socket(4, '127.0.0.1', 2525, { name: 'smtp' })],
    expected: ['smtp 127.0.0.1 2525 4', 'smtp 192.0.2.1 2000 3'],
  },
  {
    title: 'listeners beyond those of the socket unit are opened by smtpd itself',
    listeners: [listener('::', 25), listener('127.0.0.1', 2525)],
    sockets: [socket(3, '::', 25)],
    expected: ['smtp :: 25 3', 'smtp 127.0.0.1 2525 own'],
  },
]

for (const { title, listeners, sockets, expected } of CASES)
  test(title, (t) => {
    t.deepEqual(matched(listeners, sockets), expected)
  })

test('a socket that no listener is for is refused with what to add', (t) => {
  const listeners = [listener('127.0.0.1', 25)]
  const reason = String(matched(listeners, [socket(3, '::', 25)]))
  t.regex(reason, /^Postern was handed a socket for \[::\]:25 \("postern\.socket"\), and no \[\[listener\]\]/)
  t.regex(reason, /address = "::" and port = 25/)
  t.regex(
    String(matched(listeners, [socket(3, '127.0.0.1', 25), socket(4, '127.0.0.1', 25)])),
    /no \[\[listener\]\]/,
  )
})
