import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '#src/base/clock.ts'
import { Directory } from '#src/directory/directory.ts'
import { LdapConnection } from '#src/directory/ldap/connection.ts'
import { openMirror } from '#src/directory/ldap/mirror.ts'
import { Sync } from '#src/directory/ldap/sync.ts'
import { wantedKinds } from '#src/directory/ldap/wanted.ts'
import { ADMIN_DN, ADMIN_PASSWORD, Slapd } from '#test/support/slapd.ts'
import { makeDirectory } from '#test/support/zimbra-directory.ts'

/**
 * What a directory costs: how long slapd is read, how large the mirror is, how long a lookup takes, and how much memory
 * the process needs. `node test/bench/directory.ts [ACCOUNTS]`, 100,000 if not given. Prints numbers and judges none.
 */

const MEBIBYTE = 1024 * 1024
const LOOKUPS = 50_000

function rss(): string {
  return `${Math.round(process.memoryUsage.rss() / MEBIBYTE)} MiB`
}

function say(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(52)} ${value}\n`)
}

/** Microseconds of this process's processor time: what others do at the same time does not count. */
function processorUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** Microseconds for one of `keys`, each asked once. */
function microseconds(keys: readonly string[], ask: (key: string) => unknown): string {
  const began = processorUs()
  for (const key of keys) ask(key)
  return `${((processorUs() - began) / keys.length).toFixed(1)} µs`
}

/** Waits for work, and says how long it took, and how much of that the processor worked for us. */
async function timed(what: string, work: () => Promise<unknown>): Promise<void> {
  const [began, beganUs] = [performance.now(), processorUs()]
  await work()
  const seconds = (performance.now() - began) / 1000
  say(
    what,
    `${seconds.toFixed(1)} s, ${((processorUs() - beganUs) / 1_000_000).toFixed(1)} s of processor time`,
  )
}

/** A slapd with so many accounts, and the addresses of all of them. */
async function filled(accounts: number, folder: string) {
  const { ldif, keys } = makeDirectory(accounts)
  mkdirSync(folder)
  const slapd = await Slapd.start({ folder, ldif })
  return { slapd, keys: keys.filter((key) => /^user\d+@/.test(key)) }
}

async function measure(accounts: number, folder: string): Promise<void> {
  const { slapd, keys } = await filled(accounts, join(folder, 'slapd'))
  await using running = slapd
  const path = join(folder, 'mirror.db')
  using mirror = openMirror(path)
  const { signal } = new AbortController()
  const server = {
    url: slapd.url,
    startTls: false,
    caFile: '',
    connectTimeoutMs: 60_000,
    searchTimeoutMs: 600_000,
  }
  const connection = await LdapConnection.open(server, { dn: ADMIN_DN, password: ADMIN_PASSWORD }, signal)
  const sync = new Sync({ mirror, kinds: wantedKinds([]), base: '', compareMs: 0 })
  const round = () =>
    sync.round(connection, {
      nowMs: systemClock.nowMs(),
      monotonicMs: performance.now(),
      signal,
      accept: false,
    })
  say('memory before', rss())
  await timed(`${keys.length} accounts are read`, round)
  say('memory after that', rss())
  await timed('a look at a directory that has not changed', round)
  await running.modify(
    'dn: uid=user1,ou=people,dc=two,dc=test\nchangetype: modify\nreplace: zimbraMailAlias\nzimbraMailAlias: x@one.test\n',
  )
  await timed('one change and a comparison of all', round)
  connection.close()
  using directory = new Directory({ path, recipientDelimiter: '+', expansionLimit: 10_000, staleMs: 100 })
  const known = keys.slice(0, LOOKUPS)
  const unknown = known.map((key) => `no${key}`)
  say('memory before lookups', rss())
  say(
    'a recipient for the first time',
    microseconds(known, (key) => directory.recipient(key)),
  )
  // No more than are kept.
  const few = known.slice(0, 5000)
  for (const key of few) directory.recipient(key)
  const again = [...few, ...few, ...few, ...few]
  say(
    'a recipient again',
    microseconds(again, (key) => directory.recipient(key)),
  )
  say(
    'an unknown recipient',
    microseconds(unknown, (key) => directory.recipient(key)),
  )
  say(
    'a transport for the first time',
    microseconds(known, (key) => directory.transport(key)),
  )
  say('memory after lookups', rss())
}

const folder = mkdtempSync(join(tmpdir(), 'postern-bench-directory-'))
try {
  await measure(Number(process.argv[2] ?? 100_000), folder)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
