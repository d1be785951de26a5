import { networkInterfaces } from 'node:os'
import test from 'ava'
import { ownIdentities } from '#src/main/own-identity.ts'

const HOSTNAME = 'MX.example.test'

test('where we listen we know our name and the address', (t) => {
  const own = ownIdentities({
    hostname: HOSTNAME,
    listeners: [{ address: '127.0.0.1', port: 2525 }],
    proxyInterfaces: [],
  })
  t.true(own(2525)?.names.has('mx.example.test'))
  t.deepEqual([...(own(2525)?.addresses ?? [])], ['127.0.0.1'])
  t.is(own(10_025), undefined, 'another port of this machine may be a filter')
})

test('port 25 is ours by name and by the addresses that others see, but loopback there may be another mail server', (t) => {
  const own = ownIdentities({
    hostname: HOSTNAME,
    listeners: [{ address: '127.0.0.1', port: 2525 }],
    proxyInterfaces: ['192.0.2.25', '2001:DB8:0::25'],
  })
  t.true(own(25)?.names.has('mx.example.test'))
  t.true(own(25)?.addresses.has('192.0.2.25'))
  t.true(own(25)?.addresses.has('2001:db8::25'))
  t.false(own(25)?.addresses.has('127.0.0.1'))
})

test('a listener on all addresses is met at each of them', (t) => {
  const own = ownIdentities({
    hostname: HOSTNAME,
    listeners: [{ address: '0.0.0.0', port: 25 }],
    proxyInterfaces: [],
  })
  for (const { address, family } of Object.values(networkInterfaces()).flatMap((each) => each ?? [])) {
    if (family === 'IPv4') t.true(own(25)?.addresses.has(address), address)
  }
  t.true(own(25)?.addresses.has('127.0.0.1'))
})
