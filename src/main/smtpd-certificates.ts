import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { clearAlarm, raiseAlarm } from '#src/base/alarms.ts'
import type { Clock } from '#src/base/clock.ts'
import { errorCode, errorText } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import { gauge } from '#src/base/metrics.ts'
import type { DomainCertificate } from '#src/directory/domain-certificates.ts'
import { checkPair } from '#src/net/pair.ts'
import type { Certificate } from '#src/smtp/server-tls.ts'

/** Where certificates come from. */
export interface CertificateSources {
  readonly certificateFile: string
  readonly keyFile: string
  /** A folder for each host name, with certificate.pem and key.pem in it; it need not be there. */
  readonly hostsFolder: string
}

/** The certificates in force; the same objects as long as they are the same. */
export interface Certificates {
  readonly default: Certificate | undefined
  readonly byName: ReadonlyMap<string, Certificate>
}

interface Pair {
  readonly certificate: Certificate
  readonly fingerprint: string
  readonly notAfterMs: number
  readonly names: readonly string[]
}

interface Found {
  /** What the log and `postern status` call it. */
  readonly source: string
  /** [] for those that the certificate names. */
  readonly hosts: readonly string[]
  readonly cert: string
  readonly key: string
}

/** Host names with a folder of their own. */
const HOSTS_MAX = 10_000
const FILE_BYTES_MAX = 1_048_576
const expiry = gauge('postern_certificate_expiry_timestamp_seconds')

const DAY_MS = 86_400_000
/** From then on an operator is told: authorities that renew by themselves do it at thirty days. */
const WARN_MS = 14 * DAY_MS

/**
 * Holds what each place has given that could be used: a pair that does not fit, or a file that is just being written,
 * leaves the one before in force, and is told once.
 */
export class CertificateKeeper {
  readonly #log: Log
  readonly #clock: Clock
  /** One of the smtpd processes tells for all. */
  readonly #tells: boolean
  readonly #pairs = new Map<string, Pair>()
  readonly #troubles = new Map<string, string>()
  readonly #told = new Set<string>()
  #raised: ReadonlySet<string> = new Set()
  #current: Certificates = { default: undefined, byName: new Map() }

  constructor(log: Log, clock: Clock, tells: boolean) {
    this.#log = log
    this.#clock = clock
    this.#tells = tells
  }

