import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { loadConfig, parseHostPort, readConfig } from '#src/config/config.ts'
import type { Config } from '#src/config/config.ts'
import { problemText } from '#src/config/reader.ts'
import { tempFolder } from '#test/support/temp.ts'

function problems(text: string): readonly string[] {
  const loaded = readConfig(text, 'postern.toml', '/box')
  return loaded.kind === 'invalid' ? loaded.problems.map(problemText) : []
}

function config(text: string): Config {
  const loaded = readConfig(text, '/box/postern.toml', '/box')
  if (loaded.kind === 'config') return loaded.config
  throw new Error(loaded.problems.map(problemText).join('\n'))
}

test('without a file every value is the default, and the data lies in var of the folder', (t) => {
  using folder = tempFolder('config')
  const loaded = loadConfig(undefined, folder.path)
  t.is(loaded.kind, 'config')
  if (loaded.kind !== 'config') return
  t.is(loaded.config.file, '')
  t.is(loaded.config.dataFolder, join(folder.path, 'var'))
  t.deepEqual(loaded.config.listeners, [
    { address: '127.0.0.1', port: 2525, service: 'smtp' },
    { address: '127.0.0.1', port: 2587, service: 'submission' },
    { address: '127.0.0.1', port: 2465, service: 'submissions' },
  ])
  t.is(loaded.config.lmtpServer, undefined)
  t.deepEqual(loaded.config.overrides, {})
})

test('a file that was named must be there', (t) => {
  using folder = tempFolder('config')
  const loaded = loadConfig('other.toml', folder.path)
  t.deepEqual(loaded, {
    kind: 'invalid',
    problems: [{ file: join(folder.path, 'other.toml'), line: 1, key: '', reason: 'there is no such file' }],
  })
})

test('relative paths start at the folder of the file, wherever it is named from', (t) => {
  using folder = tempFolder('config')
  writeFileSync(join(folder.path, 'box.toml'), 'data = "data"\n[signatures]\nfolder = "sigs"\n')
  const loaded = loadConfig(join(folder.path, 'box.toml'), '/')
  t.is(loaded.kind, 'config')
  if (loaded.kind !== 'config') return
  t.is(loaded.config.dataFolder, join(folder.path, 'data'))
  t.is(loaded.config.signatureFolder, join(folder.path, 'sigs'))
  t.is(loaded.config.tls.keyFile, join(folder.path, 'data', 'tls', 'key.pem'))
})

test('the mailbox server may be a socket in the file system', (t) => {
  t.deepEqual(config('[lmtp]\nserver = "unix:/run/dovecot/lmtp"').lmtpServer, {
    host: '/run/dovecot/lmtp',
    port: 0,
  })
})

function listener(port: number, service = ''): string {
  return `[[listener]]\nport = ${port}\n${service}\n`
}

test('a listener’s service is that of its port, unless it names another', (t) => {
  const { listeners } = config(
    listener(25) +
      listener(465) +
      listener(587) +
      listener(10_025) +
      listener(10_587, 'service = "submission"'),
  )
  t.deepEqual(
    listeners.map(({ service }) => service),
    ['smtp', 'submissions', 'submission', 'smtp', 'submission'],
  )
})

