import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { compare, Ledger, type FaultSpan } from '#test/support/ledger.ts'
import { LmtpSink, type SinkAttempt, type SinkDelivery } from '#test/support/lmtp-sink.ts'
import { sendLoad } from '#test/support/load.ts'
import { Operator, type Told } from '#test/support/operator.ts'
import type { Random } from '#test/support/random.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const RECIPIENTS = ['bob@example.test', 'postmaster@example.test']
/** One of our own, so that reports come back to the sink. */
const SENDER = 'alice@example.test'
const SESSIONS = 2
/** Mails that one session sends at most: what waits must not outgrow what one flush can try. */
const MAILS_EACH = 4000
/** Between two mails of a session, so that most of the work is retries and bounces and not new mail. */
const PAUSE_MS = 30
/** A fault comes after so many more attempts of delivery at most, and so many milliseconds more. */
const ATTEMPTS_BETWEEN_MAX = 60
const DELAY_MAX_MS = 60
/** A bound for a machine so busy that a tool takes ten seconds. */
const TOOLS_WITHIN_MS = 300_000
/** Of mail that is put off for the first times: how often. */
const PUT_OFF_TIMES = 2

/** What the sink does with a mail, by its id. */
type Fate = 'taken' | 'put off' | 'refused' | 'kept waiting'

export function fateOf(ledgerId: string): Fate {
  const n = createHash('sha256').update(ledgerId).digest()[0] ?? 0
  if (n < 60) return 'taken'
  if (n < 150) return 'put off'
  return n < 200 ? 'refused' : 'kept waiting'
}

export interface Storm {
  readonly random: Random
  readonly rounds: number
  /** Breaks something, and resolves when all serves again. */
  readonly fault: (postern: Appliance) => Promise<FaultSpan>
}

/**
 * An appliance with retries after a second or two, half of whose mail waits or goes back, a load, an operator at the
 * queue tools, and faults in between. At the end the sink takes everything, and the promises are compared.
 */
export async function storm(t: ExecutionContext, { random, rounds, fault }: Storm): Promise<void> {
  using folder = tempFolder('storm')
  using ledger = new Ledger(join(folder.path, 'ledger'))
  const scene = new Scene()
  await using sink = await LmtpSink.listen({
    keep: 'reports',
    answer: (_, ledgerId, sender) => scene.answer(ledgerId, sender),
    attempted: (attempt) => scene.attempted(attempt),
  })
  await using postern = await Appliance.start({
    folder: folder.path,
    lmtpPort: sink.port,
    workers: 1,
    limits: ['minimal_backoff_time = "1s"', 'maximal_backoff_time = "2s"'],
  })
  const operator = new Operator(postern, random)
  scene.left = (id) => operator.forget(id)

  const over = new AbortController()
  const load = sendLoad(
    {
      port: postern.smtpPort,
      ledger,
      seed: random.seed,
      sessions: SESSIONS,
      mailsEach: MAILS_EACH,
      recipients: RECIPIENTS,
      name: 'storm',
      sender: SENDER,
      pauseMs: PAUSE_MS,
      answered: (mail, answer, queueId) => {
        if (answer === 'accepted') operator.knows(mail.id, queueId)
      },
    },
    over.signal,
  )
  const tools = operator.work(over.signal)
  const faults: FaultSpan[] = []
  try {
    for (let round = 0; round < rounds; round += 1) {
      const next = scene.attempts.length + random.between(1, ATTEMPTS_BETWEEN_MAX)
      await until('deliveries were tried', () => scene.attempts.length >= next)
      // The moment is what chance is for here: nothing waits for this to be over.
      await sleep(random.fraction() * DELAY_MAX_MS)
      faults.push(await fault(postern))
    }
    // On a busy machine tools are slow: what is held against them must have happened.
    await until(
      'a tool has deleted and one has held',
      () => operator.deleted.length > 0 && operator.held.length > 0,
      TOOLS_WITHIN_MS,
    )
  } catch (error) {
    t.log(operator.counts, operator.lastFailure)
    throw error
  } finally {
    over.abort()
    await Promise.all([load, tools])
  }
  const restart = await calm(scene, postern, operator)
  const calmMs = restart.toMs
  judge(t, {
    ledger,
    deliveries: sink.deliveries,
    scene,
    operator,
    faults: [...faults, restart],
    calmMs,
  })
  const log = readFileSync(join(postern.data, 'log', 'postern.log'), 'utf8')
  t.deepEqual(log.match(/^.*qmgr\.corrupt.*$/gm), null, 'nothing is taken for damaged')
}

/** Everything is killed and started anew, released and taken. Gives the last fault. */
async function calm(scene: Scene, postern: Appliance, operator: Operator): Promise<FaultSpan> {
  const fromMs = performance.now()
  await postern.kill()
  await postern.startAgain()
  const toMs = performance.now()
  scene.over = true
  await until('all is released', () => operator.releaseAll())
  await postern.runEmpty()
  return { fromMs, toMs }
}

/** What the sink says, and what came to it. */
class Scene {
  readonly attempts: SinkAttempt[] = []
  readonly #putOff = new Map<string, number>()
  over = false
  /** Told of a mail that has left the queue, as far as the sink can know. */
  left: (ledgerId: string) => void = () => {}

