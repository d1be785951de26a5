import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { systemClock } from '#src/base/clock.ts'
import { Fault } from '#src/base/fault.ts'
import { acquireLock } from '#src/store/lock.ts'
import { migrate, schemaVersion } from '#src/store/migrate.ts'
import { checkVersion, openStore, sqliteVersion, storeErrorKind } from '#src/store/sqlite.ts'

function folder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'postern-store-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

function codeOf(error: unknown): string {
  return error instanceof Fault ? error.code : String(error)
}

test('the SQLite in this process has the mended write-ahead log', (t) => {
  const store = openStore(':memory:')
  t.notThrows(() => checkVersion(sqliteVersion(store)))
  store.close()
})

test('a SQLite older than 3.51.3 is refused', (t) => {
  for (const version of ['3.51.2', '3.40.1', '3.9.99', '2.99.99', 'x']) {
    t.is(codeOf(t.throws(() => checkVersion(version))), 'STORE_SQLITE_OLD', version)
  }
  for (const version of ['3.51.3', '3.51.10', '3.52.0', '4.0.0'])
    t.notThrows(() => checkVersion(version), version)
})

test('a store is opened with a write-ahead log, full flushes, and checkpoints left to the caller', (t) => {
  using dir = folder()
  const store = openStore(join(dir.path, 'x.db'), { pageBytes: 8192 })
  const pragma = (name: string): unknown => store.pragma(name, { simple: true })
  t.deepEqual(['journal_mode', 'synchronous', 'wal_autocheckpoint', 'page_size', 'auto_vacuum'].map(pragma), [
    'wal',
    2,
    0,
    8192,
    2,
  ])
  store.close()
})

test('migrations run once each, in order, and a failed one leaves the version before it', (t) => {
  const store = openStore(':memory:')
  migrate(store, ['CREATE TABLE a (x) STRICT'.replace(' (x)', ' (x INTEGER)')])
  t.is(schemaVersion(store), 1)
  const two = ['not run again', 'CREATE TABLE b (x INTEGER) STRICT']
  migrate(store, two)
  t.is(schemaVersion(store), 2)
  t.throws(() =>
    migrate(store, [...two, 'CREATE TABLE c (x INTEGER) STRICT; CREATE TABLE a (x INTEGER) STRICT']),
  )
  t.is(schemaVersion(store), 2)
  t.is(store.prepare(`SELECT count(*) FROM sqlite_schema WHERE name = 'c'`).pluck().get(), 0)
  store.close()
})

test('a schema one release newer can be read, a newer one is refused', (t) => {
  const store = openStore(':memory:')
  store.pragma('user_version = 2')
  t.notThrows(() => migrate(store, ['CREATE TABLE a (x INTEGER) STRICT']))
  store.pragma('user_version = 3')
  t.is(codeOf(t.throws(() => migrate(store, ['CREATE TABLE a (x INTEGER) STRICT']))), 'STORE_TOO_NEW')
  store.close()
})

test('errors are told apart: full, damaged, others', (t) => {
  using dir = folder()
  const store = openStore(join(dir.path, 'x.db'), { pagesMax: 4 })
  store.exec('CREATE TABLE a (x BLOB) STRICT')
  t.is(storeErrorKind(t.throws(() => store.exec('INSERT INTO a VALUES (zeroblob(100000))'))), 'full')
  t.is(storeErrorKind(t.throws(() => store.exec('nonsense'))), 'other')
  store.close()
  writeFileSync(
    join(dir.path, 'y.db'),
    'this is no database, but it is long enough to be looked at '.repeat(100),
  )
  t.is(storeErrorKind(t.throws(() => openStore(join(dir.path, 'y.db')))), 'damaged')
})

test('a lock that is held is refused after a bounded wait, naming its holder', async (t) => {
  using dir = folder()
  const request = { dir: dir.path, name: 'x', waitMs: 60, clock: systemClock }
  const lock = await acquireLock({ ...request, purpose: 'the first' })
  const error = await t.throwsAsync(acquireLock({ ...request, purpose: 'the second' }))
  t.is(codeOf(error), 'STORE_LOCKED')
  t.true(error?.message.includes(`the first (process ${process.pid})`), error?.message)
  lock[Symbol.dispose]()
  const again = await acquireLock({ ...request, purpose: 'the third' })
  again[Symbol.dispose]()
})

test('a lock is free as soon as its holder is killed', async (t) => {
  using dir = folder()
  const script = `
    import { acquireLock } from '#src/store/lock.ts'
    import { systemClock } from '#src/base/clock.ts'
    await acquireLock({ dir: ${JSON.stringify(dir.path)}, name: 'x', purpose: 'child', waitMs: 1, clock: systemClock })
    process.stdout.write('held')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: join(import.meta.dirname, '../..'),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  const request = { dir: dir.path, name: 'x', purpose: 'test', clock: systemClock }
  t.is(codeOf(await t.throwsAsync(acquireLock({ ...request, waitMs: 1 }))), 'STORE_LOCKED')
  const waiting = acquireLock({ ...request, waitMs: 30_000 })
  child.kill('SIGKILL')
  using lock = await waiting
  t.is(lock.name, 'x')
  t.true(existsSync(join(dir.path, 'lock-x.holder')))
})