test('every key is taken', (t) => {
  const read = config(`
    data = "/srv/postern"
    workers = 3
    [[listener]]
    address = "0.0.0.0"
    port = 25
    [[listener]]
    address = "::"
    port = 25
    [lmtp]
    server = "store.example.com"
    [mailbox]
    port = 2003
    [directory]
    domain = "Bücher.example"
    [tls]
    certificate = "/etc/c.pem"
    key = "k.pem"
    hosts = "hosts"
    legacy = true
    [auth]
    method = "directory"
    ca = "ca.pem"
    account_rate = 600
    account_failures = 5
    address_failures = 0
    window = "1m"
    lockout = "1h"
    [log]
    level = "debug"
    json = false
    text = "/var/log/postern.log"
    stdout = false
    [limits]
    message_size_limit = 1000
    smtpd_timeout = "5m"
    bounce_queue_lifetime = 2
    [settings]
    zimbraMtaMyNetworks = ["10.0.0.0/8", "!192.0.2.1, [2001:db8::]/32"]
    zimbramtasmtpdhelorequired = false
    zimbraIPMode = "both"
    zimbraMtaDnsLookupsEnabled = false
    zimbraMtaSmtpTransportRateDelay = "$default_transport_rate_delay"
  `)
  t.deepEqual(read.listeners, [
    { address: '0.0.0.0', port: 25, service: 'smtp' },
    { address: '::', port: 25, service: 'smtp' },
  ])
  t.deepEqual(read.lmtpServer, { host: 'store.example.com', port: 7025 })
  t.is(read.mailbox.port, 2003)
  t.is(read.directory.firstDomain, 'xn--bcher-kva.example')
  t.deepEqual(read.tls, {
    certificateFile: '/etc/c.pem',
    keyFile: '/box/k.pem',
    hostsFolder: '/box/hosts',
    legacy: true,
  })
  t.deepEqual(read.auth, {
    method: 'directory',
    caFile: '/box/ca.pem',
    accountRateLimit: 600,
    accountLockout: { failuresMax: 5, windowMs: 60_000, lockMs: 3_600_000 },
    addressLockout: { failuresMax: 0, windowMs: 60_000, lockMs: 3_600_000 },
  })
  t.deepEqual(read.log, {
    level: 'debug',
    jsonFile: '',
    textFile: '/var/log/postern.log',
    stdout: false,
    maxBytes: 100 * 1_048_576,
    keep: 5,
    queueMs: 600_000,
  })
  t.is(read.workers, 3)
  t.deepEqual(read.overrides, {
    messageSizeLimitBytes: 1000,
    smtpdTimeoutMs: 300_000,
    bounceQueueLifetimeMs: 172_800_000,
    myNetworks: ['10.0.0.0/8', '!192.0.2.1', '[2001:db8::]/32'],
    heloRequired: false,
    inetProtocols: 'all',
    smtpDnsSupportLevel: 'disabled',
    smtpTransportRateDelayMs: 0,
  })
})

for (const [title, text, expected] of [
  [
    'an unknown key with the name that was meant',
    'dta = "x"',
    'postern.toml:1: dta: is not known; did you mean data?',
  ],
  [
    'an unknown key that resembles nothing, with what is known',
    '[mailbox]\nzzzzzzzz = 1',
    'postern.toml:2: mailbox.zzzzzzzz: is not known here; known are address, port',
  ],
  ['a wrong type', '\n\nworkers = "two"', 'postern.toml:3: workers: must be a whole number'],
  [
    'a value out of range',
    '[[listener]]\nport = 70000',
    'postern.toml:2: listener.0.port: must be between 1 and 65535',
  ],
  [
    'the second of two tables of one name',
    '[[listener]]\nport = 25\n\n[[listener]]\nport = 0',
    'postern.toml:5: listener.1.port: must be between 1 and 65535',
  ],
  [
    'a host name where an address must stand',
    '[[listener]]\naddress = "localhost"',
    'postern.toml:2: listener.0.address: must be an IP address, such as 127.0.0.1, 0.0.0.0 or ::',
  ],
  [
    'the same listener twice',
    '[[listener]]\nport = 25\n[[listener]]\nport = 25',
    'postern.toml:4: listener.1.port: is the same listener as one above',
  ],
  [
    'a socket of which nobody knows where it lies',
    '[lmtp]\nserver = "unix:private/lmtp"',
    'postern.toml:2: lmtp.server: must have a path behind unix: that begins with "/" and has 107 octets at most',
  ],
  ['a table where a value must stand', 'lmtp = "x:1"', 'postern.toml:1: lmtp: must be a table: [lmtp]'],
  [
    'an unknown limit with the parameter that was meant',
    '[limits]\n\nmesage_size_limit = 5',
    'postern.toml:3: limits.mesage_size_limit: is not a known setting; did you mean message_size_limit?',
  ],
  [
    'an attribute of Zimbra in [limits]',
    '[limits]\nzimbraMtaHopcountLimit = 5',
    'postern.toml:2: limits.zimbraMtaHopcountLimit: belongs into [settings]',
  ],
  [
    'a parameter of Postfix in [settings]',
    '[settings]\nhopcount_limit = 5',
    'postern.toml:2: settings.hopcount_limit: belongs into [limits]',
  ],
  [
    'an attribute that has no effect',
    '[settings]\nzimbraMtaMaxUse = 5',
    'postern.toml:2: settings.zimbraMtaMaxUse: cannot be set: A process serves as long as it is sound; none is replaced after so many sessions.',
  ],
  [
    'a parameter that has no effect',
    '[limits]\nmilter_connect_timeout = "30s"',
    'postern.toml:2: limits.milter_connect_timeout: cannot be set: Has no effect yet; what it is about comes with a later release: milters.',
  ],
  [
    'an attribute of accounts',
    '[settings]\nzimbraMailStatus = "enabled"',
    'postern.toml:2: settings.zimbraMailStatus: belongs into the entries of the directory',
  ],
  [
    'one setting under both its names',
    '[limits]\nhopcount_limit = 5\n[settings]\nzimbraMtaHopcountLimit = 6',
    'postern.toml:4: settings.zimbraMtaHopcountLimit: is set twice: [limits] has it as hopcount_limit',
  ],
  [
    'one attribute under two spellings',
    '[settings]\nzimbraMtaSmtpdSoftErrorLimit = 5\nzimbraMtaStpdSoftErrorLimit = 6',
    'postern.toml:3: settings.zimbraMtaStpdSoftErrorLimit: is set twice: it is another spelling of zimbraMtaSmtpdSoftErrorLimit',
  ],
  [
    'a time that is none',
    '[limits]\nsmtpd_timeout = "5x"',
    'postern.toml:2: limits.smtpd_timeout: must be a time as Postfix writes it: 30s, 5m, 1h, 5d',
  ],
  [
    'a negative number',
    '[limits]\nmessage_size_limit = -1',
    'postern.toml:2: limits.message_size_limit: must be a number of bytes, digits only',
  ],
  [
    'a fraction',
    '[limits]\nhopcount_limit = 1.5',
    'postern.toml:2: limits.hopcount_limit: must be a whole number',
  ],
  [
    'a network with bits beyond its prefix, by the line of its list',
    '[settings]\nzimbraMtaMyNetworks = [\n  "10.0.0.0/8",\n  "10.0.0.1/8",\n]',
    'postern.toml:2: settings.zimbraMtaMyNetworks: "10.0.0.1/8" is not an IP address or network such as 192.0.2.0/24 or [2001:db8::]/32',
  ],
  [
    'an extension with its dot',
    '[settings]\nzimbraMtaBlockedExtension = [".exe"]',
    'postern.toml:2: settings.zimbraMtaBlockedExtension: ".exe" is not a file extension: give it without its dot',
  ],
  [
    'a certificate without its key',
    '[tls]\ncertificate = "c.pem"',
    'postern.toml:2: tls.certificate: needs the other half: give both certificate and key, or neither',
  ],
  ['a date where a text must stand', 'data = 2026-01-01', 'postern.toml:1: data: must be a text in quotes'],
] as const) {
  test(`a mistake is told with its line: ${title}`, (t) => {
    t.deepEqual(problems(text), [expected])
  })
}