  attempted(attempt: SinkAttempt): void {
    this.attempts.push(attempt)
  }

  answer(ledgerId: string, sender: string): string | undefined {
    // A report is put off once, as other mail is.
    const fate = sender === '' ? 'put off' : fateOf(ledgerId)
    const times = sender === '' ? PUT_OFF_TIMES - 1 : PUT_OFF_TIMES
    const key = `${sender} ${ledgerId}`
    if (fate === 'refused') {
      this.left(ledgerId)
      return '550 5.1.1 Nobody of that name'
    }
    const before = this.#putOff.get(key) ?? 0
    if (!this.over && (fate === 'kept waiting' || (fate === 'put off' && before < times))) {
      this.#putOff.set(key, before + 1)
      return '450 4.2.1 Later'
    }
    if (sender !== '') this.left(ledgerId)
    return undefined
  }
}

interface Evidence {
  readonly ledger: Ledger
  readonly deliveries: readonly SinkDelivery[]
  readonly scene: Scene
  readonly operator: Operator
  readonly faults: readonly FaultSpan[]
  readonly calmMs: number
}

function judge(t: ExecutionContext, evidence: Evidence): void {
  const { ledger, deliveries, operator, faults, scene } = evidence
  const mails = deliveries.filter(({ sender }) => sender !== '')
  const reports = deliveries.filter(({ sender }) => sender === '')
  const reported = new Set(reports.map(({ ledgerId }) => ledgerId))
  const elsewhere = reported.union(operator.maybeDeleted)
  const verdict = compare(ledger, mails, { elsewhere, faults })
  const late = attemptsAfter(scene.attempts, operator.deleted)
  t.log(
    `${faults.length} faults; ${ledger.count('accepted')} accepted, ${ledger.count('unknown')} unanswered; ` +
      `${scene.attempts.length} attempts, ${mails.length} delivered, ${verdict.doubles.length} of them twice around a fault, ` +
      `${reports.length} reports; tools: ${operator.counts.done} done, ${operator.counts.failed} failed, ` +
      `${operator.counts.killed} killed; ${operator.deleted.length} deleted, ${late.size} of them while they were tried; ` +
      `${operator.held.length} held` +
      (operator.lastFailure === '' ? '' : `; last failure: ${operator.lastFailure}`),
  )
  t.true(mails.length > 0 && reports.length > 0, 'mail and reports flowed')
  t.deepEqual(
    { ...verdict, doubles: [] },
    { lost: [], changed: [], refusedYetDelivered: [], strangers: [], doubles: [], unexplained: [] },
  )
  t.deepEqual(
    [...reported].filter((id) => fateOf(id) !== 'refused'),
    [],
    'nothing goes back that was not refused',
  )
  t.deepEqual(severalReports(reports, faults), [], 'a failure is reported once')
  // An attempt that ran when the tool spoke ends as it ends; a second one means that the message came back.
  t.deepEqual(
    [...late].filter(([, times]) => times > 1),
    [],
    'a deleted message stays deleted',
  )
  t.deepEqual(
    [
      ...attemptsAfter(
        scene.attempts.filter(({ beganMs }) => beganMs > evidence.calmMs),
        operator.deleted,
      ),
    ],
    [],
    'nor does a new start bring it back',
  )
  t.deepEqual(
    operator.deleted.filter(({ id }) => reported.has(id)),
    [],
    'what was deleted is not sent back',
  )
  t.deepEqual(
    [...attemptsAfter(scene.attempts, operator.held)].filter(([, times]) => times > 1),
    [],
    'what is on hold is not tried',
  )
}

/** How often each mail was tried within the time in which it should not have been. */
function attemptsAfter(attempts: readonly SinkAttempt[], told: readonly Told[]): Map<string, number> {
  const byId = new Map<string, number[]>()
  for (const { ledgerId, sender, beganMs } of attempts)
    if (sender !== '') byId.getOrInsert(ledgerId, []).push(beganMs)
  const found = new Map<string, number>()
  for (const { id, fromMs, untilMs } of told) {
    const times = (byId.get(id) ?? []).filter((atMs) => atMs > fromMs && atMs < untilMs).length
    if (times > 0) found.set(id, Math.max(times, found.get(id) ?? 0))
  }
  return found
}

/** Mails of which the sender had two reports that are not the same one, or the same one with no fault between. */
function severalReports(reports: readonly SinkDelivery[], faults: readonly FaultSpan[]): string[] {
  const seen = new Map<string, SinkDelivery[]>()
  const wrong: string[] = []
  for (const report of reports) {
    const before = seen.getOrInsert(report.ledgerId, [])
    for (const other of before) {
      const between = faults.some(({ fromMs, toMs }) => other.atMs <= toMs && report.atMs >= fromMs)
      if (!between || queueIdOf(other) !== queueIdOf(report)) wrong.push(report.ledgerId)
    }
    before.push(report)
  }
  return wrong
}

/** The queue id of a report itself stands in its topmost Message-ID. */
function queueIdOf({ message }: SinkDelivery): string {
  return /^Message-ID: (.*)$/im.exec(message.toString('latin1'))?.[1] ?? ''
}
