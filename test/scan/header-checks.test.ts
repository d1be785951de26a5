import { Buffer } from 'node:buffer'
import test from 'ava'
import { actionProblem, decide, HeaderChecks } from '#src/scan/header-checks.ts'
import type { HeaderAction } from '#src/mail/header-action.ts'
import { PatternTable } from '#src/scan/pattern-table.ts'

const table = (text: string) => new PatternTable(text, 'pcre')

const DECISIONS: readonly (readonly [
  text: string,
  kind: HeaderAction['kind'],
  told: string,
  words: string,
])[] = [
  ['DUNNO', 'keep', '', ''],
  ['ok', 'keep', '', ''],
  ['IGNORE', 'drop', '', ''],
  ['STRIP it', 'drop', 'strip', 'it'],
  ['info look', 'keep', 'info', 'look'],
  ['WARN', 'keep', 'warning', ''],
  ['PASS trusted', 'pass', 'pass', 'trusted'],
  ['PREPEND X-A: 1', 'prepend', 'prepend', 'X-A: 1'],
  ['REPLACE X-B: 2', 'replace', 'replace', 'X-B: 2'],
  ['HOLD look at it', 'hold', 'hold', 'look at it'],
  ['DISCARD', 'discard', 'discard', ''],
  ['BCC a@b.example', 'bcc', 'bcc', 'a@b.example'],
  ['REDIRECT a@b.example', 'redirect', 'redirect', 'a@b.example'],
]

for (const [text, kind, told, words] of DECISIONS)
  test(`${text}: ${kind}`, (t) => {
    const decision = decide(text)
    t.is(decision.action.kind, kind)
    t.is(decision.told, told)
    t.is(decision.text, words)
    t.is(actionProblem(text), undefined)
  })

const REPLIES: readonly (readonly [text: string, code: number, dsn: string, words: string])[] = [
  ['REJECT', 550, '5.7.1', 'message content rejected'],
  ['REJECT not here', 550, '5.7.1', 'not here'],
  ['REJECT 5.6.9 other', 550, '5.6.9', 'other'],
  ['REJECT 4.7.1 later', 451, '4.7.1', 'later'],
  ['reject caf\u00e9\u0007', 550, '5.7.1', 'caf?'],
]

for (const [text, code, dsn, words] of REPLIES)
  test(`${JSON.stringify(text)} is answered ${code} ${dsn}`, (t) => {
    const { action } = decide(text)
    t.deepEqual(action.kind === 'refuse' ? action.reply : undefined, { code, dsn, text: words })
  })

for (const text of [
  'REJEKT',
  '',
  'PREPEND no label',
  'REPLACE : text',
  'BCC nobody',
  'REDIRECT a@b c@d',
  'REDIRECT <a@b.example>',
  'FILTER smtp-amavis:[127.0.0.1]:10026',
  `PREPEND X: ${'x'.repeat(1000)}`,
])
  test(`${text.slice(0, 40)} is no action: it changes nothing and is told`, (t) => {
    t.is(decide(text).action.kind, 'keep')
    t.is(decide(text).told, 'error')
    t.truthy(actionProblem(text))
  })

test('an address made of groups is looked at when it is whole', (t) => {
  t.is(actionProblem('REDIRECT $1@b.example'), undefined)
  t.is(decide('REDIRECT x y@b.example').told, 'error')
})

test('where a table cannot be read, or a match is given up, the client is asked to come again', (t) => {
  const tables = { mime: [], nested: [] }
  const unread = new HeaderChecks({ ...tables, header: [], unreadable: true })
  const slow = new PatternTable('/^X: (a+)+$/ REJECT', 'pcre')
  const given = new HeaderChecks({ ...tables, header: [slow], unreadable: false })
  for (const checks of [unread, given]) {
    const { action } = checks.check('header', Buffer.from(`X: ${'a'.repeat(50_000)}b`))
    t.is(action.kind === 'refuse' ? action.reply.code : 0, 451)
  }
})

test('each kind of header has tables of its own, and the first that knows a field decides', (t) => {
  const checks = new HeaderChecks({
    header: [table('/^X/ DUNNO'), table('/./ REJECT')],
    mime: [table('/^X/ HOLD')],
    nested: [],
    unreadable: false,
  })
  const kind = (which: 'header' | 'mime' | 'nested', field: string) =>
    checks.check(which, Buffer.from(field)).action.kind
  t.is(kind('header', 'X: 1'), 'keep')
  t.is(kind('header', 'Y: 1'), 'refuse')
  t.is(kind('mime', 'X: 1'), 'hold')
  t.is(kind('nested', 'X: 1'), 'keep')
  t.true(checks.wantsParts)
})