  /** What is wrong now: a sentence each. */
  get attention(): readonly string[] {
    const nowMs = this.#clock.nowMs()
    const ending = [...this.#pairs].flatMap(([source, { notAfterMs }]) =>
      notAfterMs - nowMs < WARN_MS ? [`${source}: the certificate ${endText(notAfterMs, nowMs)}`] : [],
    )
    return [...[...this.#troubles].map(([source, reason]) => `${source}: ${reason}`), ...ending]
  }

  /** Until when the certificate is valid that is shown to those who name no host; '' if there is none. */
  get validUntil(): string {
    const pair = this.#pairs.get(DEFAULT)
    return pair === undefined ? '' : new Date(pair.notAfterMs).toISOString().slice(0, 10)
  }

  /** Reads everything anew. What a domain of the directory brings stands above a folder of the same name. */
  load(sources: CertificateSources, domains: readonly DomainCertificate[]): Certificates {
    const main = this.#read(DEFAULT, () => ({
      source: DEFAULT,
      hosts: [],
      cert: readPem(sources.certificateFile),
      key: readPem(sources.keyFile),
    }))
    const byName = new Map<string, Certificate>()
    const seen = new Set([DEFAULT])
    for (const name of this.#hostFolders(sources.hostsFolder)) {
      const folder = join(sources.hostsFolder, name)
      const source = `host ${name}`
      seen.add(source)
      const pair = this.#read(source, () => ({
        source,
        hosts: [name.toLowerCase()],
        cert: readPem(join(folder, 'certificate.pem')),
        key: readPem(join(folder, 'key.pem')),
      }))
      if (pair !== undefined) byName.set(name.toLowerCase(), pair.certificate)
    }
    for (const { domain, hosts, cert, key } of domains) {
      const source = `domain ${domain}`
      seen.add(source)
      const pair = this.#read(source, () => ({ source, hosts, cert, key }))
      for (const host of hosts.length > 0 ? hosts : (pair?.names ?? [])) {
        if (pair !== undefined) byName.set(host, pair.certificate)
      }
    }
    this.#forget(seen)
    if (this.#tells) this.#raise()
    return this.#keep({ default: main?.certificate, byName })
  }

  #read(source: string, find: () => Found): Pair | undefined {
    const before = this.#pairs.get(source)
    try {
      const { cert, key } = find()
      if (before?.certificate.cert === cert && before.certificate.key === key) {
        this.#clear(source)
        this.#tellEnd(source, before)
        return before
      }
      const verdict = checkPair(cert, key)
      if (verdict.kind === 'unusable') throw new Error(verdict.reason)
      const pair: Pair = { ...verdict, certificate: { cert, key } }
      this.#pairs.set(source, pair)
      this.#clear(source)
      this.#tellPair(source, pair)
      return pair
    } catch (error) {
      this.#trouble(source, errorText(error))
      return before
    }
  }

  #trouble(source: string, reason: string): void {
    const kept = this.#pairs.has(source) ? '; the one before stays in force' : ''
    if (this.#troubles.get(source) === reason + kept) return
    this.#troubles.set(source, reason + kept)
    this.#write('error', { source, refused: reason, kept: kept !== '' })
  }

  #clear(source: string): void {
    this.#troubles.delete(source)
  }

  #tellPair(source: string, pair: Pair): void {
    const until = new Date(pair.notAfterMs).toISOString()
    this.#write('info', { source, names: pair.names, until, fingerprint: pair.fingerprint })
    this.#tellEnd(source, pair)
  }

  /** Once when the end is near, and once when it is there. */
  #tellEnd(source: string, { fingerprint, notAfterMs }: Pair): void {
    const nowMs = this.#clock.nowMs()
    const leftMs = notAfterMs - nowMs
    if (leftMs >= WARN_MS) return
    const key = `${source} ${fingerprint} ${leftMs < 0 ? 'over' : 'soon'}`
    if (this.#told.has(key)) return
    this.#told.add(key)
    const until = new Date(notAfterMs).toISOString()
    this.#write(leftMs < 0 ? 'error' : 'warn', { source, until, problem: `it ${endText(notAfterMs, nowMs)}` })
  }

  #write(level: 'info' | 'warn' | 'error', facts: Parameters<Log['write']>[2]): void {
    if (this.#tells) this.#log.write(level, 'smtpd.certificate', facts)
  }

  #hostFolders(folder: string): readonly string[] {
    try {
      const found = readdirSync(folder, { withFileTypes: true })
      return found
        .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
        .map((entry) => entry.name)
        .filter((name) => /^(?:\*\.)?[A-Za-z0-9._-]{1,253}$/.test(name))
        .slice(0, HOSTS_MAX)
        .toSorted()
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') this.#trouble(folder, errorText(error))
      return []
    }
  }

  /** What is wrong with each, as an alarm; and when each ends, for whoever watches it. */
  #raise(): void {
    const nowMs = this.#clock.nowMs()
    const bad = new Map(this.#troubles)
    for (const [source, { notAfterMs }] of this.#pairs) {
      expiry.of(source).value = notAfterMs / 1000
      if (notAfterMs - nowMs < WARN_MS && !bad.has(source))
        bad.set(source, `it ${endText(notAfterMs, nowMs)}`)
    }
    for (const [source, reason] of bad) raiseAlarm('CERTIFICATE', source, reason)
    for (const source of this.#raised) if (!bad.has(source)) clearAlarm('CERTIFICATE', source)
    this.#raised = new Set(bad.keys())
  }

  /** A host or domain that is no more has no certificate any more. */
  #forget(seen: ReadonlySet<string>): void {
    for (const source of [...this.#pairs.keys(), ...this.#troubles.keys()]) {
      if (seen.has(source)) continue
      this.#pairs.delete(source)
      this.#troubles.delete(source)
    }
  }

  #keep(next: Certificates): Certificates {
    const { default: main, byName } = this.#current
    const same =
      main === next.default &&
      byName.size === next.byName.size &&
      [...next.byName].every(([name, certificate]) => byName.get(name) === certificate)
    if (!same) this.#current = next
    return this.#current
  }
}

const DEFAULT = 'the default certificate'

function endText(notAfterMs: number, nowMs: number): string {
  const day = new Date(notAfterMs).toISOString().slice(0, 10)
  return notAfterMs < nowMs ? `ended on ${day}` : `ends on ${day}`
}

function readPem(file: string): string {
  if (statSync(file).size > FILE_BYTES_MAX) throw new Error(`${file} is larger than a certificate can be`)
  return readFileSync(file, 'utf8')
}
