import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { Appliance, killIfThere } from '#test/support/appliance.ts'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import type { SinkDelivery } from '#test/support/lmtp-sink.ts'
import { plainMail } from '#test/support/mails.ts'
import { seededRandom, seedOfRun } from '#test/support/random.ts'
import { ConnectionLost, SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'
import { PLAN } from './plan.ts'

const SENDER = 'alice@example.test'
/** One is refused, one gets its mail and its sender a report of it. */
const WISHES = ['RCPT TO:<bob@example.test>', 'RCPT TO:<postmaster@example.test> NOTIFY=SUCCESS']
/** The queue manager dies after so many more mails were answered, at most, and so many milliseconds more. */
const ANSWERS_BETWEEN_MAX = 10
const DELAY_MAX_MS = 60

test.serial(
  'whenever the queue manager is killed, each failure and each success is told, and told once',
  async (t) => {
    t.timeout(3_600_000)
    const random = seededRandom(seedOfRun())
    t.log(`seed ${random.seed}`)
    using folder = tempFolder('kill-bounces')
    await using sink = await LmtpSink.listen({
      keep: true,
      answer: (recipient) => (recipient.startsWith('bob') ? '550 5.1.1 gone' : undefined),
    })
    await using postern = await Appliance.start({ folder: folder.path, lmtpPort: sink.port })
    const accepted: string[] = []
    const over = new AbortController()
    const load = sendUntil(postern.smtpPort, over.signal, (name) => accepted.push(name))
    let kills = 0
    try {
      for (let round = 0; round < PLAN.reportKillRounds; round += 1) {
        const next = accepted.length + random.between(1, ANSWERS_BETWEEN_MAX)
        await until('mail was taken', () => accepted.length >= next)
        // The moment is what chance is for here: nothing waits for this to be over.
        await sleep(random.fraction() * DELAY_MAX_MS)
        for (const pid of postern.pids('qmgr')) {
          killIfThere(pid)
          kills += 1
        }
        await postern.serving()
      }
    } finally {
      over.abort()
      await load
    }
    await postern.runEmpty()
    const reports = reportsByMail(sink.deliveries)
    t.log(`${kills} kills; ${accepted.length} mails, ${reports.size} told of`)
    t.deepEqual(
      accepted.filter((name) => reports.get(`${name} failed`)?.size !== 1),
      [],
      'a failure is told once',
    )
    t.deepEqual(
      accepted.filter((name) => (reports.get(`${name} delivered`)?.size ?? 0) < 1),
      [],
      'a success is told',
    )
    t.deepEqual(
      [...reports].filter(([key, ids]) => key.endsWith(' failed') && ids.size > 1),
      [],
      'nothing else is told twice',
    )
  },
)

/** One client that sends all the while; `taken` hears of each mail that was answered 250. */
async function sendUntil(port: number, signal: AbortSignal, taken: (name: string) => void): Promise<void> {
  for (let n = 0; !signal.aborted; n += 1) {
    const name = `mail-${n}`
    try {
      if (await sendOne(port, name)) taken(name)
    } catch (error) {
      if (!(error instanceof ConnectionLost) && !(error instanceof Error && 'code' in error)) throw error
    }
  }
}

async function sendOne(port: number, name: string): Promise<boolean> {
  using client = await SmtpClient.greeted(port)
  for (const line of [`MAIL FROM:<${SENDER}>`, ...WISHES, 'DATA']) {
    const { code } = await client.command(line)
    if (code >= 400) return false
  }
  client.write(`${plainMail(name, 'x').toString()}\r\n.\r\n`)
  return (await client.reply()).code === 250
}

/** The reports about each mail and action, by their own Message-Ids: one that was delivered twice is one. */
function reportsByMail(deliveries: readonly SinkDelivery[]): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  for (const { sender, message } of deliveries) {
    if (sender !== '') continue
    const text = message.toString('latin1')
    const name = /\r\nSubject: (mail-\d+)\r\n/.exec(text)?.[1] ?? '?'
    const action = /\r\nAction: (\w+)\r\n/.exec(text)?.[1] ?? '?'
    const id = /\r\nMessage-Id: (<[^>]+>)\r\n/.exec(text)?.[1] ?? '?'
    found.getOrInsert(`${name} ${action}`, new Set()).add(id)
  }
  return found
}
