import test from 'ava'
import type { Transport } from '#src/directory/transport.ts'
import { createRouter } from '#src/main/router.ts'
import type { Routes } from '#src/main/router.ts'

const STORE = { host: '127.0.0.1', port: 2424 }

function routed(address: string, transport: Transport = { kind: 'default' }) {
  const directory: Routes = {
    domain: (name) => (name === 'example.test' ? 'local' : name === 'down.test' ? 'unavailable' : 'foreign'),
    transport: () => transport,
  }
  return createRouter(directory, STORE)(address)
}

test('mail goes to the transport of its account, else to the default server', (t) => {
  t.deepEqual(routed('alice@example.test'), {
    kind: 'destination',
    destination: { protocol: 'lmtp', ...STORE },
  })
  t.deepEqual(routed('alice@example.test', { kind: 'lmtp', host: 'store7', port: 7025 }), {
    kind: 'destination',
    destination: { protocol: 'lmtp', host: 'store7', port: 7025 },
  })
})

test('what cannot be known now waits, and a slip of the operator does too', (t) => {
  t.like(routed('alice@down.test'), { kind: 'deferred', dsn: '4.3.5' })
  t.like(routed('alice@example.test', { kind: 'unavailable', reason: 'disk' }), {
    kind: 'deferred',
    dsn: '4.3.5',
  })
  t.deepEqual(routed('alice@example.test', { kind: 'invalid', text: 'lmpt:x' }), {
    kind: 'deferred',
    dsn: '4.3.5',
    reason: 'mail transport unavailable: the transport lmpt:x is not known',
  })
})

test('mail that has no way out ends, and so does what the operator has closed', (t) => {
  t.like(routed('someone@elsewhere.test'), { kind: 'bounced', dsn: '5.4.4' })
  t.deepEqual(routed('alice@example.test', { kind: 'error', text: 'moved' }), {
    kind: 'bounced',
    dsn: '5.0.0',
    reason: 'moved',
  })
})
