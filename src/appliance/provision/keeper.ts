import { join } from 'node:path'
import type { ProvisionOutcome } from '#src/admin/provision-report.ts'
import { ConsolePassword } from '#src/admin/console-password.ts'
import type { Clock } from '#src/base/clock.ts'
import { problemText } from '#src/config/reader.ts'
import type { Given } from './document.ts'
import { readGiven, settingsOf } from './document.ts'
import { outcomesIn, tellOutcome } from './report.ts'
import { lookIn, SOURCES } from './sources.ts'
import type { Source } from './sources.ts'
import { DATA, Store, STORE } from './store.ts'
import type { Settings } from './settings.ts'

export interface KeeperOptions {
  /** '/' on the machine itself. */
  readonly root: string
  readonly clock: Clock
  /** Makes everything of what is kept now (maker.ts); sentences on what did not work. */
  readonly make: () => Promise<readonly string[]>
}

/** What came of a change at the console. */
export interface Changed {
  /** Why it cannot be; '' where it is in force. */
  readonly wrong: string
  readonly changed: readonly string[]
  readonly troubles: readonly string[]
}

/** Keeps what a box is told by files and at the console. One process at a time has one: the unit at the start, then the helper. */
export class Keeper {
  readonly #o: KeeperOptions
  readonly #store: Store
  readonly #password: ConsolePassword

  constructor(options: KeeperOptions) {
    this.#o = options
    this.#store = new Store(join(options.root, STORE))
    this.#password = new ConsolePassword(join(options.root, DATA), options.clock)
  }

  get settings(): Settings {
    return settingsOf(this.#store.load().stored.document).settings
  }

  /** Whether the console has a password, so that the network may be served. */
  get isOpen(): boolean {
    return this.#password.isSet
  }

  get outcomes(): readonly ProvisionOutcome[] {
    return outcomesIn(this.#o.root)
  }

  /** Makes everything of what is kept; sentences on what did not work. */
  async make(): Promise<readonly string[]> {
    return await this.#o.make()
  }

  /** Takes the file of one source, and makes everything of it; undefined where there is none. */
  async take(source: Source): Promise<ProvisionOutcome | undefined> {
    const outcome = await this.keep(source)
    if (outcome?.kind === 'applied') await this.make()
    return outcome
  }

  /** The same, without making anything of it yet. */
  async keep(source: Source): Promise<ProvisionOutcome | undefined> {
    const outcome = await this.#outcomeOf(source)
    if (outcome !== undefined) tellOutcome(this.#o.root, outcome)
    return outcome
  }

  /** Changes single keys, as the console does. */
  async change(text: string): Promise<Changed> {
    const { stored } = this.#store.load()
    const given: Given = { name: 'the console', text, beside: () => undefined }
    const read = await readGiven(given, stored.document)
    if (read.kind === 'wrong') {
      const wrong = read.problems.map(({ key, reason }) => `${key}: ${reason}`).join('; ')
      return { wrong, changed: [], troubles: [] }
    }
    if (read.changed.length === 0) return { wrong: '', changed: [], troubles: [] }
    this.#store.save({ ...stored, document: read.document })
    return { wrong: '', changed: read.changed, troubles: await this.make() }
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
    return read.changed.length === 0
      ? told('unchanged', `What ${name} says holds already: nothing is changed.`)
      : told('applied', `Taken from ${name}: ${read.changed.join(', ')}.`)
  }
}
