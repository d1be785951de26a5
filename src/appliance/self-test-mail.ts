import { randomUUID } from 'node:crypto'
import { isIP } from 'node:net'
import { submit } from '#src/admin/submit-client.ts'
import { queuePathsOf } from '#src/admin/queue-paths.ts'
import { elapsed, systemClock } from '#src/base/clock.ts'
import type { Config } from '#src/config/config.ts'
import { pathsOf } from '#src/config/paths.ts'
import { mailDate } from '#src/mail/date.ts'
import { SELF_TEST_ADDRESS } from '#src/mail/self-test.ts'
import { isRecord } from '#src/net/frames.ts'
import { openQueue } from '#src/queue/tool-access.ts'
import { openSink } from './self-test-sink.ts'

const LOOK_MS = 200

/**
 * Sends a mail from this machine through its own SMTP server, scanner, queue and delivery, to a receiver of ours that keeps
 * nothing, and waits until it has left the queue. undefined where it has; else a clause that says where it stuck, and
 * then it is taken out of the queue again.
 */
export async function mailGoesThrough(config: Config, signal: AbortSignal): Promise<string | undefined> {
  const listener = config.listeners.find(({ service }) => service === 'smtp')
  if (listener === undefined) return 'no listener has the service smtp'
  const token = randomUUID()
  let hasCome = false
  const sink = await openSink(pathsOf(config.dataFolder).selfTestSocket, (line) => {
    if (line.includes(token)) hasCome = true
  })
  try {
    const isIPv4 = isIP(listener.address) === 4
    const { last } = await submit(
      listener,
      {
        helo: 'localhost',
        // The null sender: nothing comes back of it, whatever becomes of it.
        sender: '',
        recipients: [SELF_TEST_ADDRESS],
        mailParameters: '',
        rcptParameters: '',
        message: messageOf(token),
      },
      // A listener of one address is reached from this machine's own all the same.
      isIPv4 ? '127.0.0.1' : '::1',
    )
    const [, id] = /queued as (\S+)/.exec(last.text) ?? []
    if (id === undefined) return `the SMTP server did not take it: ${last.text}`
    return await follow(config, id, { signal, hasCome: () => hasCome })
  } finally {
    sink.close()
  }
}

function messageOf(token: string): Buffer {
  const lines = [
    'From: Postern <>',
    `To: <${SELF_TEST_ADDRESS}>`,
    `Date: ${mailDate(Date.now())}`,
    `Message-ID: <${token}@localhost>`,
    'Subject: Self-test of a new release',
    'Auto-Submitted: auto-generated',
    '',
    'It ends where it began: on this machine.',
    '',
  ]
  return Buffer.from(lines.join('\r\n'))
}

interface Following {
  readonly signal: AbortSignal
  readonly hasCome: () => boolean
}

async function follow(
  config: Config,
  id: string,
  { signal, hasCome }: Following,
): Promise<string | undefined> {
  let life: Life
  do {
    life = await lifeOf(config, id)
    if (!life.isQueued && hasCome()) return life.isScanned ? undefined : 'it was not scanned'
  } while (await elapsed(systemClock, LOOK_MS, signal))
  await using queue = await openQueue(queuePathsOf(config))
  await queue.act('delete', [id], { why: { by: 'boot check', note: 'the self-test has failed' } })
  return `it waits in the queue: ${life.reason === '' ? 'no attempt was made' : life.reason}`
}

interface Life {
  readonly isQueued: boolean
  /** Whether the scanner has said something of it. */
  readonly isScanned: boolean
  /** Of the last attempt. */
  readonly reason: string
}

async function lifeOf(config: Config, id: string): Promise<Life> {
  await using queue = await openQueue(queuePathsOf(config))
  for await (const answer of queue.ask({ op: 'show', id })) {
    const trace = Array.isArray(answer['trace']) ? answer['trace'].filter(isRecord) : []
    const queued = factsOf(trace.find(({ event }) => event === 'queued'))
    const last = factsOf(trace.at(-1))
    return {
      isQueued: isRecord(answer['message']),
      isScanned: queued['verdict'] !== undefined && queued['verdict'] !== '',
      reason: typeof last['reply'] === 'string' ? last['reply'] : '',
    }
  }
  return { isQueued: true, isScanned: false, reason: 'the queue manager does not tell' }
}

function factsOf(row: Readonly<Record<string, unknown>> | undefined): Readonly<Record<string, unknown>> {
  const facts: unknown = typeof row?.['facts'] === 'string' ? JSON.parse(row['facts']) : row?.['facts']
  return isRecord(facts) ? facts : {}
}
