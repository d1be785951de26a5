import test from 'ava'
import { formatReply } from '#src/base/reply.ts'
import type { Reply } from '#src/base/reply.ts'
import { REPLY, shuttingDown, timeoutExceeded, tooManyConnections, tooManyErrors } from '#src/smtp/replies.ts'
import { Transcript } from '#src/smtp/transcript.ts'
import type { SessionErrorClass } from '#src/smtp/transcript.ts'

function hear(transcript: Transcript, line: string): void {
  const bytes = Buffer.from(line, 'latin1')
  transcript.heard(bytes, 0, bytes.length)
}

const policy: Reply = { code: 554, dsn: '5.7.1', text: '<a@far.example>: Relay access denied' }
const unknown: Reply = { code: 550, dsn: '5.1.1', text: '<x@here>: Recipient address rejected: User unknown' }
const lookup: Reply = { code: 451, dsn: '4.3.0', text: '<x@here>: Temporary lookup failure' }
const faulty: Reply = { code: 451, dsn: '4.6.0', text: '<x@here>: Alias expansion error' }

const CLASSES: readonly (readonly [string, Reply, SessionErrorClass | undefined])[] = [
  ['an acceptance', REPLY.ok, undefined],
  ['the end of the service', shuttingDown('mx.test'), undefined],
  ['a full disk', REPLY.storageFull, 'resource'],
  ['a queue manager that is away', REPLY.queueUnavailable, 'resource'],
  ['a write error', REPLY.queueWriteError, 'resource'],
  ['too many sessions', REPLY.serverBusy, 'resource'],
  ['a fault of ours', REPLY.internal, 'software'],
  ['aliases that cannot be used', faulty, 'software'],
  ['a directory that is away', REPLY.temporary, 'data'],
  ['a lookup that failed', lookup, 'data'],
  ['passwords that cannot be checked', REPLY.authUnavailable, 'data'],
  ['relaying', policy, 'policy'],
  ['a wrong password', REPLY.authFailed, 'policy'],
  ['too many connections', tooManyConnections('mx.test', '192.0.2.1'), 'policy'],
  ['too many errors', tooManyErrors('mx.test'), 'policy'],
  ['a user that is not here', unknown, 'bounce'],
  ['a message that is too big', REPLY.tooBig, 'bounce'],
  ['a loop', REPLY.tooManyHops, 'bounce'],
  ['no command', REPLY.unknownCommand, 'protocol'],
  ['a command out of place', REPLY.needMail, 'protocol'],
  ['an early talker', REPLY.earlyTalker, 'protocol'],
  ['a bad address', REPLY.badRecipient, 'protocol'],
  ['a line that never comes', timeoutExceeded('mx.test'), 'protocol'],
]

for (const [what, reply, expected] of CLASSES) {
  test(`${what} is of class ${expected ?? 'none'}`, (t) => {
    const transcript = new Transcript()
    transcript.said(formatReply(reply))
    t.deepEqual([...transcript.classes], expected === undefined ? [] : [expected])
  })
}

test('what was said is kept in order, and no credentials', (t) => {
  const transcript = new Transcript()
  transcript.said('220 mx.test ESMTP\r\n')
  hear(transcript, 'EHLO client.example')
  transcript.said('250-mx.test\r\n250 AUTH PLAIN LOGIN\r\n')
  hear(transcript, 'AUTH PLAIN AGFsaWNlAHNlY3JldA==')
  transcript.said('535 5.7.8 Error: authentication failed\r\n')
  hear(transcript, 'auth LOGIN')
  transcript.said('334 VXNlcm5hbWU6\r\n')
  hear(transcript, 'YWxpY2U=')
  transcript.said('334 UGFzc3dvcmQ6\r\n')
  hear(transcript, 'c2VjcmV0')
  transcript.said('535 5.7.8 Error: authentication failed\r\n')
  hear(transcript, 'c2VjcmV0')
  transcript.said('500 5.5.2 Error: command not recognized\r\n')
  t.deepEqual(transcript.lines, [
    ' Out: 220 mx.test ESMTP',
    ' In:  EHLO client.example',
    ' Out: 250-mx.test',
    ' Out: 250 AUTH PLAIN LOGIN',
    ' In:  AUTH PLAIN',
    ' Out: 535 5.7.8 Error: authentication failed',
    ' In:  auth LOGIN',
    ' Out: 334 VXNlcm5hbWU6',
    ' In:  [authentication]',
    ' Out: 334 UGFzc3dvcmQ6',
    ' In:  [authentication]',
    ' Out: 535 5.7.8 Error: authentication failed',
    ' In:  [no command]',
    ' Out: 500 5.5.2 Error: command not recognized',
  ])
})

test('of an endless session the beginning and the end are kept, and how much lies between', (t) => {
  const transcript = new Transcript()
  for (let i = 0; i < 100_000; i++) hear(transcript, `NOOP ${i} ${'x'.repeat(5000)}`)
  const { lines } = transcript
  t.true(lines.length <= 20 + 1 + 160)
  t.regex(lines[0] ?? '', /NOOP 0 x/)
  t.regex(lines.at(-1) ?? '', /NOOP 99999 x/)
  const left = Number(/^\[(\d+) lines/.exec(lines[20] ?? '')?.[1])
  t.is(left + lines.length - 1, 100_000)
  t.true(lines.every((line) => line.length < 600))
})
