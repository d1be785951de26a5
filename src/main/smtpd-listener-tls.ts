import type { Clock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import type { Service } from '#src/config/listeners.ts'
import { DomainCertificates } from '#src/directory/domain-certificates.ts'
import type { DomainCertificate } from '#src/directory/domain-certificates.ts'
import { USUAL_PROFILE } from '#src/smtp/server-tls.ts'
import type { ServerTls, TlsProfile } from '#src/smtp/server-tls.ts'
import { CertificateKeeper } from './smtpd-certificates.ts'
import type { Certificates } from './smtpd-certificates.ts'
import type { SmtpdBoot } from './smtpd-boot.ts'
import { clientCertificates, profileOf } from './smtpd-tls.ts'

/** As much of master's message as TLS is made of. */
type TlsBoot = Pick<SmtpdBoot, 'settings' | 'certificate'>

const SERVICES: readonly Service[] = ['smtp', 'submission', 'submissions']

/** What listeners show and take in a handshake: certificates, protocols, ciphers. */
export class ListenerTls implements Disposable {
  readonly #log: Log
  readonly #keeper: CertificateKeeper
  readonly #domains: DomainCertificates
  readonly #tells: boolean
  readonly #profiles = new Map<Service, TlsProfile>()
  /** Sentences about the settings, and those that the log has. */
  #problems: readonly string[] = []
  readonly #told = new Set<string>()
  #foundDomains: readonly DomainCertificate[] = []
  #made:
    | {
        readonly key: string
        readonly certificates: Certificates
        readonly tls: ReadonlyMap<Service, ServerTls>
      }
    | undefined

  constructor(
    { directoryFile }: Pick<SmtpdBoot, 'directoryFile'>,
    log: Log,
    rest: { clock: Clock; tells: boolean },
  ) {
    this.#log = log
    this.#tells = rest.tells
    this.#keeper = new CertificateKeeper(log, rest.clock, rest.tells)
    this.#domains = new DomainCertificates(directoryFile)
  }

  /** For each service; the same object as long as nothing has changed. undefined: no TLS there. */
  make(boot: TlsBoot): (service: Service) => ServerTls | undefined {
    const certificates = this.#keeper.load(boot.certificate, this.#domainCertificates())
    const key = JSON.stringify([settingsOf(boot), boot.certificate.legacy])
    if (this.#made?.key !== key || this.#made.certificates !== certificates) {
      this.#made = { key, certificates, tls: this.#makeAll(boot, certificates) }
    }
    const { tls } = this.#made
    const offered = boot.settings.tlsSecurityLevel !== 'none'
    // Submission without TLS would be no submission (RFC 8314 section 3.3): there is TLS whatever port 25 has.
    return (service) => (service === 'smtp' && !offered ? undefined : tls.get(service))
  }

  /** What an operator has to look at, a sentence each. */
  get attention(): readonly string[] {
    return [...this.#problems, ...this.#keeper.attention]
  }

  get validUntil(): string {
    return this.#keeper.validUntil
  }

  [Symbol.dispose](): void {
    this.#domains[Symbol.dispose]()
  }

  #domainCertificates(): readonly DomainCertificate[] {
    try {
      this.#foundDomains = this.#domains.read()
    } catch (error) {
      // Lookups say the same and louder; what was read before still serves.
      this.#log.write('warn', 'smtpd.error', { error: `certificates of domains: ${errorText(error)}` })
    }
    return this.#foundDomains
  }

  #makeAll(boot: TlsBoot, certificates: Certificates): ReadonlyMap<Service, ServerTls> {
    const problems: string[] = []
    const { clients, problem } = clientCertificates(boot.settings)
    if (problem !== '') problems.push(problem)
    if (boot.certificate.legacy)
      problems.push(
        'TLS 1.0 and 1.1 are allowed, which RFC 8996 forbids: legacy = true in [tls] of postern.toml',
      )
    const made = new Map<Service, ServerTls>()
    for (const service of SERVICES) {
      const profile = this.#profile(boot, service, problems)
      const { default: certificate, byName } = certificates
      if (certificate !== undefined) made.set(service, { certificate, byName, profile, clients })
    }
    this.#tell([...new Set(problems)])
    return made
  }

  /** Settings that leave nothing keep what was in force. */
  #profile(boot: TlsBoot, service: Service, problems: string[]): TlsProfile {
    const made = profileOf(boot.settings, service, boot.certificate.legacy)
    if (made.kind === 'profile') this.#profiles.set(service, made.profile)
    else problems.push(`TLS of ${service}: ${made.reason}; what was in force before stays`)
    return this.#profiles.get(service) ?? USUAL_PROFILE
  }

  #tell(problems: readonly string[]): void {
    this.#problems = problems
    for (const problem of problems) {
      if (this.#told.has(problem)) continue
      this.#told.add(problem)
      if (this.#tells) this.#log.write('warn', 'smtpd.tls_settings', { problem })
    }
  }
}

/** The settings that handshakes are made of. */
function settingsOf({ settings }: TlsBoot): readonly unknown[] {
  return [
    settings.tlsSecurityLevel,
    settings.tlsProtocols,
    settings.tlsMandatoryProtocols,
    settings.tlsCiphers,
    settings.tlsMandatoryCiphers,
    settings.tlsExcludeCiphers,
    settings.tlsAskCcert,
    settings.tlsCcertVerifydepth,
    settings.tlsCaFile,
  ]
}
