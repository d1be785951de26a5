import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { inject } from '#test/support/faults.ts'
import { compare, Ledger, ledgerMail, type Answer } from '#test/support/ledger.ts'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { queueFolder } from '#test/support/queue-folder.ts'
import { seededRandom, type Random } from '#test/support/random.ts'
import { installed } from '#test/support/run.ts'
import { ConnectionLost, SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'
import { PLAN } from './plan.ts'

const withStrace = installed('strace') ? test.serial : test.serial.skip
if (!installed('strace')) process.stderr.write('I/O errors are skipped: strace is not installed.\n')

/**
 * Mails sent one after another while the n-th call shall fail. strace counts for each thread by itself, and what
 * smtpd writes goes through the four threads of libuv's pool: one of them has made n calls after 4 (n - 1) + 1.
 */
function mailsUntil(n: number): number {
  return 4 * n + 4
}
/** More than lies in a row, so that a spool file is written. */
const LARGE_BYTES = 150_000

interface Case {
  readonly victim: 'qmgr' | 'smtpd'
  readonly calls: string
  readonly error: 'EIO' | 'ENOSPC'
}

const CASES: readonly Case[] = [
  { victim: 'qmgr', calls: 'fdatasync,fsync', error: 'EIO' },
  { victim: 'qmgr', calls: 'pwrite64', error: 'EIO' },
  { victim: 'qmgr', calls: 'pwrite64', error: 'ENOSPC' },
  { victim: 'smtpd', calls: 'fdatasync,fsync', error: 'EIO' },
  { victim: 'smtpd', calls: 'pwrite64', error: 'EIO' },
  { victim: 'smtpd', calls: 'pwrite64', error: 'ENOSPC' },
]

for (const { victim, calls, error } of CASES) {
  withStrace(
    `${error} from ${calls} in ${victim} is answered 4xx, loses nothing, and mail is taken again by itself`,
    async (t) => {
      t.timeout(600_000)
      await using place = await Place.open()
      // All calls fail from here on: then no mail can be on the disk, and none may be promised.
      await everyCallFails(t, place, { victim, calls, error })
      for (let n = 1; n <= PLAN.faultsUpTo; n += 1) await nthCallFails(t, place, { victim, calls, error }, n)
      await judge(t, place)
    },
  )
}

/** An appliance, its sink and its ledger, one client after another. */
class Place {
  readonly postern: Appliance
  readonly sink: LmtpSink
  readonly ledger: Ledger
  readonly #stack: AsyncDisposableStack
  readonly #random: Random = seededRandom(11)
  #sent = 0
  #client: SmtpClient | undefined

  private constructor(postern: Appliance, sink: LmtpSink, ledger: Ledger, stack: AsyncDisposableStack) {
    this.postern = postern
    this.sink = sink
    this.ledger = ledger
    this.#stack = stack
  }

  static async open(): Promise<Place> {
    await using stack = new AsyncDisposableStack()
    const folder = stack.use(tempFolder('io-errors'))
    const ledger = stack.use(new Ledger(join(folder.path, 'ledger')))
    const sink = stack.use(await LmtpSink.listen())
    const postern = stack.use(await Appliance.start({ folder: folder.path, lmtpPort: sink.port }))
    return new Place(postern, sink, ledger, stack.move())
  }

  /** Sends one mail and notes what was said of it. */
  async sendOne(large: boolean): Promise<{ readonly answer: Answer; readonly text: string }> {
    this.#sent += 1
    const mail = ledgerMail(
      `io-${this.#sent}`,
      'alice@example.test',
      this.#random,
      large ? { size: LARGE_BYTES } : { size: 2000 },
    )
    const said = await this.#say(mail)
    this.ledger.note(mail, said.answer)
    return said
  }

  async #say(mail: { recipient: string; message: Uint8Array }): Promise<{ answer: Answer; text: string }> {
    try {
      if (this.#client === undefined || this.#client.closed) {
        this.#client = await until('a client is greeted', () =>
          SmtpClient.greeted(this.postern.smtpPort).catch(() => undefined),
        )
      }
      const reply = await this.#client.send({
        from: 'sender@client.example',
        to: [mail.recipient],
        message: mail.message,
      })
      if (reply.code !== 250) await this.#client.command('RSET')
      return { answer: answerOf(reply.code), text: reply.text }
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error
      return { answer: 'unknown', text: error.message }
    }
  }

  /** The files that SQLite writes, so that a log file or a socket is never what fails. */
  files(victim: Case['victim']): string[] {
    if (victim === 'smtpd') return []
    const folder = queueFolder(this.postern.data)
    return ['queue.db', 'queue.db-wal'].map((name) => join(folder, name))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client?.destroy()
    await this.#stack.disposeAsync()
  }
}

function answerOf(code: number): Answer {
  if (code === 250) return 'accepted'
  return code < 500 ? 'deferred' : 'refused'
}

async function everyCallFails(
  t: ExecutionContext,
  place: Place,
  { victim, calls, error }: Case,
): Promise<void> {
  const [pid = 0] = place.postern.pids(victim)
  {
    await using fault = await inject({ pid, calls, error, when: '1+', paths: place.files(victim) })
    const said = await place.sendOne(victim === 'smtpd')
    await until(`${calls} was reached`, () => fault.failures() > 0)
    t.is(said.answer, 'deferred', said.text)
    t.regex(said.text, /^45[12] 4\.3\.[01] /)
  }
  await until(
    'mail is taken again',
    async () => (await place.sendOne(victim === 'smtpd')).answer === 'accepted',
  )
}

async function nthCallFails(
  t: ExecutionContext,
  place: Place,
  { victim, calls, error }: Case,
  n: number,
): Promise<void> {
  const [pid = 0] = place.postern.pids(victim)
  {
    await using fault = await inject({ pid, calls, error, when: String(n), paths: place.files(victim) })
    for (let i = 0; i < mailsUntil(n); i += 1) {
      const said = await place.sendOne(victim === 'smtpd')
      t.true(said.answer === 'accepted' || /^45[12] 4\.3\.[01] /.test(said.text), said.text)
    }
    await until(`the ${n}th ${calls} was reached`, () => fault.failures() > 0)
  }
  await until(
    'mail is taken again',
    async () => (await place.sendOne(victim === 'smtpd')).answer === 'accepted',
  )
}

/** What was answered 4xx may have reached the disk and be delivered; what was answered 250 must be. */
async function judge(t: ExecutionContext, { postern, sink, ledger }: Place): Promise<void> {
  await postern.runEmpty()
  const verdict = compare(ledger, sink.deliveries, { elsewhere: new Set(), faults: [] })
  const late = sink.deliveries.filter(({ ledgerId }) => ledger.answer(ledgerId) !== 'accepted').length
  t.log(
    `${ledger.count('accepted')} accepted, ${ledger.count('deferred')} deferred, ${ledger.count('unknown')} unanswered; ` +
      `${late} delivered although the answer was not 250; ${verdict.unexplained.length} delivered twice`,
  )
  t.deepEqual(
    { lost: verdict.lost, changed: verdict.changed, strangers: verdict.strangers },
    { lost: [], changed: [], strangers: [] },
  )
}
