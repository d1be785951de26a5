import test from 'ava'
import { hashPassword, isPasswordOf } from '#src/admin/console-password.ts'
import { CA, reading, settingsIn, UPDATE_KEY, wrongs } from './support.ts'

const HASH = `scrypt:${Buffer.alloc(16, 1).toString('base64')}:${Buffer.alloc(32, 2).toString('base64')}`

/** Files with one mistake, and how it is told: with its line, and with what would be right. */
const WRONG: readonly (readonly [file: string, told: RegExp])[] = [
  ['[system\n', /:1: not valid TOML: /],
  ['[system]\nhostname = mx1.example.com\n', /:2: not valid TOML: /],
  ['[system]\nhostname = "mx1"\n', /:2: system\.hostname: must be a whole name .* such as mx1\.example\.com/],
  ['[system]\nhostname = "mx_1.example.com"\n', /:2: system\.hostname: must be a whole name/],
  [
    `[system]\nhostname = "${'a'.repeat(60)}.example.com"\n`,
    /:2: system\.hostname: must be a whole name of 64/,
  ],
  ['[system]\nhostname = 5\n', /:2: system\.hostname: must be a text in quotes/],
  ['[system]\n\nhostnam = "mx1.example.com"\n', /:3: system\.hostnam: is not known; did you mean hostname\?/],
  ['[sytem]\nhostname = "mx1.example.com"\n', /:1: sytem: is not known; did you mean system\?/],
  ['system = "mx1"\n', /:1: system: must be a table: \[system\]/],
  ['system = 2026-01-01\n', /:1: system: must be a table/],
  ['[[system]]\n', /:1: system: must be a table/],
  ['[system]\ntimezone = "Europe/Wien"\n', /:2: system\.timezone: must be a zone such as/],
  ['[system]\ntimezone = "europe/vienna"\n', /did you mean Europe\/Vienna\?/],
  ['[network]\neth0 = "dhcp"\n', /:2: network\.eth0: must be a table/],
  ['[network.eth0]\n', /:1: network\.eth0\.addresses: is wanted, or dhcp = true/],
  ['[network.eth0]\ndhcp = "yes"\n', /:2: network\.eth0\.dhcp: must be true or false/],
  [
    '[network.eth0]\naddresses = ["192.0.2.5"]\n',
    /:2: network\.eth0\.addresses: must be a list .* length of their prefix/,
  ],
  ['[network.eth0]\naddresses = ["192.0.2.5/33"]\n', /:2: network\.eth0\.addresses: must be a list/],
  [
    '[network.eth0]\naddresses = ["192.0.2.0/24"]\n',
    /192\.0\.2\.0\/24, which is the network and no address in it/,
  ],
  ['[network.eth0]\naddresses = ["192.0.2.255/24"]\n', /192\.0\.2\.255\/24, which is the broadcast address/],
  [
    '[network.eth0]\naddresses = ["192.0.2.5/24", "192.0.2.5/24"]\n',
    /:2: .*addresses: has the same thing twice/,
  ],
  [
    '[network.eth0]\naddresses = ["192.0.2.5/24"]\ngateway = "192.0.3.1"\n',
    /:3: network\.eth0\.gateway: 192\.0\.3\.1 is in none of the networks of addresses/,
  ],
  [
    '[network.eth0]\naddresses = ["192.0.2.5/24"]\ngateway = ["192.0.2.1", "192.0.2.2"]\n',
    /has two of one family/,
  ],
  [
    '[network.eth0]\ndhcp = true\naddresses = ["192.0.2.5/24"]\n',
    /:2: network\.eth0\.dhcp: asks for an IPv4 address although/,
  ],
  ['[network.eth0]\ndhcp = true\nipv6 = "on"\n', /:3: .*ipv6: must be one of "accept-ra", "static", "off"/],
  [
    '[network.eth0]\nipv6 = "off"\naddresses = ["2001:db8::5/64"]\n',
    /:2: .*ipv6: is off although an IPv6 address/,
  ],
  ['[network.eth0]\ndhcp = true\nipv6 = "static"\n', /:3: .*ipv6: is "static" without an address/],
  ['[network.lo]\ndhcp = true\n', /:1: network\.lo: must be the name of an interface/],
  ['[network."eth0/../x"]\ndhcp = true\n', /must be the name of an interface/],
  [
    '[network.eth0]\ndhcpp = true\ndhcp = true\n',
    /:2: network\.eth0\.dhcpp: is not known; did you mean dhcp\?/,
  ],
  [
    '[dns]\nservers = ["ns.example.com"]\n',
    /:2: dns\.servers: must be a list of 8 at most, of addresses of resolvers/,
  ],
  ['[dns]\ninsecure = ["corp example"]\n', /:2: dns\.insecure: must be a list/],
  ['[time]\nservers = ["ntp example"]\n', /:2: time\.servers: must be a list/],
  ['[time]\nnts = ["192.0.2.1"]\n', /:2: time\.nts: must be a list of 8 at most, of names/],
  [
    '[ldap]\nurls = ["http://ldap.example.com"]\n',
    /:2: ldap\.urls: must be a list .* "ldap:\/\/ldap1\.example\.com:389"/,
  ],
  [
    '[ldap]\nbind_dn = "cn=a"\npassword = "b"\n',
    /:2: ldap\.bind_dn: is for a directory over LDAP: give urls too/,
  ],
  ['[ldap]\nurls = ["ldap://l.example"]\nbind_dn = "cn=a"\n', /:3: ldap\.bind_dn: needs password/],
  ['[ldap]\nurls = ["ldap://l.example"]\npassword = "x"\n', /:3: ldap\.password: needs bind_dn/],
  [
    '[ldap]\nurls = ["ldap://l.example"]\nca = "../ca.pem"\n',
    /:3: ldap\.ca: must be a PEM text, or the name of a file beside/,
  ],
  [
    '[ldap]\nurls = ["ldap://l.example"]\nca = "gone.pem"\n',
    /:3: ldap\.ca: names the file gone\.pem, which does not lie beside/,
  ],
  [
    '[ldap]\nurls = ["ldap://l.example"]\nca = "empty.pem"\n',
    /:3: ldap\.ca: must be a PEM text with -----BEGIN CERTIFICATE-----/,
  ],
  ['[ldap]\nurls = ["ldap://l.example"]\nca = "broken.pem"\n', /:3: ldap\.ca: number 1 in it cannot be read/],
  ['[ldap]\nurls = ["ldap://l.example"]\nca = "key.pem"\n', /:3: ldap\.ca: holds a private key/],
  [
    '[ldap]\nurls = ["ldap://l.example"]\nbind_dn = "cn=a"\npassword = "a\\nb"\n',
    /:4: ldap\.password: must be one line/,
  ],
  [
    '[console]\npassword = "short"\n',
    /:2: console\.password: cannot be used: a password has 8 characters at least/,
  ],
  [
    '[console]\npassword = "scrypt:abc:def"\n',
    /:2: console\.password: looks like a hash and is none of ours/,
  ],
  ['[console]\npassword = "$6$salt$abcdefghijk"\n', /looks like a hash and is none of ours/],
  ['[console]\nidle_logout = "1s"\n', /:2: console\.idle_logout: must be 0 for never/],
  ['[mail]\nlmtp = "mailbox.example.com:x"\n', /:2: mail\.lmtp: must be host:port/],
  ['[mail]\ndomain = "example"\n', /:2: mail\.domain: must be a domain such as example\.com/],
  [
    '[health]\nlisten = "0.0.0.0:8025"\n',
    /:2: health\.listen: can be reached from other machines, and then needs token/,
  ],
  ['[health]\nlisten = "health.example.com:8025"\n', /:2: health\.listen: must be an address with a port/],
  ['[health]\ntoken = "short"\n', /:2: health\.token: must have 16 to 1024 characters/],
  ['[health]\nallow = ["192.0.2.1"]\n', /:2: health\.allow: must be a list of 64 at most, of networks/],
  [
    '[snmp]\ncommunity = "sixteen-letters"\n',
    /:2: snmp\.community: crosses the network in the clear: give allow/,
  ],
  [
    '[snmp]\nallow = ["192.0.2.0/24"]\ncommunity = "public"\n',
    /:3: snmp\.community: must have 8 to 32 letters/,
  ],
  [
    '[[snmp.user]]\nname = "monitor"\nauth = "long enough"\n',
    /:1: snmp\.user\.0\.priv: is wanted: users without/,
  ],
  [
    '[[snmp.user]]\nname = "monitor"\nauth = "short"\npriv = "long enough"\n',
    /:3: snmp\.user\.0\.auth: must have 8 to 128/,
  ],
  [
    '[[snmp.user]]\nname = "mon itor"\nauth = "long enough"\npriv = "long enough"\n',
    /:2: snmp\.user\.0\.name: must be 1 to 32/,
  ],
  ['[snmp]\ninforms = ["nms.example.com"]\n', /:2: snmp\.informs: are sent as the first user/],
  [
    '[update]\nurl = "http://updates.example.com/p.ptu"\n',
    /:2: update\.url: must be an address such as https:/,
  ],
  ['[update]\nkeys = "ca.pem"\n', /:2: update\.keys: must be a PEM text with -----BEGIN PUBLIC KEY-----/],
]

