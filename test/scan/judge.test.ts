import test from 'ava'
import type { PartReport, ScanReport } from '#src/match/types.ts'
import { blockedName } from '#src/scan/extensions.ts'
import { ScanJudge } from '#src/scan/judge.ts'
import type { ContentJudge } from '#src/smtp/ports.ts'

function part(names: readonly string[], path = '1'): PartReport {
  return { path, type: 'application/octet-stream', magic: '', names, size: 1, sha256: '' }
}

function report(more: Partial<ScanReport> = {}): ScanReport {
  return {
    header: {
      receivedCount: 0,
      hasFrom: true,
      hasDate: true,
      hasMessageId: true,
      hasRecipient: true,
      messageId: '',
      subject: '',
      dkimSigned: [],
      bytes: 10,
    },
    parts: [part([])],
    hits: [],
    limits: [],
    defects: [],
    needsRecheck: false,
    bareLf: false,
    bareCr: false,
    nul: false,
    eightBit: false,
    longestLine: 70,
    bytes: 100,
    ...more,
  }
}

/** A name for a title: no two that differ look the same. */
function visible(name: string): string {
  return JSON.stringify(name).replaceAll(
    /[^ -~]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

const judge: ContentJudge = new ScanJudge(['exe', 'JS', 'bat'])
const blocked: ReadonlySet<string> = new Set(['exe', 'js'])

for (const name of [
  'a.exe',
  'A.EXE',
  'a.exe.',
  'a.exe . . ',
  'a.exe\t',
  'a.exe\u00a0',
  'a.exe\u3000',
  'a.exe"',
  "a.exe'",
  'a.exe”',
  'a.exe;',
  'a.exe\0',
  'a.exe\0.txt',
  'a.e\0xe',
  'a.exe:stream',
  'a.exe::$DATA',
  'a.exe;1',
  'a.exe/',
  'a.exe\u200b',
  'a.e\u00adxe',
  'a\u202e.exe',
  'a.ex\ufeffe',
  'a.ex\ufffde',
  'a．exe',
  'a.ｅｘｅ',
  '.exe',
  'invoice.pdf.exe',
  'deep/er\\a.exe',
  'a.js',
]) {
  test(`${visible(name)} is blocked`, (t) => {
    t.is(blockedName([name], blocked)?.name, name)
  })
}

for (const name of [
  '',
  'exe',
  'a.pdf',
  'a.exe.pdf',
  'a.exe-notes.txt',
  'a.exec',
  'a.json',
  'my exe',
  'a.',
  '...',
  'a.ехе (Cyrillic)',
]) {
  test(`${visible(name)} is not blocked`, (t) => {
    t.is(blockedName([name], blocked), undefined)
  })
}

test('every reading of every name counts', (t) => {
  t.deepEqual(blockedName(['a.txt', 'b.txt', 'c.exe'], blocked), { name: 'c.exe', extension: 'exe' })
})

test('a name of a hundred thousand dots takes no longer than it is long', (t) => {
  t.is(blockedName([`${'.'.repeat(100_000)}x-`, `${' '.repeat(100_000)}y`], blocked), undefined)
})

test('a blocked extension is refused with Zimbra’s own words, wherever its part stands', (t) => {
  const verdict = judge.judge(
    report({ parts: [part([]), part(['ok.pdf'], '2'), part(['Setup.EXE. '], '3.1.2')] }),
  )
  t.is(verdict.kind, 'refuse')
  if (verdict.kind !== 'refuse') return
  t.deepEqual(verdict.reply, {
    code: 550,
    dsn: '5.7.1',
    text: 'Attachment type not allowed. File "Setup.EXE. " has the unacceptable extension "EXE"',
  })
  t.like(verdict.facts, { verdict: 'blocked', part: '3.1.2' })
})

test('a name in a reply is printable ASCII, short, and cannot end its line or its quotes', (t) => {
  const verdict = judge.judge(report({ parts: [part([`"ä\r\n250 ok${'x'.repeat(1000)}.exe`])] }))
  const text = verdict.kind === 'refuse' ? String(verdict.reply.text) : ''
  t.regex(
    text,
    /^Attachment type not allowed\. File "\?\?\?\?250 okx{80,100}" has the unacceptable extension "exe"$/,
  )
  t.true(text.length < 400)
})

test('a signature is refused by its name, and comes before everything else', (t) => {
  const verdict = judge.judge(
    report({
      hits: [{ signature: 'Eicar-Signature', path: '2' }],
      parts: [part(['a.exe'])],
      limits: ['depth'],
    }),
  )
  t.like(verdict.kind === 'refuse' ? verdict.reply : {}, { code: 550, dsn: '5.7.1' })
  t.regex(verdict.kind === 'refuse' ? String(verdict.reply.text) : '', /"Eicar-Signature"/)
})

for (const limit of ['depth', 'parts', 'header', 'something-new']) {
  test(`a message that exceeds the limit "${limit}" was not wholly looked at and is refused`, (t) => {
    const verdict = judge.judge(report({ limits: [limit] }))
    t.like(verdict.kind === 'refuse' ? verdict.reply : {}, { code: 554, dsn: '5.6.0' })
  })
}

test('a clean message is taken, and what was odd about it is kept', (t) => {
  t.deepEqual(judge.judge(report()), { kind: 'accept', facts: { verdict: 'clean', parts: 1 } })
  t.deepEqual(judge.judge(report({ defects: ['bad-base64'] })), {
    kind: 'accept',
    facts: { verdict: 'clean', parts: 1, defects: ['bad-base64'] },
  })
})
