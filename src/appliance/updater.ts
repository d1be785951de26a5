import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { bundleDamage, readBundle } from '#src/admin/update-bundle.ts'
import type { UpdateKey } from '#src/admin/update-bundle.ts'
import { compareVersions } from '#src/admin/update-manifest.ts'
import type { Manifest } from '#src/admin/update-manifest.ts'
import { schemaTrouble } from '#src/admin/update-schemas.ts'
import type { Clock } from '#src/base/clock.ts'
import { errorCode, errorText } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import type { CommandAnswer } from './commands.ts'
import { refused } from './commands.ts'
import { isKept, readEntries } from './esp.ts'
import { otherSlot } from './machine.ts'
import type { Machine, SlotDevices } from './machine.ts'
import type { Outcomes } from './outcomes.ts'
import { closeSlot, espTrouble, offerKernel, WriteFailed, writeKernel, writeSlot } from './slot-writer.ts'
import type { Source, WriterDeps } from './slot-writer.ts'
import type { UpdateState } from './state.ts'

export interface UpdaterDeps extends WriterDeps {
  readonly machine: Machine
  /** Of the slot that does not run. Throws an Error where there is none. */
  readonly devices: () => SlotDevices
  /** Throws an Error where one cannot be read. */
  readonly keys: () => readonly UpdateKey[]
  readonly outcomes: Outcomes
  readonly clock: Clock
  readonly log: Log
  /**
   * Has Postern take no more mail, finish what is under way, and note what waits (appliance/drain.ts). undefined where that is
   * done, else why not; then mail is taken again.
   */
  readonly drain: () => Promise<string | undefined>
  /** Starts the machine anew; undefined where that has begun, else why not. */
  readonly restart: () => Promise<string | undefined>
  /** Ends a choice of the operator's which release is started (`postern update --previous --stay`). */
  readonly forgetChoice: () => Promise<void>
}

/** Writes updates into the slot that does not run, one at a time (docs/update.md). */
export class Updater {
  readonly #deps: UpdaterDeps
  /** What is done now; '' where nothing is. */
  #phase = ''
  #percent = 0
  #restarting = ''

  constructor(deps: UpdaterDeps) {
    this.#deps = deps
  }

  /** What goes on, and how much of this part of it is done; undefined where nothing does. */
  get progress(): { readonly text: string; readonly percent: number } | undefined {
    return this.#phase === '' ? undefined : { text: this.#phase, percent: this.#percent }
  }

