import test from 'ava'
import * as fc from 'fast-check'
import { decodeUnicodeXtext, decodeXtext, encodeXtext } from '#src/mail/xtext.ts'

const printable = fc.string({ unit: 'grapheme-ascii' })

test('printable text comes back out of xtext', (t) => {
  fc.assert(fc.property(printable, (text) => t.is(decodeXtext(encodeXtext(text)), text)))
})

test('xtext has none of the characters that end a parameter', (t) => {
  fc.assert(fc.property(printable, (text) => t.regex(encodeXtext(text), /^[!-<>-~]*$/)))
})

for (const text of ['a+', 'a+0', 'a+0G', 'a+0D+0A', 'a+00', 'a+7F', 'a+C3+BC']) {
  test(`${text} is no xtext`, (t) => {
    t.is(decodeXtext(text), undefined)
  })
}

test('escapes of the utf-8 form are characters', (t) => {
  t.is(decodeUnicodeXtext('j\\x{FC}rgen@example.test'), 'jürgen@example.test')
  t.is(decodeUnicodeXtext('\\x{1F600}@example.test'), '😀@example.test')
})

for (const text of ['\\x{0A}', '\\x{A}', '\\x{D800}', '\\x{110000}', '\\', 'a\\nb', '\\x{85}', '\\x{2028}']) {
  test(`${text} is no utf-8 address`, (t) => {
    t.is(decodeUnicodeXtext(text), undefined)
  })
}
