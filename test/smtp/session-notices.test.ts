import test from 'ava'
import { memoryLog } from '#src/base/log.ts'
import { SessionNotices } from '#src/smtp/session-notices.ts'
import type { NoticeRules } from '#src/smtp/session-notices.ts'
import { Transcript } from '#src/smtp/transcript.ts'
import type { NewMessage, QueueSubmitter, SubmitOutcome } from '#src/queue/types.ts'
import { VirtualClock, settle } from '#test/simulate/virtual-clock.ts'

const CLIENT = { name: 'client.example', address: '192.0.2.1' }
const RULES: NoticeRules = {
  hostname: 'mx.test',
  generation: 1,
  targets: (which) => (which === 'policy' || which === 'resource' ? ['postmaster@example.test'] : []),
}

function made(outcomes: SubmitOutcome[] = []) {
  const taken: NewMessage[] = []
  let tried = 0
  const queue: QueueSubmitter = {
    admission: () => 'open',
    submit: (message) => {
      tried += 1
      const outcome = outcomes.shift() ?? 'queued'
      if (outcome === 'queued') taken.push(message)
      return Promise.resolve(outcome)
    },
    openSpool: () => Promise.resolve('unavailable'),
  }
  const clock = new VirtualClock(Date.UTC(2026, 10, 22))
  let ids = 0
  const newQueueId = (): string => `4ZNOTICE${++ids}`
  const said = { agent: 'SMTP server', event: 'smtpd.notice' } as const
  const notices = new SessionNotices({ queue, clock, log: memoryLog(), newQueueId, ...said })
  return { notices, clock, taken, tried: () => tried }
}

function errors(...replies: readonly string[]): Transcript {
  const transcript = new Transcript()
  for (const reply of replies) transcript.said(`${reply}\r\n`)
  return transcript
}

const RELAY = '554 5.7.1 <a@far.example>: Relay access denied'

test('postmaster gets the dialogue, from the null sender, once for all sessions of ten minutes', async (t) => {
  const { notices, clock, taken } = made()
  for (let i = 0; i < 1000; i++) notices.tell(errors(RELAY), CLIENT, RULES)
  await settle()
  t.is(taken.length, 1)
  await clock.advance(600_000)
  notices.tell(errors(RELAY), CLIENT, RULES)
  await settle()
  notices[Symbol.dispose]()
  t.is(taken.length, 2)
  const [first, second] = taken.map(({ body }) =>
    body.kind === 'inline' ? Buffer.from(body.bytes).toString() : '',
  )
  t.like(taken[0], { sender: '', notice: true, eightBit: false })
  t.deepEqual(taken[0]?.recipients[0]?.notify, ['NEVER'])
  t.regex(first ?? '', /\r\nSubject: Postern SMTP server: errors from client\.example\[192\.0\.2\.1\]\r\n/)
  t.regex(first ?? '', /\r\nAuto-Submitted: auto-generated\r\n/)
  t.regex(first ?? '', /\r\n Out: 554 5\.7\.1 <a@far\.example>: Relay access denied\r\n/)
  t.notRegex(first ?? '', /more sessions/)
  t.regex(second ?? '', /there were 999 more sessions/)
})

test('nobody is told of classes that notify_classes does not name', async (t) => {
  const { notices, taken } = made()
  notices.tell(errors('500 5.5.2 Error: command not recognized'), CLIENT, RULES)
  notices.tell(errors('250 2.0.0 Ok'), CLIENT, RULES)
  await settle()
  notices[Symbol.dispose]()
  t.deepEqual(taken, [])
})

test('of several classes the gravest is told, and each class has a pause of its own', async (t) => {
  const { notices, taken } = made()
  notices.tell(errors(RELAY, '452 4.3.1 Insufficient system storage'), CLIENT, RULES)
  notices.tell(errors(RELAY), CLIENT, RULES)
  await settle()
  notices[Symbol.dispose]()
  t.deepEqual(
    taken.map(({ verdict }) => verdict['class']),
    ['resource', 'policy'],
  )
})

test('a notice about a full disk waits for room, and is one message however often it is tried', async (t) => {
  const { notices, clock, taken, tried } = made(['full', 'unavailable', 'failed'])
  notices.tell(errors('452 4.3.1 Insufficient system storage'), CLIENT, RULES)
  for (let i = 0; i < 3; i++) {
    await settle()
    t.deepEqual(taken, [])
    await clock.advance(30_000)
  }
  await settle()
  notices[Symbol.dispose]()
  t.is(tried(), 4)
  t.deepEqual(
    taken.map(({ id }) => id),
    ['4ZNOTICE1'],
  )
})
