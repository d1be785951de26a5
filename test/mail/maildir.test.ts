import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { assert, property, string } from 'fast-check'
import test from 'ava'
import { folderName, mailboxPath, MaildirStore, uniqueName } from '#src/mail/maildir.ts'
import { tempFolder } from '#test/support/temp.ts'

for (const [part, name] of [
  ['alice', 'alice'],
  ['a.b+c_d-e', 'a.b+c_d-e'],
  ['.', '%2E'],
  ['..', '%2E.'],
  ['../../etc', '%2E.%2F..%2Fetc'],
  ['.hidden', '%2Ehidden'],
  ['a/b', 'a%2Fb'],
  ['a\\b', 'a%5Cb'],
  ['a\u0000b', 'a%00b'],
  ['%41', '%2541'],
  ['', '%e'],
  ['jos\u00e9', 'jos%C3%A9'],
] as const) {
  test(`the folder of ${JSON.stringify(part)} is ${name}`, (t) => {
    t.is(folderName(part), name)
  })
}

test('no address leaves the tree, and different parts have different folders', (t) => {
  const root = '/tree'
  assert(
    property(
      string({ unit: 'binary', maxLength: 400 }),
      string({ unit: 'binary', maxLength: 400 }),
      (a, b) => {
        const path = resolve(root, mailboxPath(a, b))
        const [domain, local, ...rest] = path.slice(root.length + 1).split('/')
        const safe =
          rest.length === 0 &&
          [domain, local].every((name) => /^[A-Za-z0-9_+%-][A-Za-z0-9._+%-]{0,199}$/.test(name ?? ''))
        // Lone surrogates have no UTF-8 of their own; they cannot come over the wire.
        const same = a.toWellFormed() === b.toWellFormed()
        return safe && (folderName(a) === folderName(b)) === same
      },
    ),
    { numRuns: 2000 },
  )
  t.pass()
})

test('two long parts with the same beginning have different folders', (t) => {
  const [a, b] = [folderName(`${'x'.repeat(300)}a`), folderName(`${'x'.repeat(300)}b`)]
  t.not(a, b)
  t.true(a.length <= 200)
})

test('a message is in tmp until it is committed and in new from then on', async (t) => {
  using folder = tempFolder('maildir')
  const store = new MaildirStore(folder.path)
  const path = mailboxPath('alice', 'x.test')
  const file = await store.create(path)
  file.write(Buffer.from('one\n'))
  file.write(Buffer.from('two\n'))
  t.is(readdirSync(join(folder.path, path, 'tmp')).length, 1)
  t.deepEqual(readdirSync(join(folder.path, path, 'new')), [])
  const target = await file.commit()
  t.is(readFileSync(target, 'utf8'), 'one\ntwo\n')
  t.deepEqual(readdirSync(join(folder.path, path, 'tmp')), [])
  t.deepEqual(
    readdirSync(join(folder.path, path)).toSorted((a, b) => a.localeCompare(b)),
    ['cur', 'new', 'tmp'],
  )
})

test('a message that is discarded leaves nothing behind', async (t) => {
  using folder = tempFolder('maildir')
  const path = mailboxPath('alice', 'x.test')
  const file = await new MaildirStore(folder.path).create(path)
  file.write(Buffer.from('one\n'))
  file.discard()
  for (const name of ['tmp', 'new', 'cur']) t.deepEqual(readdirSync(join(folder.path, path, name)), [])
})

test('a mailbox that was removed meanwhile is made again', async (t) => {
  using folder = tempFolder('maildir')
  const store = new MaildirStore(folder.path)
  const path = mailboxPath('alice', 'x.test')
  await (await store.create(path)).commit()
  rmSync(join(folder.path, 'x.test'), { recursive: true })
  t.true(existsSync(await (await store.create(path)).commit()))
})

test('no two messages have one name, and none has a separator in it', (t) => {
  const names = Array.from({ length: 1000 }, () => uniqueName(1_700_000_000_123.456))
  t.is(new Set(names).size, names.length)
  t.true(names.every((name) => /^1700000000\.M123456P[0-9]+R[0-9a-f]{8}Q[0-9]+\.[^/:]+$/.test(name)))
})

test('many messages for one mailbox at once are all there', async (t) => {
  using folder = tempFolder('maildir')
  const store = new MaildirStore(folder.path)
  const path = mailboxPath('alice', 'x.test')
  const targets = await Promise.all(
    Array.from({ length: 100 }, async (_, i) => {
      const file = await store.create(path)
      file.write(Buffer.from(String(i)))
      return file.commit()
    }),
  )
  t.deepEqual(
    new Set(targets.map((target) => readFileSync(target, 'utf8'))),
    new Set(targets.keys().map(String)),
  )
})

test('what a killed process left in tmp is cleared away after 36 hours, and nothing else', async (t) => {
  using folder = tempFolder('maildir')
  const path = mailboxPath('alice', 'x.test')
  const tmp = join(folder.path, path, 'tmp')
  mkdirSync(join(tmp, 'folder'), { recursive: true })
  const nowS = Date.now() / 1000
  for (const [name, hours] of [
    ['old', 37],
    ['young', 35],
  ] as const) {
    writeFileSync(join(tmp, name), 'half a message')
    utimesSync(join(tmp, name), nowS, nowS - hours * 3600)
  }
  utimesSync(join(tmp, 'folder'), nowS, nowS - 1_000_000)
  const file = await new MaildirStore(folder.path).create(path)
  file.write(Buffer.from('one\n'))
  await file.commit()
  t.deepEqual(readdirSync(tmp).toSorted(), ['folder', 'young'])
})
