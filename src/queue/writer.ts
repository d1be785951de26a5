import type { Clock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import { counter, gauge, histogram } from '#src/base/metrics.ts'
import { storeErrorKind } from '#src/store/sqlite.ts'
import { NO_WHY } from './changes.ts'
import type { Action, ActionResult, ActionWhy, MessageChange } from './changes.ts'
import {
  ACTION_STEP,
  GROUP_BYTES_MAX,
  GROUP_MESSAGES_MAX,
  OUTCOME_WAIT_MS,
  SPACE_POLL_CLOSED_MS,
} from './limits.ts'
import type { Applied, Inserted, QueueDb, Removed } from './queue-db.ts'
import type { SpoolOwner, SpoolPool } from './spool-pool.ts'
import type { NewMessage, SubmitOutcome } from './types.ts'

/** A message that waits for the next commit. */
export interface Submission {
  readonly message: NewMessage
  /** The JSON it came as, handed on as it is; '' for what was made here. */
  readonly head: string
  readonly owner: SpoolOwner
  readonly answer: (outcome: SubmitOutcome) => void
}

/** A message that is on the disk and may be delivered. */
export interface Accepted {
  readonly seq: number
  readonly dueMs: number
  readonly message: NewMessage
  readonly head: string
}

/** What a commit means to the rest of qmgr. */
export interface WriterEvents {
  /** After the answers were given. */
  accepted(messages: readonly Accepted[]): void
  /** All submissions of a group have their answers: they may go out. */
  answered(): void
  /** These changes are written; `removed` where the message has left the queue. */
  settled(changes: readonly { readonly change: MessageChange; readonly removed: boolean }[]): void
  /** A step of an action: the messages that it changed. */
  acted(action: Action, seqs: readonly number[]): void
  /** A group was committed: written octets, for the checkpoints. */
  committed(bytes: number): void
  /** Nothing is certain any more: the process must end. */
  fatal(error: unknown): void
}

export interface WriterOptions {
  readonly db: QueueDb
  readonly spool: SpoolPool
  readonly clock: Clock
  readonly log: Log
  readonly events: WriterEvents
  readonly space: { readonly open: boolean; closeNow(reason: string): void }
}

export type Work = { readonly kind: 'ids'; readonly ids: readonly string[] } | { readonly kind: 'all' }

/** Octets that a group writes to the log beside its bodies: the pages of five trees, and a row's worth each. */
const GROUP_OVERHEAD_BYTES = 65_536
const MESSAGE_OVERHEAD_BYTES = 3072

const commits = counter('postern_queue_commits_total')
const commitSeconds = histogram('postern_queue_commit_seconds')
const commitMessages = histogram('postern_queue_commit_messages').of()
const removals = counter('postern_queue_removed_total').of()

/**
 * Group commit: all that was submitted in one turn of the event loop, and all outcomes that wait, become one
 * transaction with one flush; then all are answered. While it waits for the disk the next group gathers in the
 * sockets, so groups grow by themselves with the load, and a single message never waits for company.
 */
export class Writer {
  readonly #o: WriterOptions
  #submissions: Submission[] = []
  #submissionBytes = 0
  #changes: MessageChange[] = []
  #scheduled = false
  /** Set while outcomes wait for company. */
  /** A timer runs that will flush. */
  #waits = false
  #dead = false
  readonly #messages = gauge('postern_queue_messages').of()
  /** No two messages fall due in another order than they came, even if the clock is set back. */
  #lastDueMs = 0

  constructor(options: WriterOptions) {
    this.#o = options
    this.#messages.value = options.db.countMessages()
  }

  /** Outcomes that are not written yet. */
  get changesWaiting(): number {
    return this.#changes.length
  }

  submit(submission: Submission): void {
    if (this.#dead) {
      submission.answer('failed')
      return
    }
    if (!this.#o.space.open) {
      this.#refuse(submission, 'full')
      return
    }
    this.#submissions.push(submission)
    const { body } = submission.message
    this.#submissionBytes += body.kind === 'inline' ? body.bytes.length : 0
    if (this.#submissions.length >= GROUP_MESSAGES_MAX || this.#submissionBytes >= GROUP_BYTES_MAX) {
      this.flush()
    } else if (!this.#scheduled) {
      this.#scheduled = true
      setImmediate(() => this.flush())
    }
  }

  change(changes: readonly MessageChange[]): void {
    for (const change of changes) this.#changes.push(change)
    this.#flushLater(OUTCOME_WAIT_MS)
  }

  #flushLater(ms: number): void {
    if (this.#waits) return
    this.#waits = true
    // It is left to run when something else flushes first: to call off and start anew costs more than an idle turn.
    void this.#flushAfter(ms)
  }

  async #flushAfter(ms: number): Promise<void> {
    await this.#o.clock.sleep(ms)
    this.#waits = false
    if (!this.#dead && this.#changes.length > 0) this.flush()
  }

  /** Commits what waits, now. */
  flush(): void {
    this.#scheduled = false
    let submissions = this.#submissions
    const changes = this.#changes
    const bytes = this.#submissionBytes
    this.#submissions = []
    this.#submissionBytes = 0
    this.#changes = []
    // A submission that cannot be a row is taken out and the rest tried again, so this ends.
    while (!this.#dead && submissions.length + changes.length > 0) {
      try {
        this.#commit(submissions, changes, bytes)
        return
      } catch (error) {
        if (!(error instanceof Unfit)) {
          this.#failed(error, submissions, changes)
          return
        }
        const unfit = error.submission
        this.#o.log.write('error', 'qmgr.store_error', {
          id: unfit.message.id,
          reason: errorText(error.cause),
        })
        this.#refuse(unfit, 'failed')
        submissions = submissions.filter((submission) => submission !== unfit)
      }
    }
  }

  #commit(submissions: readonly Submission[], changes: readonly MessageChange[], bytes: number): void {
    const { db, spool, clock, events } = this.#o
    const dueMs = Math.max(clock.nowMs(), this.#lastDueMs)
    const durable = submissions.length > 0
    const fromMs = performance.now()
    const { accepted, applied } = db.transact(durable, () => ({
      accepted: submissions.map((submission) => this.#insert(submission, dueMs)),
      applied: changes.map((change) => db.apply(change, dueMs)),
    }))
    countCommit(performance.now() - fromMs, submissions.length)
    this.#lastDueMs = dueMs
    for (const submission of submissions) submission.answer('queued')
    events.answered()
    const fresh: Accepted[] = []
    for (const [i, one] of accepted.entries()) {
      const submission = submissions[i]
      if (one !== undefined) fresh.push(one)
      // Sent a second time: the row names the file that came first.
      else if (submission?.message.body.kind === 'spool') this.#reclaim(submission.message.body)
    }
    let left = 0
    for (const { removed } of applied) {
      if (removed === undefined) continue
      left += 1
      this.#rest(removed)
    }
    removals.add(left)
    if (durable) spool.flushed()
    events.committed(bytes + GROUP_OVERHEAD_BYTES + submissions.length * MESSAGE_OVERHEAD_BYTES)
    const reports = reportsOf(changes, applied, dueMs)
    this.#messages.value += fresh.length + reports.length - left
    // What is on hold waits for a person, not for its turn.
    const due = fresh.every(({ message }) => message.hold === undefined)
      ? fresh
      : fresh.filter(({ message }) => message.hold === undefined)
    if (due.length + reports.length > 0) events.accepted(reports.length === 0 ? due : [...due, ...reports])
    if (changes.length > 0) {
      events.settled(changes.map((change, i) => ({ change, removed: applied[i]?.removed !== undefined })))
    }
  }

  /** undefined: it was there already. Throws Unfit where it can be no row, and the store's own errors. */
  #insert(submission: Submission, dueMs: number): Accepted | undefined {
    const { message, head } = submission
    let inserted: Inserted
    try {
      inserted = this.#o.db.insert(message, dueMs)
    } catch (error) {
      throw storeErrorKind(error) === 'other' ? new Unfit(submission, error) : error
    }
    if (inserted.kind === 'clash') throw new Unfit(submission, new Error('another message has this id'))
    return inserted.kind === 'known' ? undefined : { seq: inserted.seq, dueMs, message, head }
  }

  /** The commit did not happen, or nobody can say. */
  #failed(error: unknown, submissions: readonly Submission[], changes: readonly MessageChange[]): void {
    const { log, space, events } = this.#o
    const kind = storeErrorKind(error)
    log.write('error', 'qmgr.store_error', { kind, messages: submissions.length, reason: errorText(error) })
    if (kind === 'full') {
      // Undone for certain. Outcomes are kept and written as soon as there is room; they need little.
      for (const submission of submissions) this.#refuse(submission, 'full')
      events.answered()
      this.#changes.unshift(...changes)
      space.closeNow(errorText(error))
      this.#flushLater(SPACE_POLL_CLOSED_MS)
      return
    }
    // What was written may or may not be found on the disk: who submitted is told 451 and may send it again.
    this.#dead = true
    for (const submission of submissions) submission.answer('failed')
    events.answered()
    events.fatal(error)
  }

  #refuse(submission: Submission, outcome: SubmitOutcome): void {
    const { body } = submission.message
    if (body.kind === 'spool') this.#reclaim(body)
    submission.answer(outcome)
  }

  #reclaim(body: { readonly file: string; readonly length: number }): void {
    this.#o.spool.reclaim(body.file, body.length)
  }

  #rest(removed: Removed): void {
    if (removed.spool !== null) this.#o.spool.rest(removed.spool, removed.bodyBytes)
  }

  /**
   * A tool's action, in steps of bounded size between which submissions are committed. The result is on the disk
   * when it resolves, but for a flush, which only a power cut undoes. Rejects with the store's error; what was done by earlier steps stays done.
   */
  async act(action: Action, work: Work, why = NO_WHY): Promise<ActionResult> {
    // Outcomes that came before must not be overtaken: what was set aside and is put back would be set aside again.
    this.flush()
    const missing: string[] = []
    let count = 0
    if (work.kind === 'ids') {
      for (let i = 0; i < work.ids.length; i += ACTION_STEP) {
        const seqs: number[] = []
        for (const id of work.ids.slice(i, i + ACTION_STEP)) {
          const seq = this.#o.db.seqOf(id)
          if (seq === undefined) missing.push(id)
          else seqs.push(seq)
        }
        count += this.#step(action, seqs, why, action === 'flush')
        await turn()
      }
      return { count, missing }
    }
    // What arrives after this point is not meant.
    const last = this.#o.db.lastSeq
    for (let after = 0; ;) {
      const seqs = this.#o.db.seqsAfter(after, ACTION_STEP).filter((seq) => seq <= last)
      const end = seqs.at(-1)
      if (end === undefined) return { count, missing }
      // Of everything nothing goes before the rest.
      count += this.#step(action, seqs, why, false)
      after = end
      await turn()
    }
  }

  #step(action: Action, seqs: readonly number[], why: ActionWhy, hurried: boolean): number {
    const { db, spool, clock, events } = this.#o
    // Nothing done is no answer here: the tool would tell its user that the messages are gone.
    if (this.#dead) throw new Error('the queue cannot be written any more')
    if (seqs.length === 0) return 0
    const nowMs = clock.nowMs()
    const touched: number[] = []
    const removed: Removed[] = []
    const facts = whyFacts(why)
    // A flush that a power cut undoes is a flush that can be asked for again: it waits for no disk.
    const durable = action !== 'flush'
    db.transact(durable, () => {
      for (const seq of seqs) {
        if (hurried) {
          if (db.hurry(seq, nowMs)) touched.push(seq)
          continue
        }
        const done = db.act(action, seq, nowMs, facts)
        if (done === undefined) continue
        touched.push(seq)
        if (done.removed !== undefined) removed.push(done.removed)
      }
    })
    removals.add(removed.length)
    this.#messages.value -= removed.length
    if (durable) spool.flushed()
    // It may be on its way to a peer right now: unlinked, it can still be read to its end.
    for (const { spool: file } of removed) if (file !== null) spool.discard(file)
    events.committed(GROUP_OVERHEAD_BYTES + touched.length * MESSAGE_OVERHEAD_BYTES)
    if (touched.length > 0) events.acted(action, touched)
    return touched.length
  }

  /** Stops the timer; what waits must have been flushed before. */
  close(): void {
    this.#dead = true
  }
}

/** A commit without a new message is not flushed. */
function countCommit(ms: number, messages: number): void {
  const kind = messages > 0 ? 'flushed' : 'unflushed'
  commits.of(kind).add()
  commitSeconds.of(kind).observeMs(ms)
  if (messages > 0) commitMessages.observe(messages)
}

/** A submission that SQLite will not have as a row, whatever the others are. */
class Unfit extends Error {
  readonly submission: Submission
  constructor(submission: Submission, cause: unknown) {
    super('unfit', { cause })
    this.submission = submission
  }
}

function reportsOf(
  changes: readonly MessageChange[],
  applied: readonly Applied[],
  dueMs: number,
): Accepted[] {
  return changes.flatMap((change, i) =>
    change.reports.flatMap(({ message }, k) => {
      const seq = applied[i]?.reportSeqs[k]
      return seq === undefined ? [] : [{ seq, dueMs, message, head: '' }]
    }),
  )
}

/** What the trace keeps of it: only what was said. */
function whyFacts({ by, note }: ActionWhy): string {
  return JSON.stringify({ by: by === '' ? undefined : by, note: note === '' ? undefined : note })
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
