import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { memoryLog } from '#src/base/log.ts'
import {
  SPOOL_FREE_FILES_MAX,
  SPOOL_FREE_FILE_BYTES_MAX,
  SPOOL_PREALLOCATE_BYTES,
} from '#src/queue/limits.ts'
import { SpoolPool } from '#src/queue/spool-pool.ts'
import { scratch, until } from './support.ts'

function openPool(dir: string, used: readonly string[] = []): SpoolPool {
  return new SpoolPool(dir, new Set(used), memoryLog(), () => {})
}

function lease(pool: SpoolPool, owner: object, count: number): Promise<readonly string[]> {
  return new Promise((resolve) => pool.lease(owner, count, resolve))
}

test('a leased file is there, with room on the disk, and nobody else has it', async (t) => {
  using paths = scratch()
  const pool = openPool(paths.spoolDir)
  const [a, b] = await Promise.all([lease(pool, {}, 1), lease(pool, {}, 1)])
  t.is(a.length, 1)
  t.is(b.length, 1)
  t.notDeepEqual(a, b)
  t.is(statSync(join(paths.spoolDir, a[0] ?? '')).size, SPOOL_PREALLOCATE_BYTES)
  await pool.close()
})

test('a file whose row was deleted is used again only after the next flush', async (t) => {
  using paths = scratch()
  const pool = openPool(paths.spoolDir)
  const owner = {}
  const [file = ''] = await lease(pool, owner, 1)
  t.true(pool.submit(owner, file))
  pool.rest(file, 100)
  const before = pool.counts()
  t.is(before.resting, 1)
  pool.flushed()
  t.deepEqual(pool.counts(), { ...before, free: before.free + 1, resting: 0 })
  await pool.close()
})

test('only who holds a lease can submit the file or give it back, and only once', async (t) => {
  using paths = scratch()
  const pool = openPool(paths.spoolDir)
  const owner = {}
  const [file = ''] = await lease(pool, owner, 1)
  t.false(pool.submit({}, file))
  const { leased } = pool.counts()
  pool.giveBack({}, file, 0, false)
  t.is(pool.counts().leased, leased)
  t.true(pool.submit(owner, file))
  t.false(pool.submit(owner, file))
  await pool.close()
})

test('at start files that rows name stay, others are unlinked, and numbers go on after them', async (t) => {
  using paths = scratch()
  for (const name of ['000003', '000007', 'notes.txt']) writeFileSync(join(paths.spoolDir, name), name)
  const pool = openPool(paths.spoolDir, ['000003'])
  t.deepEqual(readdirSync(paths.spoolDir).toSorted(), ['000003', 'notes.txt'])
  const [file = ''] = await lease(pool, {}, 1)
  t.true(Number(file) > 7, file)
  await pool.close()
})

test('a file that failed, a huge one, and more than are kept are unlinked', async (t) => {
  using paths = scratch()
  const pool = openPool(paths.spoolDir)
  const owner = {}
  const files: string[] = []
  while (files.length < SPOOL_FREE_FILES_MAX + 12) files.push(...(await lease(pool, owner, 4)))
  const [failed = '', huge = '', ...others] = files
  pool.giveBack(owner, failed, 10, true)
  pool.giveBack(owner, huge, SPOOL_FREE_FILE_BYTES_MAX + 1, false)
  for (const file of others) pool.giveBack(owner, file, 10, false)
  t.true(pool.counts().free <= SPOOL_FREE_FILES_MAX)
  await until(() => readdirSync(paths.spoolDir).length <= SPOOL_FREE_FILES_MAX + 8)
  t.false(readdirSync(paths.spoolDir).includes(failed))
  t.false(readdirSync(paths.spoolDir).includes(huge))
  await pool.close()
})

test('a folder that cannot be written gives no file, and says why', async (t) => {
  using paths = scratch()
  const errors: string[] = []
  const pool = new SpoolPool(paths.spoolDir, new Set(), memoryLog(), (code) => errors.push(code))
  // The next name is taken by something that the pool has not made.
  writeFileSync(join(paths.spoolDir, '000001'), '')
  t.deepEqual(await lease(pool, {}, 1), [])
  t.deepEqual(errors, ['EEXIST'])
  t.is((await lease(pool, {}, 1)).length, 1)
  await pool.close()
})

test('while the disk is full no file is kept or leased, and with room there are files again', async (t) => {
  using paths = scratch()
  const pool = openPool(paths.spoolDir)
  const owner = {}
  const [sent = ''] = await lease(pool, owner, 1)
  const [unused = ''] = await lease(pool, owner, 1)
  const [resting = ''] = await lease(pool, owner, 1)
  t.true(pool.submit(owner, sent))
  t.true(pool.submit(owner, resting))
  pool.rest(resting, 100)
  pool.shrink()
  pool.giveBack(owner, unused, 0, false)
  pool.rest(sent, 5_000_000)
  pool.flushed()
  t.deepEqual(await lease(pool, owner, 1), [])
  t.deepEqual(pool.counts(), { free: 0, leased: 0, resting: 0 })
  await until(() => readdirSync(paths.spoolDir).length === 0)
  pool.grow()
  t.is((await lease(pool, owner, 1)).length, 1)
  await pool.close()
})

test('who waits for a file when the disk gets full is told that there is none', async (t) => {
  using paths = scratch()
  const pool = openPool(paths.spoolDir)
  const waiting = lease(pool, {}, 1)
  pool.shrink()
  t.deepEqual(await waiting, [])
  await pool.close()
  t.deepEqual(readdirSync(paths.spoolDir), [])
})