test('all mistakes are told at once, in the order of their lines', (t) => {
  t.deepEqual(
    problems('workers = -1\nx = 1\n[log]\nlevel = "loud"\n[limits]\nqueue_minfree = "lots"').map(
      (line) => line.split(': ')[0],
    ),
    ['postern.toml:1', 'postern.toml:2', 'postern.toml:4', 'postern.toml:6'],
  )
})

test('a mistake of syntax is told with its line', (t) => {
  for (const [text, line] of [
    ['data = "x"\nworkers = = 2\n', 2],
    ['data = "x"\ndata = "y"\n', 2],
    ['[log\n', 1],
  ] as const) {
    const [problem] = problems(text)
    t.true(problem?.startsWith(`postern.toml:${line}: not valid TOML: `), problem)
  }
})

test('names of object prototypes are keys like any other', (t) => {
  t.regex(problems('__proto__ = 1')[0] ?? '', /^postern\.toml:1: __proto__: is not known/)
  t.regex(
    problems('[limits]\nconstructor = 1')[0] ?? '',
    /^postern\.toml:2: limits\.constructor: is not a known setting/,
  )
})

test('a host and port are read in every form, and nothing else is', (t) => {
  t.deepEqual(parseHostPort('mail.example.com', 7025), { host: 'mail.example.com', port: 7025 })
  t.deepEqual(parseHostPort('192.0.2.1:24', 7025), { host: '192.0.2.1', port: 24 })
  t.deepEqual(parseHostPort('[2001:db8::1]:24', 7025), { host: '2001:db8::1', port: 24 })
  for (const wrong of [
    '',
    ':24',
    'a b:24',
    'host:0',
    'host:65536',
    '2001:db8::1',
    '[nonsense]:24',
    'host:24:25',
  ]) {
    t.is(parseHostPort(wrong, 7025), undefined, wrong)
  }
})
