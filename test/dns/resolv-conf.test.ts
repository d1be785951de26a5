import test from 'ava'
import { parseResolvConf } from '#src/dns/resolv-conf.ts'

test('the servers of resolv.conf are taken in order, three at most, and search lists are left alone', (t) => {
  const text = `# a comment
search example.com corp.example.com
nameserver 192.0.2.1
  nameserver\t2001:db8::53
nameserver not-an-address
nameserver 192.0.2.3
nameserver 192.0.2.4
options edns0 timeout:1
`
  t.deepEqual(parseResolvConf(text), {
    servers: [
      { address: '192.0.2.1', port: 53 },
      { address: '2001:db8::53', port: 53 },
      { address: '192.0.2.3', port: 53 },
    ],
    trustAd: false,
  })
})

test('trust-ad says that AD may be believed', (t) => {
  t.true(parseResolvConf('nameserver 192.0.2.1\noptions edns0 trust-ad').trustAd)
})

test('without a server it is the one on this machine', (t) => {
  t.deepEqual(parseResolvConf('').servers, [{ address: '127.0.0.1', port: 53 }])
})
