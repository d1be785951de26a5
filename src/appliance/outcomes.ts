import { join } from 'node:path'
import type { Clock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import { entryFolder, isKept, keptName, readEntries, triesLeft, unfinishedName } from './esp.ts'
import type { BootEntry } from './esp.ts'
import { otherSlot } from './machine.ts'
import type { Machine } from './machine.ts'
import { readUpdateState, withFailed, withKept, writeUpdateState } from './state.ts'
import type { FailedUpdate, Pending, UpdateState } from './state.ts'
import { replaceFile } from './storage.ts'
import type { Storage } from './storage.ts'

export interface OutcomesDeps {
  readonly machine: Machine
  readonly esp: string
  readonly storage: Storage
  /** What is remembered over restarts. */
  readonly stateFile: string
  /** Read by master, which makes an alarm of it (main/alarm-rules.ts); there while an update was given up. */
  readonly troubleFile: string
  /** What the boot check of a release has left about its failure; '' for nothing. */
  readonly reasonOf: (version: string) => string
  readonly clock: Clock
  readonly log: Log
}

/** Master reads it as user postern, and the helper's group is postern. */
const FOR_THE_GROUP = 0o640

/** Says what has become of updates, by what the boot loader has left on the EFI partition. */
export class Outcomes {
  readonly #deps: OutcomesDeps
  #state: UpdateState
  /** What the alarm's file says; 'unknown' before the first look. */
  #told: FailedUpdate | undefined | 'unknown' = 'unknown'
  #settling: Promise<void> | undefined

  constructor(deps: OutcomesDeps) {
    this.#deps = deps
    this.#state = readUpdateState(deps.stateFile)
  }

  get state(): UpdateState {
    return this.#state
  }

  /** Whether a release runs of which it is not yet known if it is good. */
  get isOpen(): boolean {
    return this.#state.pending !== undefined
  }

  /** An update is about to be written: from now on the other slot holds nothing. */
  async begin(pending: Pending): Promise<void> {
    const { [pending.slot]: _gone, ...written } = this.#state.written
    await this.#save({ ...this.#state, pending, written })
  }

  /** Looks what has become of the last update. To be called at the start, before an update, and while one is open. */
  settle(): Promise<void> {
    this.#settling ??= this.#settle().finally(() => {
      this.#settling = undefined
    })
    return this.#settling
  }

  async #settle(): Promise<void> {
    const { machine, esp } = this.#deps
    const entries = readEntries(esp)
    for (const entry of entries)
      if (entry.state === 'spent' && entry.version !== machine.version) await this.#giveUp(entry)
    const { pending } = this.#state
    if (pending?.version === machine.version) {
      if (isKept(entries, machine.version)) await this.#keep(pending)
    } else if (pending !== undefined && !entries.some(({ version }) => version === pending.version)) {
      await this.#unfinished(pending)
    }
    await this.#tellTrouble()
  }

  /** Whether the boot loader still counts the starts of the release that runs. */
  get isTrial(): boolean {
    const { machine, esp } = this.#deps
    return !isKept(readEntries(esp), machine.version)
  }

  /** The release that runs has passed its boot check: the boot loader counts its starts no longer. */
  async keep(): Promise<void> {
    const { machine, esp, storage } = this.#deps
    const entry = readEntries(esp).find(({ version }) => version === machine.version)
    if (entry === undefined || entry.state === 'kept') return
    await storage.rename(
      join(entryFolder(esp), entry.file),
      join(entryFolder(esp), keptName(machine.version)),
    )
    await this.settle()
  }

  /** Tried as often as may be, and the machine has come back to us. It is remembered before its entry goes. */
  async #giveUp(entry: BootEntry): Promise<void> {
    const { storage, esp } = this.#deps
    const { version } = entry
    const { pending, failed } = this.#state
    // Remembered already, and the power went before its entry did.
    const isKnown = pending?.version !== version && failed.some((one) => one.version === version)
    if (!isKnown) await this.#remember(version)
    await storage.remove(join(entryFolder(esp), entry.file))
  }

  async #remember(version: string): Promise<void> {
    const { clock, log, reasonOf } = this.#deps
    const { pending } = this.#state
    const said = reasonOf(version)
    const reason = said === '' ? 'it did not come up: it was started three times, and said nothing' : said
    const digest = pending?.version === version ? pending.digest : ''
    await this.#save(withFailed(this.#state, { version, digest, reason, atMs: clock.nowMs() }))
    log.write('error', 'appliance.update', { step: 'given up', version, reason })
  }

  async #keep(pending: Pending): Promise<void> {
    await this.#save(withKept(this.#state, pending))
    this.#deps.log.write('info', 'appliance.update', { step: 'kept', version: pending.version })
  }

  /** The power went while it was written, or it could not be. Nothing was ever started of it. */
  async #unfinished(pending: Pending): Promise<void> {
    await this.#deps.storage.remove(unfinishedName(this.#deps.esp))
    await this.#save({ ...this.#state, pending: undefined })
    this.#deps.log.write('warn', 'appliance.update', { step: 'not finished', version: pending.version })
  }

  /** The alarm's file goes with a restart of the machine, and the alarm is still on. */
  async #tellTrouble(): Promise<void> {
    const { storage, troubleFile, log } = this.#deps
    const { trouble } = this.#state
    if (trouble === this.#told) return
    this.#told = trouble
    try {
      if (trouble === undefined) await storage.remove(troubleFile)
      else await replaceFile(storage, troubleFile, `${JSON.stringify(trouble)}\n`, FOR_THE_GROUP)
    } catch (error) {
      log.write('error', 'appliance.update', { step: 'alarm', reason: errorText(error) })
    }
  }

  async #save(state: UpdateState): Promise<void> {
    await writeUpdateState(this.#deps.storage, this.#deps.stateFile, state)
    this.#state = state
  }

  /** The same for programs: what runs, whether it is on trial, and what was given up last (admin/image-commands.ts). */
  get facts(): Readonly<Record<string, unknown>> {
    const { machine, esp } = this.#deps
    const running = readEntries(esp).find(({ version }) => version === machine.version)
    const left = running === undefined ? undefined : triesLeft(running)
    const last = this.#state.failed.at(-1)
    return {
      slot: machine.slot,
      version: machine.version,
      ...(left === undefined ? {} : { triesLeft: left }),
      ...(last === undefined
        ? {}
        : { fallback: { version: last.version, reason: last.reason, atMs: last.atMs } }),
    }
  }

  /** Both slots and what was given up, for a page. */
  get lines(): readonly string[] {
    const { machine, esp } = this.#deps
    const entries = readEntries(esp)
    const { failed, floor } = this.#state
    const runs = isKept(entries, machine.version) ? 'runs' : 'runs on trial'
    const other = entries.find(({ version }) => version !== machine.version)
    const lines = [
      `Slot ${machine.slot.toUpperCase()}: release ${machine.version}, ${runs}`,
      `Slot ${otherSlot(machine.slot).toUpperCase()}: ${other === undefined ? 'nothing that could be started' : `release ${other.version}, ${STATES[other.state]}`}`,
    ]
    if (floor !== '0.0') lines.push(`Nothing older than ${floor} is taken any more.`)
    for (const { version, atMs, reason } of failed.slice(-SHOWN_FAILED).toReversed())
      lines.push(`Release ${version} was given up on ${day(atMs)}: ${reason}`)
    return lines
  }

  /** The release in the other slot, if it was found good once. */
  get previous(): BootEntry | undefined {
    const { machine, esp } = this.#deps
    return readEntries(esp).find(({ version, state }) => version !== machine.version && state === 'kept')
  }
}

/** Of those that were given up, on a page. */
const SHOWN_FAILED = 5

const STATES: Readonly<Record<BootEntry['state'], string>> = {
  kept: 'was found good; can be started',
  trial: 'is tried at the next start',
  spent: 'was tried and given up',
}

function day(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