  /** Looks what has become of the last update, unless one is being written. */
  async look(): Promise<void> {
    if (this.#phase === '') await this.#deps.outcomes.settle()
  }

  /**
   * Takes the bundle of a file; answers when it is written and the machine is about to start it. `anyway`: also where it
   * cannot be noted what waits.
   */
  async update(path: string, anyway = false): Promise<CommandAnswer> {
    if (this.#restarting !== '') return refused(`the machine is about to start release ${this.#restarting}`)
    if (this.#phase !== '') return refused(`an update is under way: ${this.#phase}`)
    this.#phase = 'opening the update'
    try {
      return await this.#update(path, anyway)
    } finally {
      this.#phase = ''
    }
  }

  async #update(path: string, anyway: boolean): Promise<CommandAnswer> {
    const opened = await openFile(path)
    if (typeof opened === 'string') return this.#refuse(path, '', opened)
    await using file = opened
    const read = await readBundle(file, this.#deps.keys())
    if (read.kind === 'refused') return this.#refuse(path, '', read.reason)
    const source = { file, bundle: read.bundle }
    const { version } = read.bundle.manifest
    const trouble = (await this.#whyNot(source)) ?? (await bundleDamage(file, read.bundle, this.#tell))
    if (trouble !== undefined) return this.#refuse(path, version, trouble)
    return (await this.#write(source)) ?? (await this.#start(version, anyway))
  }

  readonly #tell = (phase: string, done: number, all: number): void => {
    this.#percent = Math.floor((Math.min(done, all) * 100) / Math.max(all, 1))
    this.#phase = phase
  }

  #refuse(file: string, version: string, reason: string): CommandAnswer {
    this.#deps.log.write('warn', 'appliance.update', {
      step: 'refused',
      file,
      ...(version === '' ? {} : { version }),
      reason,
    })
    return refused(version === '' ? reason : `release ${version} is not taken: ${reason}`)
  }

  /** All that can be said against it without reading its content. */
  async #whyNot(source: Source): Promise<string | undefined> {
    const { machine, outcomes, esp } = this.#deps
    const { manifest, digest } = source.bundle
    await outcomes.settle()
    const { state } = outcomes
    const why =
      whyNotThis(manifest, machine) ?? whyNotAgain(manifest.version, digest, state) ?? schemaTrouble(manifest)
    if (why !== undefined) return why
    // systemd-boot would otherwise come back to a slot that we have just overwritten.
    if (!isKept(readEntries(esp), machine.version))
      return `release ${machine.version} runs on trial; wait until it was found good, or start the previous one`
    return await espTrouble(this.#deps, source, machine.version)
  }

  /** Nothing of it is known to the boot loader yet. */
  async #write(source: Source): Promise<CommandAnswer | undefined> {
    const { machine, outcomes, clock, log } = this.#deps
    const { version, floor } = source.bundle.manifest
    const slot = otherSlot(machine.slot)
    log.write('info', 'appliance.update', { step: 'writing', version, slot })
    try {
      const devices = this.#deps.devices()
      await outcomes.begin({ version, digest: source.bundle.digest, floor, slot, atMs: clock.nowMs() })
      await closeSlot(this.#deps, machine.version)
      await writeSlot(this.#deps, source, devices, this.#tell)
      await this.#deps.forgetChoice()
      await writeKernel(this.#deps, source, this.#tell)
      return undefined
    } catch (error) {
      return await this.#notWritten(version, error)
    }
  }

  async #notWritten(version: string, error: unknown): Promise<CommandAnswer> {
    const { machine, outcomes, log } = this.#deps
    const reason = error instanceof WriteFailed ? error.message : writingFailed(error)
    log.write('error', 'appliance.update', { step: 'not written', version, reason })
    await outcomes.settle()
    return refused(
      `release ${version} could not be written: ${reason}. Release ${machine.version} stays as it is.`,
    )
  }

  /**
   * Only what has been drained is left: the boot check of the new release could not tell whether every message is there.
   * So the boot loader hears of it after that and not before, and a machine that is started anew meanwhile starts what runs now.
   */
  async #start(version: string, anyway: boolean): Promise<CommandAnswer> {
    const { machine, outcomes, log } = this.#deps
    this.#tell('finishing what is under way', 0, 1)
    const undrained = await this.#deps.drain()
    log.write(undrained === undefined ? 'info' : 'warn', 'appliance.update', {
      step: 'drained',
      version,
      ...(undrained === undefined ? {} : { reason: undrained }),
    })
    if (undrained !== undefined && !anyway) {
      await outcomes.settle()
      return refused(
        `release ${version} is not started: ${undrained}. Without a list of what waits it could not be told whether every message is still there. Release ${machine.version} stays, and takes mail as before.`,
      )
    }
    try {
      await offerKernel(this.#deps, version)
    } catch (error) {
      return await this.#notWritten(version, error)
    }
    log.write('info', 'appliance.update', { step: 'written', version })
    this.#restarting = version
    const trouble = await this.#deps.restart()
    if (trouble === undefined) {
      const text = `Release ${version} is written; the machine starts it now, and comes back to ${machine.version} if it does not pass its tests.`
      return { ok: true, version, text }
    }
    this.#restarting = ''
    log.write('error', 'appliance.update', { step: 'not restarted', version, reason: trouble })
    return refused(
      `release ${version} is written and will be tried at the next start, but the machine cannot be started anew: ${trouble}`,
    )
  }
}

async function openFile(path: string) {
  if (!path.startsWith('/')) return 'the file must be named from the root folder on'
  try {
    // Whatever lies there: nothing is followed, and no pipe is waited for.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
    const file = await open(path, flags)
    if ((await file.stat()).isFile()) return file
    await file.close()
    return `${path} is no file`
  } catch (error) {
    return errorCode(error) === 'ENOENT'
      ? `there is no file ${path}`
      : `${path} cannot be read: ${errorText(error)}`
  }
}

function writingFailed(error: unknown): string {
  if (errorCode(error) === 'ENOSPC') return 'the EFI partition, or that of the data, is full'
  return errorText(error)
}

function whyNotThis({ version, arch, minVersion }: Manifest, machine: Machine): string | undefined {
  if (arch !== machine.arch) return `it is for ${arch}, and this machine is ${machine.arch}`
  const order = compareVersions(version, machine.version)
  if (order === 0) return 'it runs already'
  if (order < 0)
    return `it is older than release ${machine.version}, which runs; "postern update --previous" starts the one before`
  if (compareVersions(machine.version, minVersion) < 0)
    return `it can be reached from ${minVersion} on, and ${machine.version} runs; update to a release in between first`
  return undefined
}

function whyNotAgain(version: string, digest: string, { floor, failed }: UpdateState): string | undefined {
  if (compareVersions(version, floor) < 0) return `nothing older than ${floor} is taken any more`
  const before = failed.findLast(
    (one) => one.digest === digest || (one.digest === '' && one.version === version),
  )
  return before === undefined ? undefined : `it was tried before and given up: ${before.reason}`
}