const BESIDE = {
  'ca.pem': CA,
  'empty.pem': '\n',
  'broken.pem': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
  'key.pem': `${CA}-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n`,
}

for (const [at, [file, told]] of WRONG.entries()) {
  test(`a mistake is told with its line and its mend: ${at}, ${JSON.stringify(file).slice(0, 70)}`, async (t) => {
    const list = await wrongs(file, BESIDE)
    t.true(
      list.some((one) => told.test(one)),
      list.join('\n'),
    )
    for (const one of list) t.regex(one, /^postern\.provision:\d+: \S/)
  })
}

test('all mistakes of a file are told at once, in the order of their lines', async (t) => {
  const list = await wrongs('[system]\nhostname = "x"\n[dns]\nservers = "ns"\n[mail]\nlmtp = ":"\n')
  t.deepEqual(
    list.map((one) => one.split(':')[1]),
    ['2', '4', '6'],
  )
})

test('no secret of a wrong file is told', async (t) => {
  const list = await wrongs(
    `[console]\npassword = "geheim1"\n[ldap]\nurls = ["ldap://l.example"]\npassword = "geheim2"\n` +
      `[[snmp.user]]\nname = "m"\nauth = "geheim3"\npriv = "geheim\\n4"\n[health]\ntoken = "geheim5"\n`,
  )
  t.is(list.length, 5)
  t.notRegex(list.join('\n'), /geheim/)
})

