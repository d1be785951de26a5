import { chmodSync, rmSync } from 'node:fs'
import { migrate } from './migrate.ts'
import { openStore, storeErrorKind } from './sqlite.ts'
import type { Store } from './sqlite.ts'

export interface KeptStoreOptions {
  readonly path: string
  readonly migrations: readonly string[]
  /** What went wrong: each time that it does. */
  readonly tell: (error: unknown) => void
  /** Mode of the file; SQLite gives its other files the same. That of the umask if not given. */
  readonly mode?: number
}

const CACHE_BYTES = 1024 * 1024

/**
 * A file of what is only a help after a restart: nothing of it ever throws, a file that is damaged is made anew, and where there
 * can be none memory serves until the next start. It survives the end of the process by kill -9; a power cut may take the last
 * seconds.
 */
export class KeptStore implements Disposable {
  readonly #o: KeptStoreOptions
  #store: Store | undefined

  constructor(options: KeptStoreOptions) {
    this.#o = options
    try {
      this.#store = open(options)
    } catch (error) {
      this.#store = this.#again(error)
    }
  }

  #again(cause: unknown): Store | undefined {
    const { path, tell } = this.#o
    tell(cause)
    if (storeErrorKind(cause) !== 'damaged') return undefined
    try {
      for (const end of ['', '-wal', '-shm']) rmSync(`${path}${end}`, { force: true })
      return open(this.#o)
    } catch (error) {
      tell(error)
      return undefined
    }
  }

  get isOpen(): boolean {
    return this.#store !== undefined
  }

  /** What `work` gives; `instead` where there is no file, or the work has failed, which is told. */
  try<T>(instead: T, work: (store: Store) => T): T {
    if (this.#store === undefined) return instead
    try {
      return work(this.#store)
    } catch (error) {
      this.#o.tell(error)
      return instead
    }
  }

  [Symbol.dispose](): void {
    this.#store?.close()
    this.#store = undefined
  }
}

function open({ path, migrations, mode }: KeptStoreOptions): Store {
  const store = openStore(path, { cacheBytes: CACHE_BYTES })
  try {
    if (mode !== undefined) chmodSync(path, mode)
    store.pragma('synchronous = normal')
    store.pragma('wal_autocheckpoint = 500')
    migrate(store, migrations)
    return store
  } catch (error) {
    store.close()
    throw error
  }
}
