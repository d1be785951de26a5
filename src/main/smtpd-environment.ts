import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { systemClock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import { Directory } from '#src/directory/directory.ts'
import { PeerNames } from '#src/dns/peer-names.ts'
import { MessageScanner } from '#src/match/scanner.ts'
import { SignatureSet } from '#src/match/signatures.ts'
import type { ScanLimits } from '#src/match/types.ts'
import { SmtpPolicy } from '#src/policy/policy.ts'
import type { Anvil } from '#src/policy/policy.ts'
import { QueueClient } from '#src/queue/client.ts'
import { createQueueIds } from '#src/queue/queue-id.ts'
import { ScanJudge } from '#src/scan/judge.ts'
import { loadSignatureFolder } from '#src/scan/signature-folder.ts'
import type { SmtpEnvironment } from '#src/smtp/environment.ts'
import { Scanners } from '#src/smtp/scanner-pool.ts'
import type { Certificate } from '#src/smtp/server.ts'
import { DEFAULT_SETTINGS } from '#src/smtp/settings.ts'
import type { SmtpSettings } from '#src/smtp/settings.ts'
import type { SmtpdBoot } from './smtpd-boot.ts'

/** MIME parts that a message may have; more is refused. Digests have hundreds; each costs a report of 300 bytes. */
const PARTS_MAX = 5000
/** Problems of signature files that one generation logs: a damaged file has as many as lines. */
const PROBLEMS_LOGGED_MAX = 20
/** What `$mail_name` stands for in `smtpd_banner`. */
const MAIL_NAME = 'Postern'

/**
 * Everything that sessions of one smtpd work with, made of master's message; kept and made anew in parts when a new
 * generation comes.
 */
export class EnvironmentMaker implements Disposable {
  readonly #log: Log
  readonly #anvil: Anvil
  readonly #names = new PeerNames(systemClock)
  readonly #queue: QueueClient
  readonly #newQueueId = createQueueIds(process.pid)
  readonly #directoryFile: string
  #directory: { readonly key: string; readonly value: Directory } | undefined
  #signatures: { readonly key: string; readonly value: SignatureSet } | undefined
  #scanners: Scanners | undefined
  #certificate: Certificate | undefined

  constructor(boot: SmtpdBoot, anvil: Anvil, log: Log) {
    this.#log = log
    this.#anvil = anvil
    this.#directoryFile = boot.directoryFile
    this.#queue = new QueueClient({
      socketPath: boot.queueSocket,
      spoolDir: boot.spoolFolder,
      clock: systemClock,
      log,
    })
    this.#queue.start()
  }

  /** The environment of a generation. */
  make(boot: SmtpdBoot): SmtpEnvironment {
    const { settings } = boot
    return {
      settings: smtpSettings(boot),
      policy: new SmtpPolicy(this.#directoryOf(boot), this.#anvil, {
        hostname: settings.myHostname,
        myNetworks: settings.myNetworks,
        connectionCountLimit: settings.clientConnectionCountLimit,
        postmaster: boot.postmaster,
      }),
      judge: new ScanJudge(settings.blockedExtensions),
      queue: this.#queue,
      scanners: this.#scannersOf(boot),
      names: this.#names,
      log: this.#log,
      clock: systemClock,
      newQueueId: this.#newQueueId,
    }
  }

  /**
   * The certificate of a generation; undefined where STARTTLS is switched off. A pair that cannot be used leaves
   * the one before in force, and tells.
   */
  certificate(boot: SmtpdBoot): Certificate | undefined {
    if (boot.settings.tlsSecurityLevel === 'none') return undefined
    const { certificateFile, keyFile } = boot.certificate
    try {
      const pair = { cert: readFileSync(certificateFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }
      // Throws where the two are not a pair.
      createSecureContext(pair)
      this.#certificate = pair
    } catch (error) {
      this.#log.write('error', 'smtpd.error', { certificate: certificateFile, error: errorText(error) })
    }
    return this.#certificate
  }

  /** What `postern status` shows. */
  get facts(): { readonly signatures: number; readonly engine: string } {
    const info = this.#signatures?.value.info
    return { signatures: info?.signatures ?? 0, engine: info?.engine ?? '' }
  }

  [Symbol.dispose](): void {
    this.#queue.close()
    this.#names[Symbol.dispose]()
    this.#scanners?.close()
    this.#signatures?.value.close()
  }

  /** Sessions under way keep the directory that they began with; it is closed when the last is gone. */
  #directoryOf({ settings }: SmtpdBoot): Directory {
    const options = {
      path: this.#directoryFile,
      recipientDelimiter: settings.recipientDelimiter,
      expansionLimit: settings.virtualAliasExpansionLimit,
    }
    const key = JSON.stringify(options)
    if (this.#directory?.key !== key) this.#directory = { key, value: new Directory(options) }
    return this.#directory.value
  }

  #scannersOf(boot: SmtpdBoot): Scanners {
    const signatures = this.#signaturesOf(boot)
    const { settings } = boot
    const limits: ScanLimits = {
      depthMax: settings.mimeNestingLimit,
      partsMax: PARTS_MAX,
      headerBytesMax: settings.headerSizeLimitBytes,
    }
    this.#scanners?.close()
    this.#scanners = new Scanners(
      () => new MessageScanner(signatures, { limits, bareNewline: settings.forbidBareNewline }),
    )
    return this.#scanners
  }

  /** Compiled anew only when a file has changed: it takes seconds with many signatures. */
  #signaturesOf(boot: SmtpdBoot): SignatureSet {
    const { sources, problems } = loadSignatureFolder(boot.signatureFolder)
    const hash = createHash('sha256')
    for (const source of sources) hash.update(`${source.kind} ${source.name}\n`).update(source.text)
    const key = hash.digest('hex')
    if (this.#signatures?.key === key) return this.#signatures.value
    // Scanners of the set before keep what they need of it.
    this.#signatures?.value.close()
    const value = SignatureSet.build(sources, { cacheDir: boot.signatureCache })
    this.#signatures = { key, value }
    const { info } = value
    this.#log.write('info', 'scan.signatures', {
      signatures: info.signatures,
      engine: info.engine,
      cached: info.cached,
      problems: info.problems.length + problems.length,
    })
    for (const problem of problems) this.#log.write('warn', 'scan.signature_line', { ...problem })
    for (const problem of info.problems.slice(0, PROBLEMS_LOGGED_MAX)) {
      this.#log.write('warn', 'scan.signature_line', { ...problem })
    }
    return value
  }
}

