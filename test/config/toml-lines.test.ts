import test from 'ava'
import * as fc from 'fast-check'
import { parse, stringify } from 'smol-toml'
import { keyLines } from '#src/config/toml-lines.ts'

test('each key is found on the line it stands on, whatever stands before it', (t) => {
  const text = [
    '# comment with [brackets] and a = 1', // 1
    'plain = 1', // 2
    '"quoted key" = "a # no comment"', // 3
    'a.b.c = true', // 4
    'many = [', // 5
    '  "x", # one', // 6
    '  { inner = 1 },', // 7
    ']', // 8
    'text = """', // 9
    'fake = 1', // 10
    '[fake]"""', // 11
    "raw = '''", // 12
    "x = ''", // 13
    "''''", // 14: the first quote is still text
    'after = "\\"["', // 15
    '[table]', // 16
    'key = { one = 1, two = [1, 2] }', // 17
    '[[list]]', // 18
    'n = 1', // 19
    '[[list]]', // 20
    'n = 2', // 21
    '[list.sub]', // 22
    "'lit.eral' = 2026-01-01T00:00:00Z", // 23
  ].join('\n')
  t.notThrows(() => parse(text))
  const lines = Object.fromEntries(keyLines(text))
  t.like(lines, {
    plain: 2,
    'quoted key': 3,
    'a.b.c': 4,
    many: 5,
    'many.1.inner': 7,
    text: 9,
    raw: 12,
    table: 16,
    'table.key.one': 17,
    'table.key.two': 17,
    list: 18,
    'list.0.n': 19,
    'list.1': 20,
    'list.1.n': 21,
    'list.1.sub': 22,
    'list.1.sub.lit.eral': 23,
  })
  t.false('fake' in lines)
})

test('of any document that smol-toml writes, each key is found where its line begins with it', (t) => {
  const key = fc.stringMatching(/^[a-z]{1,5}$/)
  const leaf = fc.oneof(
    fc.integer({ min: 0, max: 99 }),
    fc.string(),
    fc.boolean(),
    fc.array(fc.string(), { maxLength: 3 }),
  )
  const document = fc.dictionary(key, fc.oneof(leaf, fc.dictionary(key, leaf, { maxKeys: 4 })), {
    maxKeys: 6,
  })
  fc.assert(
    fc.property(document, (value) => {
      const text = stringify(value)
      const lines = text.split('\n')
      const found = keyLines(text)
      for (const [name, held] of Object.entries(value)) {
        const line = found.get(name)
        t.not(line, undefined)
        t.regex(lines[(line ?? 0) - 1] ?? '', new RegExp(`^(\\[?)${name}\\b`))
        if (typeof held !== 'object' || Array.isArray(held)) continue
        for (const inner of Object.keys(held))
          t.true(lines[(found.get(`${name}.${inner}`) ?? 0) - 1]?.startsWith(inner))
      }
    }),
  )
})

test('text that is no TOML ends the walk and does not hang it', (t) => {
  for (const text of [
    '[',
    '[[',
    '= 1',
    '"',
    '"""',
    "'",
    'a = [',
    'a = {',
    'a = [1 2',
    'a = { b',
    ']',
    '}',
    'a\nb\n',
    '\u0000',
  ]) {
    t.notThrows(() => keyLines(text), JSON.stringify(text))
  }
})
