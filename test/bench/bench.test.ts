import test from 'ava'
import { faultsOf } from './load.ts'
import { mimeMessage } from './mail.ts'
import type { Load } from './options.ts'
import { masterCf } from './postfix.ts'
import { bestPostfix, reportText } from './report.ts'
import { parseReport } from './sink.ts'

const REPORT = parseReport(
  '{"messages":3,"different":3,"withoutId":0,"deliveries":3,"bytes":90,"bodies":1,"bodyHash":"0a","connections":1,"firstNs":"9007199254740993","lastNs":"9007199254740995"}',
)

test('instants keep every nanosecond', (t) => {
  t.is(REPORT.lastNs - REPORT.firstNs, 2n)
})

test('what is no report of the sink is refused', (t) => {
  t.throws(() => parseReport('{"messages":3}'), { message: /did not say/ })
})

test('a run in which every message arrived once has no fault', (t) => {
  t.deepEqual(faultsOf(REPORT, 3), [])
})

for (const [what, report, said] of [
  ['a lost message', { ...REPORT, messages: 2, different: 2 }, '1 of 3 messages did not arrive'],
  ['a message too many', { ...REPORT, messages: 4, different: 4 }, '1 messages more than were sent arrived'],
  ['one lost and one twice', { ...REPORT, different: 2 }, '1 messages arrived twice'],
  ['a body that was changed', { ...REPORT, bodies: 2 }, '2 different bodies arrived where one was sent'],
  [
    'a message without a queue id',
    { ...REPORT, different: 2, withoutId: 1 },
    '1 messages have no queue id in a Received line',
  ],
] as const) {
  test(`${what} makes a run invalid`, (t) => {
    t.deepEqual(faultsOf(report, 3), [said])
  })
}

const LOAD: Load = { part: 'plain', sizeBytes: 10_240, sessions: 20, reused: true }

function run(deliveredPerSecond: number, invalid: readonly string[] = []) {
  return {
    messages: 100,
    acceptedPerSecond: deliveredPerSecond * 2,
    deliveredPerSecond,
    userSeconds: 100 / deliveredPerSecond,
    systemSeconds: 0,
    memoryBytes: 1_048_576,
    otherShare: 0.01,
    syncsPerMessage: undefined,
    flushesPerMessage: undefined,
    window: { fromUs: 0, toUs: 1 },
    invalid,
  }
}

test('Postern is held against the Postfix that delivers more', (t) => {
  const result = {
    load: LOAD,
    runs: new Map([
      ['postern', [run(400), run(500), run(600)]],
      ['postfix-default', [run(90), run(100), run(110)]],
      ['postfix-tuned', [run(80), run(70), run(900, ['smtp-source ended with 1'])]],
    ] as const),
  }
  t.is(bestPostfix(result), 'postfix-default')
  const text = reportText([result])
  const ratios = text.split('\n').find((line) => line.endsWith('postfix-default |') && line.includes('x'))
  t.regex(ratios ?? '', /5\.00x \(4\.44x?-5\.45x?\)/)
  t.regex(
    text,
    /INVALID RUNS .*\n10 KiB, 20 sessions, reused, postfix-tuned, round 3: smtp-source ended with 1/,
  )
})

test('without a good run of Postfix there is no ratio', (t) => {
  const text = reportText([{ load: LOAD, runs: new Map([['postern', [run(400)]]]) }])
  t.notRegex(text, /against/)
  t.regex(text, /\| postern \|/)
})

test('our Postfix listens on its own port, outside of a chroot, and pipes to no one', (t) => {
  const shipped = `# comment
smtp      inet  n       -       y       -       -       smtpd
relay     unix  -       -       y       -       -       smtp
        -o syslog_name=postfix/$service_name
maildrop  unix  -       n       n       -       -       pipe
  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d \${recipient}
`
  t.is(masterCf(shipped, 2600), '127.0.0.1:2600 inet n - n - - smtpd\nrelay unix - - n - - smtp\n')
})

for (const size of [10_240, 102_400, 1_048_576]) {
  test(`the MIME message for ${size} octets has that size within a line, CRLF counted`, (t) => {
    const message = mimeMessage(size)
    const octets = message.split('\n').reduce((sum, line) => sum + line.length + 2, 0)
    t.true(Math.abs(octets - size) < 200, `${octets}`)
    t.true(message.split('\n').every((line) => line.length <= 78))
    t.is(message, mimeMessage(size))
  })
}
