import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { REPOSITORY, type Appliance } from '#test/support/appliance.ts'
import type { Random } from '#test/support/random.ts'

/** From when a tool said a thing of a message until the first tool began that could have changed it. */
export interface Told {
  readonly id: string
  readonly fromMs: number
  readonly untilMs: number
}

interface Ran {
  readonly args: readonly string[]
  /** null: it was killed. */
  readonly code: number | null
  readonly said: string
}

/** Ids that one tool is given at most. */
const IDS_MAX = 12
/** Every so many tools are killed in the middle of their work. */
const KILLED_SHARE = 0.1
/** A tool takes some 300 ms on a machine at rest. */
const KILLED_WITHIN_MS = 600

/**
 * Somebody at the queue tools while things break: deletes, holds, releases, requeues and flushes mails of the ledger,
 * and remembers of which the tool said that it is done, on the clock of the sink.
 */
export class Operator {
  readonly #postern: Appliance
  readonly #random: Random
  /** Queue id by ledger id, of what may still wait. */
  readonly #waiting = new Map<string, string>()
  readonly #ledgerIds = new Map<string, string>()
  readonly #deleted: Told[] = []
  readonly #maybeDeleted = new Set<string>()
  readonly #held = new Map<string, number>()
  readonly #wasHeld: Told[] = []
  /** Tools that release: how many there were, and how many run. */
  #releases = 0
  #releasing = 0
  /** What tools said, by whether they came to their end: for the log of the test. */
  readonly counts = { done: 0, failed: 0, killed: 0 }
  /** The last thing that a failed tool said. */
  lastFailure = ''

  constructor(postern: Appliance, random: Random) {
    this.#postern = postern
    this.#random = random
  }

  /** A mail that was answered 250 with this queue id. */
  knows(ledgerId: string, queueId: string): void {
    this.#waiting.set(ledgerId, queueId)
    this.#ledgerIds.set(queueId, ledgerId)
  }

  /** A mail that has left the queue: nobody would name it to a tool. */
  forget(ledgerId: string): void {
    this.#waiting.delete(ledgerId)
  }

  /** Mails of which a tool said that they are removed. */
  get deleted(): readonly Told[] {
    return this.#deleted
  }

  /** Those, and mails that a tool was told to delete which did not come to its end. */
  get maybeDeleted(): ReadonlySet<string> {
    return this.#maybeDeleted
  }

  /** Mails that lay on hold, and for how long at least. */
  get held(): readonly Told[] {
    const still = [...this.#held].map(([id, fromMs]) => ({ id, fromMs, untilMs: Infinity }))
    return [...this.#wasHeld, ...still]
  }

  /** Two tools at a time, until the signal ends it. */
  async work(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#hand(signal), this.#hand(signal)])
  }

  async #hand(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) await this.#oneTool()
  }

  /** Puts everything back on its way; says whether the tool did it. */
  async releaseAll(): Promise<boolean> {
    this.#endHolds([...this.#held.keys()])
    return (await this.#run(['postsuper', '-H', 'ALL'])).code === 0
  }

  async #oneTool(): Promise<void> {
    const chance = this.#random.fraction()
    if (chance < 0.35) await this.#delete()
    else if (chance < 0.55) await this.#hold()
    else if (chance < 0.65) await this.#release(['postsuper', '-H', 'ALL'])
    else if (chance < 0.75) await this.#release(['postsuper', '-r', 'ALL'])
    else if (chance < 0.85) await this.#note(['postqueue', '-f'])
    else if (chance < 0.95) await this.#flush()
    else await this.#note(['postqueue', '-j'])
  }

  async #flush(): Promise<void> {
    const ids = this.#some()
    await this.#note(['postern', 'queue', 'flush', ...(ids.length > 0 ? ids : ['ALL'])])
  }

  async #delete(): Promise<void> {
    const ids = this.#some()
    for (const id of ids) this.#maybeDeleted.add(this.#ledgerIds.get(id) ?? '')
    const ran = await this.#note(['postsuper', '-d', '-'], ids)
    const fromMs = performance.now()
    for (const id of told(ran, 'removed')) {
      const ledgerId = this.#ledgerIds.get(id) ?? id
      this.#deleted.push({ id: ledgerId, fromMs, untilMs: Infinity })
      this.forget(ledgerId)
    }
  }

  async #hold(): Promise<void> {
    const before = this.#releases
    const ran = await this.#note(['postsuper', '-h', '-'], this.#some())
    const atMs = performance.now()
    // Released by the other hand before this one could say that it is held.
    if (this.#releases !== before || this.#releasing > 0) return
    for (const id of told(ran, 'placed on hold')) {
      const ledgerId = this.#ledgerIds.get(id) ?? id
      if (!this.#held.has(ledgerId)) this.#held.set(ledgerId, atMs)
    }
  }

  async #release(args: readonly string[]): Promise<void> {
    // From here on each of them may be on its way again, however the tool ends.
    this.#endHolds([...this.#held.keys()])
    this.#releases += 1
    this.#releasing += 1
    await this.#note(args)
    this.#releasing -= 1
  }

  #endHolds(ledgerIds: readonly string[]): void {
    const untilMs = performance.now()
    for (const id of ledgerIds) {
      this.#wasHeld.push({ id, fromMs: this.#held.get(id) ?? untilMs, untilMs })
      this.#held.delete(id)
    }
  }

  /** Queue ids of some mails, the newest more often: they are on their way. */
  #some(): string[] {
    const ids = [...this.#waiting.values()]
    const near = ids.slice(-20)
    const count = this.#random.between(1, IDS_MAX + 1)
    const from = this.#random.fraction() < 0.5 ? near : ids
    return from.length === 0 ? [] : [...new Set(Array.from({ length: count }, () => this.#random.pick(from)))]
  }

  async #note(args: readonly string[], input: readonly string[] = []): Promise<Ran> {
    const killAfterMs =
      this.#random.fraction() < KILLED_SHARE ? this.#random.fraction() * KILLED_WITHIN_MS : undefined
    const ran = await this.#run(args, input, killAfterMs)
    if (ran.code === null) this.counts.killed += 1
    else if (ran.code === 0) this.counts.done += 1
    else {
      this.counts.failed += 1
      this.lastFailure = `${ran.args.join(' ')}: ${ran.said.trim()}`
    }
    return ran
  }

  async #run(args: readonly string[], input: readonly string[] = [], killAfterMs?: number): Promise<Ran> {
    const [name = '', ...words] = args
    const child = spawn(join(REPOSITORY, 'bin', name), words, {
      cwd: this.#postern.folder,
      stdio: ['pipe', 'ignore', 'pipe'],
    })
    // A tool that was killed has not read its ids.
    child.stdin.on('error', () => {})
    child.stdin.end(input.map((id) => `${id}\n`).join(''))
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfterMs)
    const { promise, resolve, reject } = Promise.withResolvers<number | null>()
    child.on('error', reject)
    child.on('close', resolve)
    const code = await promise
    clearTimeout(timer)
    return { args, code, said }
  }
}

/** The ids of which postsuper said this; what it said before it was killed was said. */
function told({ said }: Ran, what: string): string[] {
  return [...said.matchAll(/^postsuper: (\w+): (.*)$/gm)]
    .filter((match) => match[2] === what)
    .map((match) => match[1] ?? '')
}
