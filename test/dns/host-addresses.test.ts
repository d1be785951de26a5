import test from 'ava'
import { hostAddresses } from '#src/dns/host-addresses.ts'
import { fakeDns, fakeHosts } from '#test/support/fake-names.ts'

test('localhost is this machine, whatever a resolver or hosts file would say, and nobody is asked', async (t) => {
  const dns = fakeDns({ 'localhost A': '192.0.2.66', 'store.localhost A': '192.0.2.66' })
  const native = fakeHosts({ localhost: '192.0.2.67' })
  for (const host of ['localhost', 'store.localhost']) {
    for (const [families, expected] of [
      [
        [4, 6],
        ['127.0.0.1', '::1'],
      ],
      [[4], ['127.0.0.1']],
    ] as const) {
      const found = await hostAddresses(host, { dns, native, order: ['dns', 'native'], families })
      t.deepEqual(found.kind === 'found' && found.addresses.map(({ address }) => address), expected)
    }
  }
  t.deepEqual(dns.asked, [])
  const other = await hostAddresses('notlocalhost', { dns, native, order: ['dns'], families: [4] })
  t.is(other.kind, 'none')
})
