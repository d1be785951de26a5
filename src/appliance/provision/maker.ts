import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConsolePassword } from '#src/admin/console-password.ts'
import type { Clock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import { writeAtomically } from './atomic-file.ts'
import { settingsOf } from './document.ts'
import type { MadeChange, Owner } from './made-files.ts'
import { makeFiles } from './made-files.ts'
import { concernOf, render } from './render.ts'
import type { Concern } from './render.ts'
import { tellState } from './report.ts'
import { DATA, Store, STORE } from './store.ts'
import type { Stored } from './store.ts'
import type { Settings } from './settings.ts'

export interface MakerOptions {
  /** '/' on the machine itself. */
  readonly root: string
  readonly clock: Clock
  /** The user that Postern runs as; undefined where this process is not root, and everything is its own. */
  readonly owner: Owner | undefined
  /** Has units look at what has changed; sentences on what did not work. */
  readonly attend: (concerns: ReadonlySet<Concern>, opening: boolean) => Promise<readonly string[]>
}

/** Is there while the network may be served: sockets and services of the image have it as their condition. */
const FLAG = '/run/postern-image/provisioned'
const KERNEL_NAME = '/proc/sys/kernel/hostname'

/** Makes the settings of all services of what is kept (keeper.ts). */
export class Maker {
  readonly #o: MakerOptions
  readonly #store: Store
  readonly #password: ConsolePassword

  constructor(options: MakerOptions) {
    this.#o = options
    this.#store = new Store(this.#at(STORE))
    this.#password = new ConsolePassword(this.#at(DATA), options.clock)
  }

  /**
   * Makes everything, has units look at it where the machine runs already, and tells how it went. Sentences on what did
   * not work.
   */
  async make(when: 'start' | 'running'): Promise<readonly string[]> {
    const loaded = this.#store.load()
    const troubles = loaded.trouble === '' ? [] : [loaded.trouble]
    const stored = this.#givePassword(loaded.stored, troubles)
    const { settings, problems } = settingsOf(stored.document)
    troubles.push(
      ...problems.map(({ key, reason }) => `What was provisioned cannot be used: ${key} ${reason}.`),
    )
    const isOpen = this.#password.isSet
    const changes = makeFiles(this.#o.root, render(settings, isOpen), this.#o.owner)
    const concerns = new Set(changes.map(concernIn).filter((one) => one !== 'nobody'))
    if (when === 'start' || concerns.has('hostname')) this.#nameKernel(settings, troubles)
    const opening = this.#setFlag(isOpen) && isOpen
    if (when === 'running') troubles.push(...(await this.#o.attend(concerns, opening)))
    tellState(this.#o.root, { isOpen, troubles, updateUrl: settings.update.url })
    return troubles
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
    const was = existsSync(flag)
    if (was === isOpen) return false
    if (isOpen) writeAtomically(flag, '', { mode: 0o644 })
    else rmSync(flag)
    return true
  }

  #at(path: string): string {
    return join(this.#o.root, path)
  }
}

/** Where only the directory's servers have changed, Postern need not be started anew for its file. */
function concernIn({ path, before, after }: MadeChange): Concern {
  const concern = concernOf(path)
  if (concern !== 'postern' || before === undefined || after === undefined) return concern
  return withoutDirectory(before) === withoutDirectory(after) ? 'directory' : concern
}

/** postern.toml as we make it, where a blank line stands between sections and nowhere else. */
function withoutDirectory(toml: string): string {
  return toml
    .trimEnd()
    .split('\n\n')
    .filter((section) => !section.startsWith('[directory]'))
    .join('\n\n')
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
