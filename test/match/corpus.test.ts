import test from 'ava'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MessageScanner } from '#src/match/scanner.ts'
import { SignatureSet } from '#src/match/signatures.ts'
import { LIMITS, scanWith, seededRandom } from './support.ts'

/** Mail of others, not part of this repository: archives of raw messages in a folder. */
const FOLDER = process.env['POSTERN_CORPUS'] ?? join(import.meta.dirname, '../../../shared/corpus')
const ARCHIVES = [
  'mime4j-perl-cpython.tar.zst',
  'parsers.tar.zst',
  'rspamd-sa-msgs.tar.zst',
  'sa-public.tar.zst',
]
/** All of it takes minutes in small pieces; every so-manieth file is taken. POSTERN_CORPUS_STEP=1 takes all. */
const STEP = Number(process.env['POSTERN_CORPUS_STEP'] ?? 10)
const BYTES_MAX = 400_000

test('real and malicious mail gives the same report however it is cut', (t) => {
  const archives = ARCHIVES.map((name) => join(FOLDER, name)).filter((file) => existsSync(file))
  if (archives.length === 0) {
    t.log(`skipped: no mail in ${FOLDER} (set POSTERN_CORPUS)`)
    t.pass()
    return
  }
  const folder = mkdtempSync(join(tmpdir(), 'postern-corpus-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  for (const archive of archives) execFileSync('tar', ['--zstd', '-xf', archive, '-C', folder])
  using signatures = SignatureSet.build([])
  using scanner = new MessageScanner(signatures, { limits: LIMITS, bareNewline: 'normalize' })
  const random = seededRandom(3)
  let messages = 0
  for (const [i, entry] of readdirSync(folder, { recursive: true, withFileTypes: true }).entries()) {
    if (!entry.isFile() || i % STEP !== 0) continue
    const bytes = readFileSync(join(entry.parentPath, entry.name))
    if (bytes.length > BYTES_MAX) continue
    const whole = scanWith(scanner, bytes, { framing: 'bdat' })
    t.is(whole.consumed, bytes.length)
    t.false(whole.report.limits.includes('error'))
    const cuts = Array.from({ length: 5 }, () => 1 + Math.floor(random() * 300))
    t.deepEqual(scanWith(scanner, bytes, { framing: 'bdat', cuts, recheckCuts: cuts }), whole, entry.name)
    messages += 1
  }
  t.log(`${messages} messages`)
})
