import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { memoryLog } from '#src/base/log.ts'
import { CertificateKeeper } from '#src/main/smtpd-certificates.ts'
import { selfSigned } from '#src/net/certificate.ts'
import { fakeClock } from '#test/directory/auth/rig.ts'
import { tempFolder } from '#test/support/temp.ts'

const DAY_MS = 86_400_000
/** selfSigned makes certificates for ten years. */
const LIFE_MS = 3650 * DAY_MS

interface Pem {
  readonly cert: string
  readonly key: string
}

async function pair(name: string, nowMs: number): Promise<Pem> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
  return { cert: await selfSigned(createPrivateKey(key), name, nowMs), key }
}

function write(folder: string, { cert, key }: Pem): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'certificate.pem'), cert)
  writeFileSync(join(folder, 'key.pem'), key)
}

function rig(path: string, tells = true) {
  const log = memoryLog()
  const clock = fakeClock()
  const keeper = new CertificateKeeper(log, clock, tells)
  const sources = {
    certificateFile: join(path, 'certificate.pem'),
    keyFile: join(path, 'key.pem'),
    hostsFolder: join(path, 'hosts'),
  }
  return { log, clock, keeper, sources }
}

test('a pair that is replaced is in force at the next look, and what has not changed stays the same object', async (t) => {
  using folder = tempFolder('certificates')
  const { keeper, sources, clock, log } = rig(folder.path)
  const first = await pair('mx.example.test', clock.nowMs())
  write(folder.path, first)
  const before = keeper.load(sources, [])
  t.deepEqual(before.default, first)
  t.is(keeper.load(sources, []), before)
  const second = await pair('mx.example.test', clock.nowMs())
  write(folder.path, second)
  t.deepEqual(keeper.load(sources, []).default, second)
  t.deepEqual(keeper.attention, [])
  t.is(log.lines.filter(({ event }) => event === 'smtpd.certificate').length, 2)
})

test('a key of another certificate, half a file and no file leave the pair before in force, and are told once', async (t) => {
  using folder = tempFolder('certificates')
  const { keeper, sources, clock, log } = rig(folder.path)
  const good = await pair('mx.example.test', clock.nowMs())
  write(folder.path, good)
  keeper.load(sources, [])
  const other = await pair('mx.example.test', clock.nowMs())
  for (const [what, spoil] of [
    ['another key', () => writeFileSync(sources.keyFile, other.key)],
    ['half a certificate', () => writeFileSync(sources.certificateFile, good.cert.slice(0, 200))],
    ['an empty file', () => writeFileSync(sources.certificateFile, '')],
    ['no file', () => rmSync(sources.keyFile)],
  ] as const) {
    write(folder.path, good)
    keeper.load(sources, [])
    const told = log.lines.length
    spoil()
    for (let n = 0; n < 3; n += 1) t.deepEqual(keeper.load(sources, []).default, good, what)
    t.is(log.lines.length, told + 1, what)
    t.is(log.lines.at(-1)?.level, 'error')
    t.is(keeper.attention.length, 1, what)
    t.regex(keeper.attention[0] ?? '', /the one before stays in force$/)
  }
  write(folder.path, good)
  keeper.load(sources, [])
  t.deepEqual(keeper.attention, [])
})

test('the end of a certificate is told once when it is near, and once when it is there', async (t) => {
  using folder = tempFolder('certificates')
  const { keeper, sources, clock, log } = rig(folder.path)
  write(folder.path, await pair('mx.example.test', clock.nowMs() - LIFE_MS + 20 * DAY_MS))
  keeper.load(sources, [])
  t.deepEqual(keeper.attention, [])
  clock.pass(7 * DAY_MS)
  for (let n = 0; n < 3; n += 1) keeper.load(sources, [])
  t.regex(keeper.attention[0] ?? '', /the certificate ends on \d{4}-\d\d-\d\d$/)
  t.deepEqual(
    log.lines.slice(1).map(({ level }) => level),
    ['warn'],
  )
  clock.pass(20 * DAY_MS)
  for (let n = 0; n < 3; n += 1) keeper.load(sources, [])
  t.regex(keeper.attention[0] ?? '', /ended on/)
  t.deepEqual(
    log.lines.slice(1).map(({ level }) => level),
    ['warn', 'error'],
  )
})

test('hosts have folders, domains bring theirs, and each bad one spoils itself alone', async (t) => {
  using folder = tempFolder('certificates')
  const { keeper, sources, clock } = rig(folder.path)
  const main = await pair('mx.example.test', clock.nowMs())
  const host = await pair('mail.other.test', clock.nowMs())
  const domain = await pair('*.third.test', clock.nowMs())
  write(folder.path, main)
  write(join(sources.hostsFolder, 'Mail.Other.test'), host)
  write(join(sources.hostsFolder, 'broken.test'), { cert: main.cert, key: host.key })
  mkdirSync(join(sources.hostsFolder, 'empty.test'))
  const third = { domain: 'third.test', hosts: ['smtp.third.test'], ...domain }
  const found = keeper.load(sources, [
    third,
    { domain: 'names.test', hosts: [], ...domain },
    { domain: 'bad.test', hosts: ['bad.test'], cert: domain.cert, key: main.key },
  ])
  t.deepEqual([...found.byName.keys()].toSorted(), ['*.third.test', 'mail.other.test', 'smtp.third.test'])
  t.deepEqual(found.byName.get('mail.other.test'), host)
  t.deepEqual(found.byName.get('*.third.test'), domain)
  t.is(keeper.attention.length, 3)
  rmSync(sources.hostsFolder, { recursive: true })
  t.deepEqual([...keeper.load(sources, []).byName.keys()], [])
  t.deepEqual(keeper.attention, [])
})

test('only one of the processes writes to the log', async (t) => {
  using folder = tempFolder('certificates')
  const { keeper, sources, log } = rig(folder.path, false)
  keeper.load(sources, [])
  t.is(keeper.attention.length, 1)
  t.deepEqual(log.lines, [])
})