test('what is right is read: addresses, authorities beside the file, keys', async (t) => {
  const settings = await settingsIn(
    `[system]
hostname = "MX1.example.com"
[network."52:54:00:12:34:56"]
addresses = ["192.0.2.5/24", "2001:db8::5/64"]
gateway = ["192.0.2.1", "fe80::1"]
[ldap]
urls = ["ldaps://ldap1.example.com"]
bind_dn = "uid=zimbra,cn=admins,cn=zimbra"
password = " with blanks "
ca = "ca.pem"
[update]
keys = '''${UPDATE_KEY}'''
`,
    BESIDE,
  )
  t.is(settings.system.hostname, 'mx1.example.com')
  t.is(settings.network[0]?.ipv6, 'static')
  t.is(settings.ldap?.ca, CA)
  t.is(settings.ldap?.password, ' with blanks ')
  t.is(settings.update.keys, UPDATE_KEY)
})

test('given again, each key of a file counts instead of what was given for it, and everything else stays', async (t) => {
  const first = await reading(
    `[system]\nhostname = "mx1.example.com"\ntimezone = "UTC"\n[network.eth0]\ndhcp = true\n[network.eth1]\ndhcp = true\n` +
      `[ldap]\nurls = ["ldap://l1.example"]\nbind_dn = "cn=a"\npassword = "one"\nstarttls = true\n[dns]\nservers = ["192.0.2.53"]\n`,
  )
  if (first.kind === 'wrong') return t.fail()
  const second = await reading(
    `[ldap]\npassword = "two"\nstarttls = false\n[network.eth1]\naddresses = ["192.0.2.5/24"]\n[dns]\nservers = false\n`,
    { before: first.document },
  )
  if (second.kind === 'wrong') return t.fail()
  t.deepEqual(second.changed, ['dns.servers', 'ldap.password', 'ldap.starttls', 'network.eth1'])
  const { dns: _, ...rest } = first.document
  t.deepEqual(second.document, {
    ...rest,
    ldap: { ...first.document['ldap'], password: 'two', starttls: false },
    network: { eth0: { dhcp: true }, eth1: { addresses: ['192.0.2.5/24'] } },
  })
  t.is(second.settings.system.hostname, 'mx1.example.com')
})

test('a file that is right by itself is wrong where it does not go with what was given before', async (t) => {
  const first = await reading('[ldap]\nurls = ["ldap://l1.example"]\nbind_dn = "cn=a"\npassword = "one"\n')
  if (first.kind === 'wrong') return t.fail()
  const second = await reading('# a line\n[ldap]\npassword = false\n', { before: first.document })
  t.like(second, { kind: 'wrong' })
  if (second.kind === 'wrong')
    t.like(second.problems[0], { key: 'ldap.bind_dn', line: 2, reason: 'needs password' })
})

test('a password becomes a hash before it is kept, the same password again is no change, a hash is kept as it is', async (t) => {
  const first = await reading('[console]\npassword = "correct horse"\n')
  if (first.kind === 'wrong') return t.fail()
  const kept = String(first.document['console']?.['password'])
  t.true(await isPasswordOf(kept, 'correct horse'))
  const again = await reading('[console]\npassword = "correct horse"\n', { before: first.document })
  t.like(again, { changed: [] })
  const other = await reading('[console]\npassword = "wrong horse"\n', { before: first.document })
  t.like(other, { changed: ['console.password'] })
  const hash = await hashPassword('a hash of it')
  t.like(await reading(`[console]\npassword = "${hash}"\n`), { document: { console: { password: hash } } })
  t.like(await reading(`[console]\npassword = "${HASH}"\n`), { kind: 'right' })
})
