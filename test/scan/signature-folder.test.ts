import { chmodSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { loadSignatureFolder } from '#src/scan/signature-folder.ts'
import { must } from '#test/support/run.ts'
import { tempFolder } from '#test/support/temp.ts'

test('signature files are read in the order of their names; other files are not', (t) => {
  using folder = tempFolder('signatures')
  for (const name of ['b.ndb', 'a.hdb', 'C.HSB', 'notes.txt', '.hidden.ndb', 'x.ndb.bak']) {
    writeFileSync(join(folder.path, name), name)
  }
  const loaded = loadSignatureFolder(folder.path)
  t.deepEqual(
    loaded.sources.map(({ name, kind, text }) => [name, kind, Buffer.from(text).toString()]),
    [
      ['C.HSB', 'hsb', 'C.HSB'],
      ['a.hdb', 'hdb', 'a.hdb'],
      ['b.ndb', 'ndb', 'b.ndb'],
    ],
  )
  t.deepEqual(loaded.problems, [])
})

test('a folder that is not there has no signatures, and that is no problem', (t) => {
  using folder = tempFolder('signatures')
  t.deepEqual(loadSignatureFolder(join(folder.path, 'none')), { sources: [], problems: [] })
})

test('a file in place of the folder is a problem', (t) => {
  using folder = tempFolder('signatures')
  const file = join(folder.path, 'file')
  writeFileSync(file, '')
  t.is(loadSignatureFolder(file).problems.length, 1)
})

test('what cannot be used is named, and the rest is used', async (t) => {
  using folder = tempFolder('signatures')
  const at = (name: string) => join(folder.path, name)
  writeFileSync(at('good.ndb'), 'good')
  mkdirSync(at('folder.ndb'))
  symlinkSync(at('nowhere'), at('dangling.ndb'))
  writeFileSync(at('huge.ndb'), '')
  truncateSync(at('huge.ndb'), 257 * 1024 * 1024)
  // A pipe without a writer: opening it must not wait for one.
  await must('mkfifo', [at('pipe.ndb')])
  writeFileSync(at('secret.ndb'), 'x')
  chmodSync(at('secret.ndb'), 0)
  const loaded = loadSignatureFolder(folder.path)
  const root = process.getuid?.() === 0
  t.deepEqual(
    loaded.sources.map(({ name }) => name),
    root ? ['good.ndb', 'secret.ndb'] : ['good.ndb'],
  )
  t.deepEqual(
    loaded.problems.map(({ file }) => file),
    ['dangling.ndb', 'folder.ndb', 'huge.ndb', 'pipe.ndb', ...(root ? [] : ['secret.ndb'])],
  )
})
