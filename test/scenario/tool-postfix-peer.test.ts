import test from 'ava'
import { systemClock } from '#src/base/clock.ts'
import { shapeText, withParents } from '#src/cli/qshape.ts'
import { mailqEntry, mailqSummary, MAILQ_HEADER, postqueueJson } from '#src/cli/queue-format.ts'
import { isRecord } from '#src/net/frames.ts'
import { PAGE_BYTES } from '#src/queue/limits.ts'
import { QUEUES } from '#src/queue/list-filter.ts'
import { shape } from '#src/queue/list-shape.ts'
import { NONE_ACTIVE } from '#src/queue/listing.ts'
import type { ListedMessage } from '#src/queue/listing.ts'
import { databasePath } from '#src/queue/paths.ts'
import { QueueDb } from '#src/queue/queue-db.ts'
import { QueueReader } from '#src/queue/queue-reader.ts'
import { openStore } from '#src/store/sqlite.ts'
import { newMessage, recipient, scratch } from '#test/queue/support.ts'
import { plainMail } from '#test/support/mails.ts'
import { Postfix, postfixLacks } from '#test/support/postfix.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { freePorts, tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const lacks = postfixLacks()
if (lacks !== undefined) process.stderr.write(`Postfix’s own tools are skipped: ${lacks}.\n`)
const withPostfix = lacks === undefined ? test : test.skip

/** A message as Postfix tells it in JSON, as ours are listed. */
function listed(line: string): ListedMessage {
  const value: unknown = JSON.parse(line)
  if (!isRecord(value) || !Array.isArray(value['recipients'])) throw new Error(line)
  const queue = QUEUES.find((each) => each === value['queue_name']) ?? 'incoming'
  const sender = String(value['sender'])
  return {
    queue,
    id: String(value['queue_id']),
    arrivedMs: Number(value['arrival_time']) * 1000,
    sizeBytes: Number(value['message_size']),
    sender: sender === 'MAILER-DAEMON' ? '' : sender,
    clientAddress: '',
    clientName: '',
    subject: '',
    verdict: [],
    forcedExpire: value['forced_expire'] === true,
    recipients: value['recipients'].filter(isRecord).map((each) => ({
      address: String(each['address']),
      original: String(each['orig_address'] ?? each['address']),
      state: queue,
      reason: textOf(each['delay_reason']) + textOf(each['bounce_reason']),
      failed: each['bounce_reason'] !== undefined,
    })),
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** Debian 12 has Postfix 3.7, whose JSON has no `orig_address` yet. */
function asOfPostfix37(json: string): string {
  return json.replaceAll(/"orig_address": "(?:[^"\\]|\\.)*", /g, '')
}

const SHAPES = [
  { args: [], bySender: false, linear: false, buckets: 10, bucketMinutes: 5, parents: 0 },
  { args: ['-s'], bySender: true, linear: false, buckets: 10, bucketMinutes: 5, parents: 0 },
  { args: ['-l', '-b', '4'], bySender: false, linear: true, buckets: 4, bucketMinutes: 5, parents: 0 },
  { args: ['-b', '3', '-t', '7'], bySender: false, linear: false, buckets: 3, bucketMinutes: 7, parents: 0 },
  { args: ['-p', '-m', '1'], bySender: false, linear: false, buckets: 10, bucketMinutes: 5, parents: 1 },
] as const

/** The same messages in a queue of ours. */
function ourShape(
  messages: readonly ListedMessage[],
  options: Omit<(typeof SHAPES)[number], 'args'>,
): string {
  using paths = scratch()
  const nowMs = systemClock.nowMs()
  {
    using db = new QueueDb(openStore(databasePath(paths.queueDir), { pageBytes: PAGE_BYTES }))
    for (const { sender, arrivedMs, recipients, queue } of messages) {
      const to = recipients.map(({ address }) => recipient(address))
      const inserted = db.insert(newMessage({ sender, arrivedMs, recipients: to }), nowMs)
      if (inserted.kind === 'clash') throw new Error('clash')
      if (queue === 'hold') db.act('hold', inserted.seq, nowMs)
    }
    db.store.exec(`UPDATE recipient SET state = 'deferred' WHERE state = 'incoming'`)
  }
  using reader = new QueueReader(openStore(databasePath(paths.queueDir), { readonly: true }))
  const filter = { queues: ['deferred'] as const }
  const counted = [...shape(reader, { ...options, filter, nowMs }, NONE_ACTIVE)].at(-1) ?? new Map()
  const rows = [...counted]
  return shapeText(options.parents > 0 ? withParents(rows, options.parents) : rows, { ...options, width: 80 })
}

withPostfix(
  'our mailq, postqueue -j and qshape write for a queue of Postfix what its own do, octet for octet',
  async (t) => {
    using theirs = tempFolder('postfix-tools')
    const [port = 0, nobody = 0] = await freePorts(2)
    await using postfix = await Postfix.start({
      folder: theirs.path,
      port,
      relayPort: nobody,
      settings: ['enable_long_queue_ids = yes'],
    })
    const ids: string[] = []
    {
      using client = await SmtpClient.greeted(postfix.port)
      for (const [from, to] of [
        ['ann@one.example', ['a@x.example', 'b@y.example', '"odd one"@x.example', 'e@deep.sub.y.example']],
        ['', ['c@x.example']],
        ['bob@two.example', ['d@z.example']],
      ] as const) {
        const reply = await client.send({ from, to: [...to], message: plainMail('waits', 'Hello.') })
        ids.push(/queued as (\S+)/.exec(reply.text)?.[1] ?? reply.text)
      }
      await client.quit()
    }
    const [, , held = ''] = ids
    await until('all wait, each with its reason', async () => {
      const { stdout } = await postfix.tool('postqueue', '-j')
      return (
        stdout.split('"queue_name": "deferred"').length === 4 && stdout.split('delay_reason').length === 7
      )
    })
    t.is((await postfix.tool('postsuper', '-h', held)).code, 0)
    t.is((await postfix.tool('postsuper', '-e', held)).code, 0)
    const json = (await postfix.tool('postqueue', '-j')).stdout
    const messages = json.trimEnd().split('\n').map(listed)
    t.is(messages.length, 3)
    t.is(messages.map((message) => asOfPostfix37(postqueueJson(message))).join(''), asOfPostfix37(json))
    const bytes = messages.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    const { stdout } = await postfix.tool('postqueue', '-p')
    t.regex(stdout, new RegExp(`^${held}!# `, 'm'))
    t.is(`${MAILQ_HEADER}\n${messages.map(mailqEntry).join('')}${mailqSummary(3, bytes)}`, stdout)
    for (const { args, ...options } of SHAPES) {
      const theirOwn = await postfix.tool('qshape', ...args, 'deferred')
      t.is(ourShape(messages, options), theirOwn.stdout, args.join(' '))
    }
  },
)
