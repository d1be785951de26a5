import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import test from 'ava'
import { readConfig } from '#src/config/config.ts'
import { resolveSettings } from '#src/config/resolve.ts'
import type { Secure } from '#src/delivery/approach.ts'
import { deliverySettings, routingBoot } from '#src/main/boots-delivery.ts'
import type { Generation } from '#src/main/generation.ts'
import { securityOf } from '#src/main/qmgr-peers.ts'
import { tempFolder } from '#test/support/temp.ts'

/** A generation of what a globalConfig says, with a postern.toml. */
function generation(globalConfig: Readonly<Record<string, readonly string[]>>, toml = ''): Generation {
  const loaded = readConfig(toml, '/box/postern.toml', '/box')
  if (loaded.kind === 'invalid') throw new Error(JSON.stringify(loaded.problems))
  const { config } = loaded
  const { settings, origins, notes } = resolveSettings({
    overrides: config.overrides,
    globalConfig: new Map(Object.entries(globalConfig)),
  })
  return { number: 1, config, settings, origins, notes, defaultDomain: 'example.test' }
}

test('name servers are those of postern.toml, else of the directory, else none of ours', (t) => {
  const directory = { zimbraDNSMasterIP: ['192.0.2.53', '2001:db8::53'] }
  t.deepEqual(routingBoot(generation({})).dnsServers, [])
  t.deepEqual(routingBoot(generation(directory)).dnsServers, [
    { host: '192.0.2.53', port: 53 },
    { host: '2001:db8::53', port: 53 },
  ])
  const toml = '[dns]\nservers = ["127.0.0.1:5353"]\n'
  t.deepEqual(routingBoot(generation(directory, toml)).dnsServers, [{ host: '127.0.0.1', port: 5353 }])
})

function to(given: Generation): string {
  return routingBoot(given).settings.virtualTransport
}

test('mail of ours without a transport goes where postern.toml says, else the directory, else to the embedded store', (t) => {
  const directory = { zimbraMtaSmtpdVirtualTransport: ['error'] }
  t.is(to(generation({})), 'lmtp:[127.0.0.1]:2424')
  t.is(to(generation(directory)), 'error')
  t.is(to(generation(directory, '[lmtp]\nserver = "store.example.com"\n')), 'lmtp:[store.example.com]:7025')
})

test('the words that Zimbra has for the same things are understood', (t) => {
  for (const [mode, families] of [
    ['ipv4', [4]],
    ['ipv6', [6]],
    ['both', [4, 6]],
  ] as const) {
    t.deepEqual(routingBoot(generation({ zimbraIPMode: [mode] })).candidates.families, families)
  }
  const dns = (globalConfig: Record<string, string[]>) =>
    routingBoot(generation(globalConfig)).candidates.dnsSupport
  t.is(dns({ zimbraMtaDnsLookupsEnabled: ['FALSE'] }), 'disabled')
  t.is(dns({ zimbraMtaDnsLookupsEnabled: ['TRUE'] }), 'enabled')
  t.is(dns({ zimbraMtaDnsLookupsEnabled: ['FALSE'], zimbraMtaSmtpDnsSupportLevel: ['dnssec'] }), 'dnssec')
  t.is(deliverySettings(generation({ zimbraLmtpNumThreads: ['7'] }).settings).lmtp.concurrencyMax, 7)
})

test('a deprecated attribute beside the one that has replaced it is told', (t) => {
  const { notes } = generation({
    zimbraMtaDnsLookupsEnabled: ['FALSE'],
    zimbraMtaSmtpDnsSupportLevel: ['dnssec'],
  })
  t.like(notes, [{ attribute: 'zimbraMtaDnsLookupsEnabled', kind: 'overridden' }])
})

function pem(name: string): string {
  return `-----BEGIN CERTIFICATE-----\n${name}\n-----END CERTIFICATE-----`
}

/** Which CAs mail to a domain at level `secure` is checked with. */
async function trusted(globalConfig: Record<string, readonly string[]>): Promise<string> {
  const boot = routingBoot(generation({ ...globalConfig, zimbraMtaSmtpTlsSecurityLevel: ['secure'] }))
  const dns = { lookup: () => Promise.reject(new Error('nothing is asked for')) }
  const sts = { policyOf: () => Promise.resolve(undefined) }
  const decide: Secure = securityOf(boot.peers, dns, sts)
  const host = 'mx.example.com'
  const hop = { text: host, host, port: 25, bracketed: true, role: 'table', reason: '' } as const
  const candidate = {
    host,
    address: '192.0.2.1',
    port: 25,
    canonicalHost: host,
    secure: false,
    hop: 0,
    family: 4,
    preference: 0,
  } as const
  const decision = await decide(
    { hop: { hop, mxSecure: false, via: 'address' }, candidate },
    'smtp',
    AbortSignal.timeout(60_000),
  )
  if (decision.kind === 'deferred') return decision.reason
  return 'ca' in decision.policy ? (decision.policy.ca ?? 'those of Node') : decision.policy.level
}

test('CAs come from a file, from all certificates of a folder, and from Node where that is wanted', async (t) => {
  using folder = tempFolder('ca-path')
  const file = join(folder.path, 'ca.pem')
  const path = join(folder.path, 'cas')
  mkdirSync(join(path, 'folder'), { recursive: true })
  writeFileSync(file, pem('file'))
  writeFileSync(join(path, 'b.pem'), pem('b'))
  writeFileSync(join(path, 'a.crt'), pem('a'))
  writeFileSync(join(path, 'README'), 'no certificate')
  t.is(await trusted({}), 'those of Node')
  t.is(await trusted({ zimbraMtaSmtpTlsCAfile: [file] }), pem('file'))
  const both = { zimbraMtaSmtpTlsCAfile: [file], zimbraMtaSmtpTlsCApath: [path] }
  t.is(await trusted(both), [pem('file'), pem('a'), pem('b')].join('\n'))
  const all = await trusted({ ...both, zimbraMtaTlsAppendDefaultCA: ['yes'] })
  t.true(all.startsWith(`${pem('file')}\n${pem('a')}\n${pem('b')}\n`))
  t.true(all.endsWith(rootCertificates.at(-1) ?? ''))
  t.regex(await trusted({ zimbraMtaSmtpTlsCApath: [join(path, 'nowhere')] }), /certificates of CAs: ENOENT/)
})
