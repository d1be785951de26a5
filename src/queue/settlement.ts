import type { Clock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import { counter } from '#src/base/metrics.ts'
import type { Active, Settled } from './active.ts'
import type { DeferredRecipient, DoneRecipient, MessageChange } from './changes.ts'
import { OUTCOME_WAIT_MS } from './limits.ts'
import { wantsArrival } from './notify.ts'
import { deferredRecipient, doneRecipient, sortOutcomes } from './outcomes.ts'
import type {
  BodySource,
  RecipientOutcome,
  Report,
  ReportComposer,
  ReportOrder,
  ReportSubject,
} from './ports.ts'
import { expiresAtMs, retryDelayMs } from './schedule.ts'
import type { LeapGuard, RetryTimes } from './schedule.ts'
import type { StoredRecipient } from './rows.ts'
import { troubleOf } from './trouble.ts'
import type { MailTrouble } from './trouble.ts'

const corrupt = counter('postern_queue_corrupt_total').of()
const reportsWritten = counter('postern_queue_reports_total')
const bounced = counter('postern_queue_bounced_total').of()

export interface SettlementOptions {
  readonly composeReports: ReportComposer
  readonly times: () => RetryTimes
  readonly clock: Clock
  readonly log: Log
  readonly leaps: LeapGuard
  readonly write: (change: Omit<MessageChange, 'atMs'>) => void
  readonly body: (entry: Active) => BodySource
  /** See SchedulerOptions. */
  readonly onTrouble: (trouble: MailTrouble) => void
  /** Work on a message begins, ends: while there is some, the message stays in memory. */
  readonly begin: (entry: Active) => void
  readonly end: (entry: Active) => void
}

/**
 * What an attempt has made of a message: who is done, who is tried again, who is told what. Those who have their
 * mail are written at once; failures and delays are told once for a round, in one report.
 */
export class Settlement {
  readonly #o: SettlementOptions

  constructor(options: SettlementOptions) {
    this.#o = options
  }

  /** An attempt that had begun is over. */
  ended(entry: Active, recipients: readonly StoredRecipient[], outcomes: readonly RecipientOutcome[]): void {
    const nowMs = this.#o.clock.nowMs()
    const { message } = entry
    this.#noteTrouble(entry, outcomes)
    const sorted = sortOutcomes(recipients, outcomes, nowMs, this.#delayMs(entry, nowMs))
    // Of a body that cannot be trusted nothing was delivered and nothing is sent back.
    const deferred = entry.damage === '' ? this.#untilExpiry(entry, sorted.deferred, nowMs) : []
    if (entry.damage === '') {
      entry.failures.push(...sorted.failures)
      for (const each of sorted.delays)
        if (this.#isLate(entry, each.recipient, nowMs)) entry.delays.push(each)
    }
    for (const { dueMs } of deferred) entry.nextDueMs = Math.min(entry.nextDueMs, dueMs)
    const told =
      message.sender === ''
        ? []
        : sorted.arrivals.filter(({ recipient, outcome }) => wantsArrival(recipient.notify, outcome.arrival))
    if (told.length === 0) this.#close(entry, sorted.done, deferred)
    else void this.#closeTold(entry, sorted.done, deferred, told)
  }

  #noteTrouble({ message, recipients }: Active, outcomes: readonly RecipientOutcome[]): void {
    // What keeps a notice back is told by no other.
    if (message.notice === true) return
    for (const outcome of outcomes) {
      const which = troubleOf(outcome)
      if (which === undefined) continue
      const recipient = recipients.get(outcome.n)?.address ?? ''
      this.#o.onTrouble({ which, id: message.id, sender: message.sender, recipient, reason: outcome.reply })
    }
  }

  /** A round may be over without an attempt: what waited was taken away. */
  perhapsOver(entry: Active, done: readonly DoneRecipient[], deferred: readonly DeferredRecipient[]): void {
    if (entry.idle) void this.#finish(entry, done, deferred)
    else if (done.length + deferred.length > 0) this.#o.write(changeOf(entry, done, deferred, []))
  }

  /** Until the next attempt; undefined where there is none. */
  #delayMs({ message, overdue }: Active, nowMs: number): number | undefined {
    if (overdue) return undefined
    const { clock, leaps } = this.#o
    const times = this.#o.times()
    const ageMs = Math.max(0, nowMs - message.arrivedMs)
    const delayMs = retryDelayMs(ageMs, message.sender === '', times)
    if (delayMs !== undefined) return delayMs
    return leaps.mayExpire(nowMs, clock.monotonicMs()) ? undefined : times.maximalBackoffMs
  }

  /** The last attempt is made when the time is up, however slow the schedule is (a mailbox that is full). */
  #untilExpiry(
    { message }: Active,
    deferred: readonly DeferredRecipient[],
    nowMs: number,
  ): DeferredRecipient[] {
    const lastMs = expiresAtMs(message, this.#o.times())
    return deferred.map((each) => (each.dueMs > lastMs && lastMs > nowMs ? { ...each, dueMs: lastMs } : each))
  }

  /** delay_warning_time: told once, whatever comes after it. */
  #isLate({ message }: Active, { delayToldMs }: StoredRecipient, nowMs: number): boolean {
    const { delayWarningMs = 0 } = this.#o.times()
    return delayWarningMs > 0 && delayToldMs === 0 && nowMs - message.arrivedMs >= delayWarningMs
  }

  #close(entry: Active, done: readonly DoneRecipient[], deferred: readonly DeferredRecipient[]): void {
    this.#o.end(entry)
    this.perhapsOver(entry, done, deferred)
  }

  /**
   * Success reports go with the change that removes their recipients: kept back until the round is over, a crash
   * meanwhile would deliver the mail a second time. What comes while others of the message are on their way is held no
   * longer than it would wait for its commit anyway, and told of in one report.
   */
  async #closeTold(
    entry: Active,
    done: readonly DoneRecipient[],
    deferred: readonly DeferredRecipient[],
    told: readonly Settled[],
  ): Promise<void> {
    const { arriving } = entry
    if (arriving !== undefined) {
      arriving.done.push(...done)
      arriving.deferred.push(...deferred)
      arriving.told.push(...told)
      this.#o.end(entry)
      return
    }
    const all = { done: [...done], deferred: [...deferred], told: [...told] }
    entry.arriving = all
    if (entry.running > 1 || entry.waiting > 0) await this.#o.clock.sleep(OUTCOME_WAIT_MS)
    entry.arriving = undefined
    let reports: readonly Report[] = []
    try {
      reports = await this.#compose(entry, 'arrived', all.told)
    } catch (error) {
      // They have their mail: nothing can be tried again.
      this.#logError(entry, error)
    }
    this.#o.write(changeOf(entry, all.done, all.deferred, reports))
    this.#close(entry, [], [])
  }

  /** The last attempt of this round is over: tells what failed and what is late, and lets the message go. */
  async #finish(
    entry: Active,
    done: readonly DoneRecipient[],
    deferred: readonly DeferredRecipient[],
  ): Promise<void> {
    const { message, failures, delays } = entry
    const reports: Report[] = []
    let failed: readonly DoneRecipient[] = []
    let retried: readonly DeferredRecipient[] = []
    if (failures.length + delays.length > 0) {
      this.#o.begin(entry)
      try {
        if (delays.length > 0) reports.push(...(await this.#compose(entry, 'delayed', delays)))
        if (failures.length > 0) reports.push(...(await this.#compose(entry, 'failed', failures)))
        failed = failures.map((each) =>
          doneRecipient(each.recipient, each.outcome, each.expired ? 'expired' : 'bounced'),
        )
        this.#logFailures(entry, reports)
      } catch (error) {
        // The sender must be told some day: tried again later, unless the message itself is damaged.
        reports.length = 0
        const dueMs = this.#o.clock.nowMs() + this.#o.times().minimalBackoffMs
        if (entry.damage === '')
          retried = failures.map((each) => deferredRecipient(each.recipient, each.outcome, dueMs))
        entry.nextDueMs = Math.min(entry.nextDueMs, dueMs)
        this.#logError(entry, error)
      }
      this.#o.end(entry)
    }
    if (entry.damage !== '') {
      corrupt.add()
      const { id, seq, sender } = message
      this.#o.log.write('error', 'qmgr.corrupt', { id, seq, reason: entry.damage })
      this.#o.onTrouble({ which: 'software', id, sender, recipient: '', reason: entry.damage })
    }
    entry.over = true
    this.#o.write({
      ...changeOf(entry, [...done, ...failed], [...deferred, ...retried], reports),
      corrupt: entry.damage,
      leaves: true,
    })
  }

  async #compose(
    entry: Active,
    kind: ReportOrder['kind'],
    about: readonly ReportSubject[],
  ): Promise<readonly Report[]> {
    const { message } = entry
    const reports = await this.#o.composeReports({
      kind,
      message,
      about,
      body: this.#o.body(entry),
      attempted: !entry.overdue,
      retryUntilMs: expiresAtMs(message, this.#o.times()),
    })
    reportsWritten.of(kind).add(reports.length)
    for (const { audience, message: report } of reports) {
      // The bounce has a line of its own, which also says where there is none.
      if (kind === 'failed' && audience === 'sender') continue
      this.#o.log.write('info', 'qmgr.report', { id: message.id, kind, audience, report: report.id })
    }
    return reports
  }

  #logFailures({ message, failures }: Active, reports: readonly Report[]): void {
    if (failures.length === 0) return
    const { id, sender } = message
    if (failures.some((each) => each.expired)) {
      const status = 'expired, returned to sender'
      this.#o.log.write('info', 'qmgr.expired', { id, from: sender, status })
    }
    const failed = reports.filter(({ kind }) => kind === 'failed')
    const bounce = failed.find(({ audience }) => audience === 'sender')?.message.id ?? 'none'
    bounced.add()
    this.#o.log.write('info', 'qmgr.bounced', { id, nrcpt: failures.length, bounce })
    if (sender === '' && failed.length === 0) {
      const what = message.notice === true ? 'postmaster notification' : 'bounce message'
      this.#o.log.write('warn', 'qmgr.discarded', { id, reason: `undeliverable ${what} discarded` })
    }
  }

  #logError({ message: { id, sender } }: Active, error: unknown): void {
    const reason = errorText(error)
    this.#o.log.write('error', 'qmgr.bounced', { id, reason })
    this.#o.onTrouble({ which: 'software', id, sender, recipient: '', reason: `no report: ${reason}` })
  }
}

function changeOf(
  entry: Active,
  done: readonly DoneRecipient[],
  deferred: readonly DeferredRecipient[],
  reports: readonly Report[],
): Omit<MessageChange, 'atMs'> {
  const { seq, id } = entry.message
  return { seq, id, done, deferred, corrupt: '', reports, leaves: false }
}
