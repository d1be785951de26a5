import test from 'ava'
import { balanced, inOrder, shuffled } from '#src/dns/preference.ts'
import { seededRandom } from '#test/support/random.ts'

function host(preference: number, address: string): { preference: number; address: string; family: 4 | 6 } {
  return { preference, address, family: address.includes(':') ? 6 : 4 }
}

function families(hosts: readonly { family: 4 | 6 }[]): string {
  return hosts.map((one) => one.family).join('')
}

test('one family comes first among equals, and never before a better preference', (t) => {
  const hosts = [
    host(20, '2001:db8::2'),
    host(10, '192.0.2.1'),
    host(10, '2001:db8::1'),
    host(20, '192.0.2.2'),
  ]
  const chance = seededRandom(3)
  const order = (first: 'ipv4' | 'ipv6'): string[] =>
    inOrder(hosts, first, () => chance.fraction()).map((one) => one.address)
  t.deepEqual(order('ipv4'), ['192.0.2.1', '2001:db8::1', '192.0.2.2', '2001:db8::2'])
  t.deepEqual(order('ipv6'), ['2001:db8::1', '192.0.2.1', '2001:db8::2', '192.0.2.2'])
})

test('an address behind two names is tried once, at its best place', (t) => {
  const hosts = [host(20, '192.0.2.1'), host(10, '192.0.2.1'), host(10, '192.0.2.1')]
  t.deepEqual(
    inOrder(hosts, 'any', () => 0),
    [host(10, '192.0.2.1')],
  )
})

test('neither family is crowded out by the other', (t) => {
  const sixes = Array.from({ length: 8 }, (_, i) => host(10, `2001:db8::${i}`))
  const fours = Array.from({ length: 8 }, (_, i) => host(20, `192.0.2.${i}`))
  const cases: readonly (readonly [
    readonly { preference: number; address: string; family: 4 | 6 }[],
    number,
    string,
  ])[] = [
    [[...sixes, ...fours], 5, '66644'],
    [[...fours, ...sixes], 5, '44466'],
    [[...sixes, ...fours], 4, '6644'],
    [[...sixes, ...fours.slice(0, 1)], 5, '66664'],
    [[...fours, ...sixes.slice(0, 2)], 5, '44466'],
    [sixes, 5, '66666'],
    [[...sixes.slice(0, 2), ...fours.slice(0, 2)], 5, '6644'],
    [[...sixes, ...fours], 1, '6'],
  ]
  for (const [hosts, most, expected] of cases) t.is(families(balanced(hosts, most)), expected)
})

test('a shuffle keeps everything and favours nothing', (t) => {
  const chance = seededRandom(5)
  const first = [0, 0, 0, 0]
  for (let n = 0; n < 4000; n++) {
    const order = shuffled([0, 1, 2, 3], () => chance.fraction())
    t.is(new Set(order).size, 4)
    first[order[0] ?? 0] = (first[order[0] ?? 0] ?? 0) + 1
  }
  // 1000 each, with a standard deviation of 27.
  for (const count of first) t.true(count > 850 && count < 1150, first.join(' '))
})
