import test from 'ava'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SignatureSet } from '#src/match/signatures.ts'
import { MessageScanner } from '#src/match/scanner.ts'
import { data, EICAR, EICAR_NAME, LIMITS, ndb, scanWith } from './support.ts'

function inFolder(run: (cacheDir: string) => void): void {
  const cacheDir = mkdtempSync(join(tmpdir(), 'postern-cache-'))
  try {
    run(cacheDir)
  } finally {
    rmSync(cacheDir, { recursive: true })
  }
}

function finds(signatures: SignatureSet): boolean {
  using scanner = new MessageScanner(signatures, { limits: LIMITS, bareNewline: 'normalize' })
  return scanWith(scanner, Buffer.from(data('', EICAR))).report.hits[0]?.signature === EICAR_NAME
}

const SOURCE = ndb('A:0:*:6d61726b6572')

test('a database is compiled once and then comes out of the cache', (t) => {
  inFolder((cacheDir) => {
    const first = SignatureSet.build([SOURCE], { cacheDir })
    const second = SignatureSet.build([SOURCE], { cacheDir })
    t.deepEqual([first.info.cached, second.info.cached], [false, true])
    t.deepEqual({ ...second.info, cached: false }, first.info)
    t.true(finds(first) && finds(second))
    t.is(readdirSync(cacheDir).length, 1)
  })
})

test('other signatures are another database', (t) => {
  inFolder((cacheDir) => {
    SignatureSet.build([SOURCE], { cacheDir })
    t.false(SignatureSet.build([ndb('A:0:*:6d61726b6573')], { cacheDir }).info.cached)
    t.is(readdirSync(cacheDir).length, 2)
  })
})

test('signatures that differ behind their literals share a database and are not confused', (t) => {
  inFolder((cacheDir) => {
    const long = '6d61726b657231323334353637383930'
    SignatureSet.build([ndb(`A:0:*:${long}{1-2}61`)], { cacheDir })
    const other = SignatureSet.build([ndb(`B:0:*:${long}{1-2}62`)], { cacheDir })
    t.true(other.info.cached)
    using scanner = new MessageScanner(other, { limits: LIMITS, bareNewline: 'normalize' })
    t.deepEqual(
      scanWith(scanner, Buffer.from(data('', 'marker1234567890xb'))).report.hits.map((hit) => hit.signature),
      ['B'],
    )
  })
})

test('a damaged, cut, foreign or empty file is compiled anew', (t) => {
  inFolder((cacheDir) => {
    SignatureSet.build([SOURCE], { cacheDir })
    const file = join(cacheDir, readdirSync(cacheDir)[0] ?? '')
    const good = readFileSync(file)
    const damage: Buffer[] = [
      Buffer.alloc(0),
      Buffer.from('foreign'),
      good.subarray(0, 40),
      good.subarray(0, -1),
      Buffer.concat([good, Buffer.of(0)]),
    ]
    for (let at = 0; at < good.length; at += 37) {
      const flipped = Buffer.from(good)
      flipped[at] = (flipped[at] ?? 0) ^ 0x10
      damage.push(flipped)
    }
    for (const bytes of damage) {
      writeFileSync(file, bytes)
      const set = SignatureSet.build([SOURCE], { cacheDir })
      t.false(set.info.cached)
      t.true(finds(set))
      t.deepEqual(readFileSync(file), good)
    }
  })
})

test('a folder that is not there costs nothing but the cache', (t) => {
  const set = SignatureSet.build([SOURCE], { cacheDir: '/nonexistent/postern' })
  t.false(set.info.cached)
  t.true(finds(set))
})

test('only a few old databases are kept', (t) => {
  inFolder((cacheDir) => {
    for (let i = 0; i < 7; i++) SignatureSet.build([ndb(`A:0:*:6d61726b65723${i}`)], { cacheDir })
    t.is(readdirSync(cacheDir).length, 4)
  })
})

test('the plain engine keeps no database', (t) => {
  inFolder((cacheDir) => {
    const set = SignatureSet.build([SOURCE], { cacheDir, engine: 'plain' })
    t.is(set.info.engine, 'plain')
    t.deepEqual(readdirSync(cacheDir), [])
    t.true(finds(set))
  })
})