function smtpSettings({ settings, postmaster, generation }: SmtpdBoot): SmtpSettings {
  const hostname = settings.myHostname
  return {
    ...DEFAULT_SETTINGS,
    hostname,
    banner: banner(settings.smtpdBanner, hostname),
    postmaster,
    messageBytesMax: settings.messageSizeLimitBytes,
    recipientsMax: settings.recipientLimit,
    softErrorLimit: settings.softErrorLimit,
    hardErrorLimit: settings.hardErrorLimit,
    errorDelayMs: settings.errorSleepTimeMs,
    timeoutMs: settings.smtpdTimeoutMs,
    lineBytesMax: settings.lineLengthLimitBytes,
    heloRequired: settings.heloRequired,
    bareNewline: settings.forbidBareNewline,
    rejectNul: settings.messageRejectCharacters !== '',
    hopsMax: settings.hopcountLimit,
    addMissingHeaders: settings.alwaysAddMissingHeaders,
    generation,
  }
}

/** `smtpd_banner` without the host name, which stands first whatever is set (RFC 5321 section 4.2). */
function banner(text: string, hostname: string): string {
  const whole = text
    .replaceAll(/\$(?:myhostname\b|\{myhostname\}|\(myhostname\))/g, hostname)
    .replaceAll(/\$(?:mail_name\b|\{mail_name\}|\(mail_name\))/g, MAIL_NAME)
    .trim()
  return whole === hostname || whole.startsWith(`${hostname} `) ? whole.slice(hostname.length).trim() : whole
}
