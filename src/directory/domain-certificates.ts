import { openStore } from '#src/store/sqlite.ts'
import type { Statement, Store } from '#src/store/sqlite.ts'
import { EntryTable } from './entry-table.ts'
import { fold } from './names.ts'

/** The certificate that a domain of the directory brings for its own hosts. */
export interface DomainCertificate {
  readonly domain: string
  /** zimbraVirtualHostname; none: those that the certificate names. */
  readonly hosts: readonly string[]
  readonly cert: string
  readonly key: string
}

/** Domains with a certificate of their own. */
const CERTIFICATES_MAX = 10_000

/**
 * Reads zimbraSSLCertificate, zimbraSSLPrivateKey and zimbraVirtualHostname of domains from the file that all lookups
 * read. A directory that cannot be read, or has not changed, gives what it gave before.
 */
export class DomainCertificates implements Disposable {
  readonly #path: string
  #open: { readonly store: Store; readonly version: Statement<[], number> } | undefined
  #version = -1
  #found: readonly DomainCertificate[] = []

  constructor(path: string) {
    this.#path = path
  }

  /** The same object as long as nothing has changed. Throws where the file cannot be read. */
  read(): readonly DomainCertificate[] {
    try {
      this.#open ??= opened(this.#path)
      const { store, version } = this.#open
      const current = version.get() ?? 0
      if (current === this.#version) return this.#found
      const found = readAll(new EntryTable(store))
      this.#version = current
      if (JSON.stringify(found) !== JSON.stringify(this.#found)) this.#found = found
      return this.#found
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }

  [Symbol.dispose](): void {
    this.#open?.store.close()
    this.#open = undefined
    this.#version = -1
  }
}

function opened(path: string) {
  const store = openStore(path, { readonly: true })
  return { store, version: store.prepare<[], number>('PRAGMA data_version').pluck() }
}

function readAll(table: EntryTable): readonly DomainCertificate[] {
  const found: DomainCertificate[] = []
  for (const id of table.idsWith('objectClass', 'zimbraDomain')) {
    const values = new Map<string, string[]>()
    for (const { name, value } of table.read(id)) {
      if (value.binary) continue
      const key = name.toLowerCase()
      values.set(key, [...(values.get(key) ?? []), value.text])
    }
    const [cert] = values.get('zimbrasslcertificate') ?? []
    const [key] = values.get('zimbrasslprivatekey') ?? []
    if (cert === undefined || key === undefined || found.length >= CERTIFICATES_MAX) continue
    const hosts = (values.get('zimbravirtualhostname') ?? []).map((host) => fold(host.trim()))
    found.push({ domain: values.get('zimbradomainname')?.[0] ?? '', hosts, cert, key })
  }
  return found
}
