import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ProvisionOutcome, ProvisionReport } from '#src/admin/provision-report.ts'
import { ConsolePassword } from '#src/admin/console-password.ts'
import { readProvisionReport } from '#src/admin/provision-report.ts'
import type { Clock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import { problemText } from '#src/config/reader.ts'
import { writeAtomically } from './atomic-file.ts'
import type { Given } from './document.ts'
import { readGiven, settingsOf } from './document.ts'
import type { Owner } from './made-files.ts'
import { makeFiles } from './made-files.ts'
import { concernOf, render } from './render.ts'
import type { Concern } from './render.ts'
import { lookIn, SOURCES } from './sources.ts'
import type { Source } from './sources.ts'
import { Store } from './store.ts'
import type { Stored } from './store.ts'
import type { Settings } from './settings.ts'

export interface ProvisionerOptions {
  /** '/' on the machine itself. */
  readonly root: string
  readonly clock: Clock
  /** The user that Postern runs as; undefined where this process is not root, and everything is its own. */
  readonly owner: Owner | undefined
  /** Has units look at what has changed; sentences on what did not work. */
  readonly attend: (concerns: ReadonlySet<Concern>, opening: boolean) => Promise<readonly string[]>
}

/** What came of a change at the console. */
export interface Changed {
  /** Why it cannot be; '' where it is in force. */
  readonly wrong: string
  readonly changed: readonly string[]
  readonly troubles: readonly string[]
}

const HELPER_SOCKET = '/run/postern-image/helper.sock'
/** Is there while the network may be served: sockets and services of the image have it as their condition. */
const FLAG = '/run/postern-image/provisioned'
const STORE = '/var/lib/postern-appliance/provision'
const DATA = '/var/lib/postern'
const KERNEL_NAME = '/proc/sys/kernel/hostname'

/** What is kept of a box's set-up, and what is made of it. One process at a time has one: the unit at the start, then the helper. */
export class Provisioner {
  readonly #o: ProvisionerOptions
  readonly #store: Store
  readonly #password: ConsolePassword
  #outcomes: readonly ProvisionOutcome[]
  /** What the file that was taken last has changed. */
  #takenKeys: readonly string[] = []

  constructor(options: ProvisionerOptions) {
    this.#o = options
    this.#store = new Store(this.#at(STORE))
    this.#password = new ConsolePassword(this.#at(DATA), options.clock)
    this.#outcomes = this.#earlier()
  }

  get settings(): Settings {
    return settingsOf(this.#store.load().stored.document).settings
  }

  get isOpen(): boolean {
    return this.#password.isSet
  }

  get outcomes(): readonly ProvisionOutcome[] {
    return this.#outcomes
  }

  /** At the start of the machine: takes what the sources have that was not taken before, then makes everything. */
  async boot(
    sources: readonly Source[],
  ): Promise<{ readonly outcomes: readonly ProvisionOutcome[]; readonly troubles: readonly string[] }> {
    const outcomes: ProvisionOutcome[] = []
    for (const source of sources) {
      const outcome = await this.#take(source)
      if (outcome !== undefined) outcomes.push(outcome)
    }
    return { outcomes, troubles: await this.bring('start') }
  }

  /** Takes the file of one source while the machine runs; undefined where there is none. */
  async take(source: Source): Promise<ProvisionOutcome | undefined> {
    const outcome = await this.#take(source)
    if (outcome !== undefined) await this.bring('running', this.#takenKeys)
    return outcome
  }

  /** Changes single keys, as the console does; what is wrong with them as a sentence, '' where they are in force. */
  async change(text: string): Promise<Changed> {
    const { stored } = this.#store.load()
    const given: Given = { name: 'the console', text, beside: () => undefined }
    const read = await readGiven(given, stored.document)
    if (read.kind === 'wrong') {
      const wrong = read.problems.map(({ key, reason }) => `${key}: ${reason}`).join('; ')
      return { wrong, changed: [], troubles: [] }
    }
    if (read.changed.length > 0) this.#store.save({ ...stored, document: read.document })
    const troubles = await this.bring('running', read.changed)
    return { wrong: '', changed: read.changed, troubles }
  }

  /**
   * Makes everything of what is kept, has units look at it where the machine runs already, and tells how it went.
   * `keys`: which settings have changed. Sentences on what did not work.
   */
  async bring(when: 'start' | 'running', keys: readonly string[] = []): Promise<readonly string[]> {
    const loaded = this.#store.load()
    const troubles = loaded.trouble === '' ? [] : [loaded.trouble]
    const stored = this.#givePassword(loaded.stored, troubles)
    const { settings, problems } = settingsOf(stored.document)
    troubles.push(
      ...problems.map(({ key, reason }) => `What was provisioned cannot be used: ${key} ${reason}.`),
    )
    const { isOpen } = this
    const changed = makeFiles(this.#o.root, render(settings, isOpen), this.#o.owner)
    const concerns = concernsOf(changed, keys)
    if (when === 'start' || concerns.has('hostname')) this.#nameKernel(settings, troubles)
    const opening = this.#setFlag(isOpen) && isOpen
    if (when === 'running') troubles.push(...(await this.#o.attend(concerns, opening)))
    this.#tell({ isOpen, outcomes: this.#outcomes, troubles })
    return troubles
  }

  async #take(source: Source): Promise<ProvisionOutcome | undefined> {
    this.#takenKeys = []
    const outcome = await this.#outcomeOf(source)
    if (outcome !== undefined)
      this.#outcomes = [...this.#outcomes.filter((one) => one.source !== outcome.source), outcome]
    return outcome
  }

  async #outcomeOf(source: Source): Promise<ProvisionOutcome | undefined> {
    const { stored } = this.#store.load()
    const name = SOURCES[source.kind]
    const told = (
      kind: ProvisionOutcome['kind'],
      text: string,
      problems: readonly string[] = [],
    ): ProvisionOutcome => ({
      source: name,
      kind,
      text,
      problems,
      atMs: this.#o.clock.nowMs(),
    })
    const wrong = (problems: readonly string[]): ProvisionOutcome =>
      told('wrong', `Nothing was taken from ${name}.`, problems)
    if (source.kind === 'usb' && !settingsOf(stored.document).settings.system.sticks)
      return wrong([
        'This box takes no USB sticks (sticks = false in [system]); change that by one of the other ways.',
      ])
    const found = lookIn(source)
    if (found.kind === 'none') return undefined
    if (found.kind === 'unreadable') return wrong([`postern.provision:1: ${found.reason}.`])
    if (stored.taken[source.kind] === found.digest)
      return told('unchanged', `The file of ${name} is the one that was taken before: nothing is changed.`)
    const read = await readGiven(found.given, stored.document)
    if (read.kind === 'wrong') return wrong(read.problems.map((problem) => `${problemText(problem)}.`))
    const taken = { ...stored.taken, [source.kind]: found.digest }
    this.#store.save({ ...stored, document: read.document, taken })
    this.#takenKeys = read.changed
    return read.changed.length === 0
      ? told('unchanged', `What ${name} says holds already: nothing is changed.`)
      : told('applied', `Taken from ${name}: ${read.changed.join(', ')}.`)
  }

  /** The console's own file is the password that counts; a file's password is put there once. */
  #givePassword(stored: Stored, troubles: string[]): Stored {
    const hash = stored.document['console']?.['password']
    if (typeof hash !== 'string' || hash === '' || hash === stored.passwordGiven) return stored
    try {
      asUser(this.#o.owner, () => this.#password.setHash(hash))
      const given = { ...stored, passwordGiven: hash }
      this.#store.save(given)
      return given
    } catch (error) {
      troubles.push(`The password of the console was not set: ${errorText(error)}.`)
      return stored
    }
  }

  #nameKernel({ system }: Settings, troubles: string[]): void {
    try {
      writeFileSync(this.#at(KERNEL_NAME), system.hostname === '' ? 'postern' : system.hostname)
    } catch (error) {
      troubles.push(`The name of the machine was not set: ${errorText(error)}.`)
    }
  }

  /** Whether that was otherwise before. */
  #setFlag(isOpen: boolean): boolean {
    const flag = this.#at(FLAG)
    const was = exists(flag)
    if (was === isOpen) return false
    if (isOpen) writeAtomically(flag, '', { mode: 0o644 })
    else rmSync(flag)
    return true
  }

  #tell(report: ProvisionReport): void {
    // Postern's own user reads it; it has no secrets.
    writeAtomically(this.#at('/run/postern-image/provision.json'), `${JSON.stringify(report)}\n`, {
      mode: 0o644,
    })
  }

  #earlier(): readonly ProvisionOutcome[] {
    try {
      return readProvisionReport(this.#at(HELPER_SOCKET))?.outcomes ?? []
    } catch {
      // It is written anew right away.
      return []
    }
  }

  #at(path: string): string {
    return join(this.#o.root, path)
  }
}

function exists(file: string): boolean {
  try {
    readFileSync(file)
    return true
  } catch {
    return false
  }
}

/** Where only the directory's servers have changed, Postern need not be started anew for its file. */
function concernsOf(changed: readonly string[], keys: readonly string[]): ReadonlySet<Concern> {
  const isDirectory = keys.length > 0 && keys.every((key) => key.startsWith('ldap.'))
  const concerns = changed.map(concernOf).filter((one) => one !== 'nobody')
  return new Set(concerns.map((one) => (one === 'postern' && isDirectory ? 'directory' : one)))
}

/** Does something with the rights of the user alone: a folder of that user may have links in it that lead elsewhere. */
function asUser(owner: Owner | undefined, work: () => void): void {
  if (owner === undefined) {
    work()
    return
  }
  process.setegid?.(owner.gid)
  process.seteuid?.(owner.uid)
  try {
    work()
  } finally {
    process.seteuid?.(0)
    process.setegid?.(0)
  }
}
