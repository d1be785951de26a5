import test from 'ava'
import { addressBytes, isLoopback, NetworkList, parseNetwork, plainAddress } from '#src/net/addresses.ts'

for (const [word, expected] of [
  ['192.0.2.0/24', { address: '192.0.2.0', prefix: 24, family: 'ipv4', excluded: false }],
  ['!192.0.2.1', { address: '192.0.2.1', prefix: 32, family: 'ipv4', excluded: true }],
  ['[2001:db8::]/32', { address: '2001:db8::', prefix: 32, family: 'ipv6', excluded: false }],
  ['2001:db8::1', { address: '2001:db8::1', prefix: 128, family: 'ipv6', excluded: false }],
  ['0.0.0.0/0', { address: '0.0.0.0', prefix: 0, family: 'ipv4', excluded: false }],
  ['[::ffff:192.0.2.0]/120', { address: '::ffff:192.0.2.0', prefix: 120, family: 'ipv6', excluded: false }],
  ['192.0.2.1/24', undefined],
  ['192.0.2.0/33', undefined],
  ['[2001:db8::1]/32', undefined],
  ['192.0.2', undefined],
  ['example.com', undefined],
  ['fe80::1%eth0', undefined],
  ['', undefined],
  ['!', undefined],
] as const) {
  test(`"${word}" is ${expected === undefined ? 'no network' : 'a network'}`, (t) => {
    t.deepEqual(parseNetwork(word), expected)
  })
}

test('the first network of a list that fits decides', (t) => {
  const list = new NetworkList(['!10.1.0.0/16', '10.0.0.0/8', '[2001:db8::]/32'])
  t.true(list.has('10.2.0.1'))
  t.false(list.has('10.1.0.1'))
  t.true(list.has('::ffff:10.2.0.1'))
  t.true(list.has('2001:db8:1::1'))
  t.false(list.has('2001:db9::1'))
  t.false(list.has('not an address'))
  t.true(new NetworkList(['10.0.0.0/8', '!10.1.0.0/16']).has('10.1.0.1'))
  t.false(new NetworkList([]).has('127.0.0.1'))
})

test('addresses are told by their bytes', (t) => {
  t.deepEqual([...addressBytes('192.0.2.1')], [192, 0, 2, 1])
  t.deepEqual([...addressBytes('2001:db8::1')].join(), '32,1,13,184,0,0,0,0,0,0,0,0,0,0,0,1')
  t.deepEqual(
    [...addressBytes('::')],
    Array.from({ length: 16 }, () => 0),
  )
  t.deepEqual([...addressBytes('::ffff:1.2.3.4')].slice(10), [255, 255, 1, 2, 3, 4])
})

test('an IPv4 address that came over IPv6 is the IPv4 address', (t) => {
  t.is(plainAddress('::FFFF:192.0.2.1'), '192.0.2.1')
  t.is(plainAddress('2001:db8::1'), '2001:db8::1')
})

test('loopback is 127.0.0.0/8 and ::1', (t) => {
  for (const address of ['127.0.0.1', '127.255.0.1', '::1', '::ffff:127.0.0.1'])
    t.true(isLoopback(address), address)
  for (const address of ['128.0.0.1', '::2', '12.7.0.1', '']) t.false(isLoopback(address), address)
})
