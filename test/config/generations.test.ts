import { join } from 'node:path'
import test from 'ava'
import { defaultSettings } from '#src/config/defaults.ts'
import { changesBetween, GENERATIONS_MAX, GenerationStore } from '#src/config/generations.ts'
import { openStore } from '#src/store/sqlite.ts'
import { tempFolder } from '#test/support/temp.ts'

const DEFAULTS = defaultSettings()

function generation(number: number, hopcountLimit = 50) {
  const settings = { ...DEFAULTS, hopcountLimit }
  return { number, atMs: number * 1000, reason: 'reload', author: '', settings, origins: {} }
}

test('what is added is there in another process, and the newest is the one with the highest number', (t) => {
  using folder = tempFolder('generations')
  const path = join(folder.path, 'generations.db')
  using store = GenerationStore.open(path)
  t.is(store.newest, undefined)
  store.add(generation(1))
  store.add(generation(2, 7))
  using reader = GenerationStore.openForReading(path)
  t.deepEqual(reader.newest, generation(2, 7))
  t.deepEqual(
    reader.list(9).map(({ number }) => number),
    [2, 1],
  )
  t.deepEqual(reader.get(1), generation(1))
  t.is(reader.get(3), undefined)
})

test('no more generations are kept than there is room for, and the oldest go', (t) => {
  using folder = tempFolder('generations')
  using store = GenerationStore.open(join(folder.path, 'generations.db'))
  for (const number of [1, 2, 3]) store.add(generation(number))
  store.add(generation(GENERATIONS_MAX + 2))
  t.deepEqual(
    store.list(9).map(({ number }) => number),
    [GENERATIONS_MAX + 2, 3],
  )
})

test('holds are kept as they were set, and all go at once', (t) => {
  using folder = tempFolder('generations')
  const path = join(folder.path, 'generations.db')
  const holds = {
    hopcountLimit: { value: 7, fingerprint: '[]' },
    myNetworks: { value: ['10.0.0.0/8'], fingerprint: 'x' },
  }
  {
    using store = GenerationStore.open(path)
    store.holds = holds
  }
  using store = GenerationStore.open(path)
  t.deepEqual(store.holds, holds)
  store.holds = {}
  t.deepEqual(store.holds, {})
})

test('a setting that a generation does not know yet has its default, one that is gone is left out', (t) => {
  using folder = tempFolder('generations')
  const path = join(folder.path, 'generations.db')
  using store = GenerationStore.open(path)
  store.add(generation(1, 7))
  {
    const raw = openStore(path)
    raw.prepare('UPDATE generation SET settings = \'{"hopcountLimit":7,"goneLimit":1}\'').run()
    raw.prepare("INSERT INTO hold (setting, value, fingerprint) VALUES ('goneLimit', '1', 'x')").run()
    raw.close()
  }
  t.deepEqual(store.newest?.settings, { ...DEFAULTS, hopcountLimit: 7 })
  t.deepEqual(store.holds, {})
})

test('what is different is told in the words of an operator', (t) => {
  const after = {
    ...DEFAULTS,
    smtpdTimeoutMs: 60_000,
    heloRequired: false,
    blockedExtensions: ['exe', 'js'],
    myNetworks: ['10.0.0.0/8', '[::1]/128'],
  }
  t.deepEqual(
    changesBetween(DEFAULTS, after).map(({ name, before, after: now }) => [name, before, now]),
    [
      ['mynetworks', '127.0.0.0/8 [::1]/128', '10.0.0.0/8 [::1]/128'],
      ['smtpd_timeout', '300s', '60s'],
      ['smtpd_helo_required', 'yes', 'no'],
      ['zimbraMtaBlockedExtension', '', 'exe, js'],
    ],
  )
  t.deepEqual(changesBetween(DEFAULTS, DEFAULTS), [])
})
