import test from 'ava'
import { mailqText } from '#src/cli/mailq.ts'
import {
  MAILQ_HEADER,
  mailqEntry,
  mailqSummary,
  postqueueJson,
  queueJson,
  queueLine,
} from '#src/cli/queue-format.ts'
import type { ListedMessage } from '#src/queue/listing.ts'
import { listedRecipient } from '#test/queue/support.ts'

function listed(with_: Partial<ListedMessage> = {}): ListedMessage {
  return {
    queue: 'deferred',
    id: '4jXQp03lzkzJfWY',
    arrivedMs: new Date(2026, 10, 22, 10, 50, 16).getTime(),
    sizeBytes: 3268,
    clientAddress: '192.0.2.1',
    clientName: 'unknown',
    subject: 'Hello',
    verdict: ['clean'],
    forcedExpire: false,
    sender: 'a@src.test',
    recipients: [
      {
        address: '2b@example.test',
        original: '2b@example.test',
        state: 'deferred',
        reason: 'connect to 127.0.0.1[127.0.0.1]:1: Connection refused',
        failed: false,
      },
      {
        original: 'alias@example.test',
        failed: false,
        address: 'b@example.test',
        state: 'deferred',
        reason: 'connect to 127.0.0.1[127.0.0.1]:1: Connection refused',
      },
    ],
    ...with_,
  }
}

test('mailq writes what postqueue of Postfix writes', async (t) => {
  const access = {
    async *pages() {
      yield [listed()]
      yield [
        listed({
          queue: 'hold',
          id: '4jXQp03qfHzJfWb',
          sizeBytes: 653,
          sender: '',
          recipients: [listedRecipient('c@example.test', 'hold', '')],
        }),
      ]
    },
  }
  // Taken from Postfix 3.7.11 with enable_long_queue_ids.
  t.is(
    (await Array.fromAsync(mailqText(access))).join(''),
    `----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------
4jXQp03lzkzJfWY       3268 Sun Nov 22 10:50:16 a@src.test
                       (connect to 127.0.0.1[127.0.0.1]:1: Connection refused)
                                               2b@example.test
                                               b@example.test

4jXQp03qfHzJfWb!       653 Sun Nov 22 10:50:16 MAILER-DAEMON
                                               c@example.test

-- 3 Kbytes in 2 Requests.
`,
  )
  t.is(mailqSummary(0, 0), 'Mail queue is empty\n')
  t.is(mailqSummary(1, 1023), '-- 0 Kbytes in 1 Request.\n')
  t.true(mailqEntry(listed({ queue: 'active' })).startsWith('4jXQp03lzkzJfWY* '))
  t.true(mailqEntry(listed({ queue: 'hold', forcedExpire: true })).startsWith('4jXQp03lzkzJfWY!# '))
  t.true(MAILQ_HEADER.startsWith('----Queue ID----- '))
  const pad = ' '.repeat(47)
  const mixed = [
    listedRecipient('a@x.test', 'deferred', ''),
    listedRecipient('b@x.test', 'deferred', 'one'),
    listedRecipient('c@x.test', 'deferred', 'two'),
    listedRecipient('d@x.test', 'deferred', 'one'),
    listedRecipient('e@x.test', 'active', 'one'),
  ]
  t.is(
    mailqEntry(listed({ recipients: mixed }))
      .split('\n')
      .slice(1)
      .join('\n'),
    [
      `${' '.repeat(73)}(one)`,
      `${pad}b@x.test`,
      `${' '.repeat(73)}(two)`,
      `${pad}c@x.test`,
      `${' '.repeat(73)}(one)`,
      `${pad}d@x.test`,
      `${' '.repeat(58)}(reason unavailable)`,
      `${pad}a@x.test`,
      `${pad}e@x.test`,
      '',
      '',
    ].join('\n'),
  )
})

test('the JSON listing has the fields of postqueue -j', (t) => {
  t.deepEqual(
    JSON.parse(queueJson(listed({ recipients: [listedRecipient('b@example.test', 'hold', 'why')] }))),
    {
      queue_name: 'deferred',
      queue_id: '4jXQp03lzkzJfWY',
      arrival_time: Math.floor(new Date(2026, 10, 22, 10, 50, 16).getTime() / 1000),
      message_size: 3268,
      forced_expire: false,
      sender: 'a@src.test',
      client_address: '192.0.2.1',
      client_name: 'unknown',
      subject: 'Hello',
      verdict: ['clean'],
      recipients: [
        {
          orig_address: 'b@example.test',
          address: 'b@example.test',
          delay_reason: 'why',
          state: 'hold',
        },
      ],
    },
  )
})

test('postqueue -j tells who waits from who has failed, and who was meant by the client', (t) => {
  const recipients = [
    listedRecipient('b@x.test', 'deferred', '450 "busy"'),
    listedRecipient('c@x.test', 'deferred', '550 gone', true),
  ]
  t.is(
    postqueueJson(
      listed({
        recipients: [...recipients, { ...listedRecipient('d@x.test', 'hold', ''), original: 'list@x.test' }],
      }),
    ),
    '{"queue_name": "deferred", "queue_id": "4jXQp03lzkzJfWY", ' +
      `"arrival_time": ${new Date(2026, 10, 22, 10, 50, 16).getTime() / 1000}, "message_size": 3268, ` +
      '"forced_expire": false, "sender": "a@src.test", "recipients": [' +
      '{"orig_address": "b@x.test", "address": "b@x.test", "delay_reason": "450 \\"busy\\""}, ' +
      '{"orig_address": "c@x.test", "address": "c@x.test", "bounce_reason": "550 gone"}, ' +
      '{"orig_address": "list@x.test", "address": "d@x.test"}]}\n',
  )
})

test('no text of the network can forge a line of a listing', (t) => {
  const evil = 'x\n4jXQp03lzkzJfWY 1 \u001b[2J\u2028'
  const message = listed({ sender: evil, recipients: [listedRecipient(evil, 'deferred', evil)] })
  t.is(mailqEntry(message).split('\n').length, 5)
  t.is(queueLine(message).split('\n').length, 2)
  t.is(queueJson(message).split('\n').length, 2)
  const shown = mailqEntry(message) + queueLine(message)
  t.false(shown.includes('\u001b') || shown.includes('\u2028'))
})
