import { createHash } from 'node:crypto'
import { dirname } from 'node:path'
import { systemClock } from '#src/base/clock.ts'
import type { Facts } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import { gauge } from '#src/base/metrics.ts'
import type { Service } from '#src/config/listeners.ts'
import { DirectoryClient } from '#src/directory/client.ts'
import { Directory } from '#src/directory/directory.ts'
import { PeerNames } from '#src/dns/peer-names.ts'
import { ScannerPool } from '#src/match/scanner-pool.ts'
import { SignatureSet } from '#src/match/signatures.ts'
import type { ScanLimits } from '#src/match/types.ts'
import { ConfirmingPolicy } from '#src/policy/confirming.ts'
import { SmtpPolicy } from '#src/policy/policy.ts'
import type { Anvil } from '#src/policy/policy.ts'
import { QueueClient } from '#src/queue/client.ts'
import { refusalSocketPath } from '#src/queue/paths.ts'
import { createQueueIds } from '#src/queue/queue-id.ts'
import { RefusalSender, tracingLog } from '#src/queue/refusals.ts'
import { ScanJudge } from '#src/scan/judge.ts'
import { loadSignatureFolder, newestSource } from '#src/scan/signature-folder.ts'
import type { SmtpEnvironment } from '#src/smtp/environment.ts'
import type { Policy } from '#src/smtp/ports.ts'
import type { ServerTls } from '#src/smtp/server-tls.ts'
import { SessionNotices } from '#src/smtp/session-notices.ts'
import type { NoticeRules } from '#src/smtp/session-notices.ts'
import { readHeaderChecks } from './header-tables.ts'
import { mailboxesOf, noticeTargets } from './notice-targets.ts'
import { DirectoryAuthenticator } from './smtpd-authenticator.ts'
import type { SmtpdBoot } from './smtpd-boot.ts'
import { ListenerTls } from './smtpd-listener-tls.ts'
import { smtpSettings } from './smtpd-settings.ts'

const signaturesWritten = gauge('postern_signatures_timestamp_seconds').of()

/** MIME parts that a message may have; more is refused. Digests have hundreds; each costs a report of 300 bytes. */
const PARTS_MAX = 10_000
/** master counts its smtpd from 1. */
const FIRST_SLOT = 1
/** Problems of signature files that one generation logs: a damaged file has as many as lines. */
const PROBLEMS_LOGGED_MAX = 20

/** How soon a change of the directory is seen: to ask at each lookup costs more than the lookup. */
const DIRECTORY_STALE_MS = 100

/** Classes of notify_classes that are about sessions; `delay` and `2bounce` are about mail. */
const SESSION_CLASSES: ReadonlySet<string> = new Set([
  'bounce',
  'policy',
  'protocol',
  'resource',
  'software',
  'data',
])

/** How long a new smtpd waits for qmgr before it listens; without one, MAIL is answered 451. */
const QUEUE_WAIT_MS = 5000

/**
 * Everything that sessions of one smtpd work with, made of master's message; kept and made anew in parts when a new
 * generation comes.
 */
export class EnvironmentMaker implements Disposable {
  readonly #log: Log
  readonly #anvil: Anvil
  readonly #names = new PeerNames(systemClock)
  readonly #queue: QueueClient
  readonly #refusals: RefusalSender
  /** What sessions write to: what they refuse is traced too. */
  readonly #traced: Log
  readonly #newQueueId = createQueueIds(process.pid)
  readonly #notices: SessionNotices
  readonly #directoryFile: string
  readonly #directoryProcess: DirectoryClient
  #directory: { readonly key: string; readonly value: Directory } | undefined
  #signatures: { readonly key: string; readonly value: SignatureSet } | undefined
  #scanners: ScannerPool | undefined
  readonly #tls: ListenerTls

  constructor(boot: SmtpdBoot, anvil: Anvil, log: Log) {
    this.#log = log
    this.#anvil = anvil
    this.#directoryFile = boot.directoryFile
    this.#tls = new ListenerTls(boot, log, { clock: systemClock, tells: boot.slot <= FIRST_SLOT })
    this.#queue = new QueueClient({
      socketPath: boot.queueSocket,
      spoolDir: boot.spoolFolder,
      clock: systemClock,
      log,
    })
    this.#queue.start()
    this.#notices = new SessionNotices({
      queue: this.#queue,
      clock: systemClock,
      log,
      newQueueId: this.#newQueueId,
      agent: 'SMTP server',
      event: 'smtpd.notice',
    })
    this.#directoryProcess = new DirectoryClient(boot.directorySocket, systemClock)
    this.#directoryProcess.start()
    const socketPath = refusalSocketPath(dirname(boot.queueSocket))
    this.#refusals = new RefusalSender({ socketPath, clock: systemClock, log })
    this.#traced = tracingLog(log, this.#refusals, systemClock)
  }

  /**
   * Resolves when qmgr has been heard, or after QUEUE_WAIT_MS. Who listens before that greets clients only to tell
   * them to come again.
   */
  async queueHeard(): Promise<void> {
    const over = new AbortController()
    const late = systemClock.sleep(QUEUE_WAIT_MS, over.signal).catch(() => {})
    await Promise.race([this.#queue.heard, late])
    over.abort()
  }

  /** The environment of a generation. */
  make(boot: SmtpdBoot): SmtpEnvironment {
    const { settings } = boot
    const headerChecks = readHeaderChecks(settings, boot.slot <= FIRST_SLOT)
    return {
      settings: smtpSettings(boot),
      policy: this.#policyOf(boot),
      ...this.#canonicalSenders(boot),
      authenticator: new DirectoryAuthenticator(this.#directoryProcess),
      judge: new ScanJudge(settings.blockedExtensions, hasAntivirus(settings)),
      queue: this.#queue,
      scanners: this.#scannersOf(boot, headerChecks?.wantsParts === true),
      ...(headerChecks === undefined ? {} : { headerChecks }),
      mailboxesOf: (address) =>
        this.#directory === undefined ? [address] : mailboxesOf(address, this.#directory.value),
      names: this.#names,
      log: this.#traced,
      clock: systemClock,
      newQueueId: this.#newQueueId,
      ...this.#sessionErrors(boot),
    }
  }

  /** Nothing is written down of sessions where nobody is to be told. */
  #sessionErrors({ notices, settings, generation }: SmtpdBoot): Pick<SmtpEnvironment, 'sessionErrors'> {
    if (!notices.classes.some((name) => SESSION_CLASSES.has(name))) return {}
    const rules: NoticeRules = {
      hostname: settings.myHostname,
      generation,
      targets: (which) =>
        this.#directory === undefined ? [] : noticeTargets(which, notices, this.#directory.value),
    }
    return {
      sessionErrors: (transcript, client) => this.#notices.tell(transcript, client, rules),
    }
  }

  /** A directory that cannot be read leaves the sender as it is: mail is worth more than its looks. */
  #canonicalSenders(boot: SmtpdBoot): Pick<SmtpEnvironment, 'canonicalSender'> {
    const { canonicalMaps, senderCanonicalMaps } = boot.settings
    if (canonicalMaps === '' && senderCanonicalMaps === '') return {}
    const directory = this.#directoryOf(boot)
    return {
      canonicalSender: (sender) => {
        const found = sender === '' ? undefined : directory.canonical(sender)
        return found?.kind === 'found' ? found.address : sender
      },
    }
  }

  #policyOf(boot: SmtpdBoot): Policy {
    const { settings } = boot
    const directory = this.#directoryOf(boot)
    const policy = new SmtpPolicy(directory, this.#anvil, {
      hostname: settings.myHostname,
      myNetworks: settings.myNetworks,
      connectionCountLimit: settings.clientConnectionCountLimit,
      postmaster: boot.postmaster,
      rejectUnlistedSender: settings.rejectUnlistedSender,
      senderRestrictions: settings.senderRestrictions,
      relayClientCerts: settings.relayClientCerts.map((text) => text.replaceAll(':', '').toLowerCase()),
      recipientDelimiter: settings.recipientDelimiter,
    })
    if (!boot.isMirror) return policy
    const asked = this.#directoryProcess
    return new ConfirmingPolicy(policy, directory, {
      domain: (name) => asked.ask({ kind: 'domain', name }),
      recipient: (address) => asked.ask({ kind: 'recipient', address }),
    })
  }

  /** TLS of the listeners, made of the files as they are now. */
  tls(boot: SmtpdBoot): (service: Service) => ServerTls | undefined {
    return this.#tls.make(boot)
  }

  /** What `postern status` shows. */
  get facts(): Facts {
    const info = this.#signatures?.value.info
    const certificate = this.#tls.validUntil === '' ? 'none' : `until ${this.#tls.validUntil}`
    return { signatures: info?.signatures ?? 0, engine: info?.engine ?? '', certificate }
  }

  /** What an operator has to look at, a sentence each. */
  get attention(): readonly string[] {
    return this.#tls.attention
  }

  [Symbol.dispose](): void {
    this.#refusals[Symbol.dispose]()
    this.#notices[Symbol.dispose]()
    this.#queue.close()
    this.#directoryProcess[Symbol.dispose]()
    this.#tls[Symbol.dispose]()
    this.#names[Symbol.dispose]()
    this.#scanners?.retire()
    this.#signatures?.value.close()
  }

  /** Sessions under way keep the directory that they began with; it is closed when the last is gone. */
  #directoryOf({ settings }: SmtpdBoot): Directory {
    const options = {
      path: this.#directoryFile,
      recipientDelimiter: settings.recipientDelimiter,
      expansionLimit: settings.virtualAliasExpansionLimit,
      canonical: settings.canonicalMaps !== '',
      staleMs: DIRECTORY_STALE_MS,
    }
    const key = JSON.stringify(options)
    if (this.#directory?.key !== key) this.#directory = { key, value: new Directory(options) }
    return this.#directory.value
  }

  #scannersOf(boot: SmtpdBoot, keepHeaders: boolean): ScannerPool {
    const signatures = this.#signaturesOf(boot)
    const { settings } = boot
    const limits: ScanLimits = {
      depthMax: settings.mimeNestingLimit,
      partsMax: PARTS_MAX,
      headerBytesMax: settings.headerSizeLimitBytes,
      keepHeaders,
    }
    this.#scanners?.retire()
    this.#scanners = new ScannerPool(signatures, { limits, bareNewline: settings.forbidBareNewline })
    return this.#scanners
  }

  /** Compiled anew only when a file has changed: it takes seconds with many signatures. */
  #signaturesOf(boot: SmtpdBoot): SignatureSet {
    const { sources, problems } = hasAntivirus(boot.settings)
      ? loadSignatureFolder(boot.signatureFolder)
      : { sources: [], problems: [] }
    signaturesWritten.value = newestSource(boot.signatureFolder, sources) / 1000
    const hash = createHash('sha256')
    for (const source of sources) hash.update(`${source.kind} ${source.name}\n`).update(source.text)
    const key = hash.digest('hex')
    if (this.#signatures?.key === key) return this.#signatures.value
    // The set before is not closed: sessions of its generation may still want a scanner of it. It goes with them.
    const value = SignatureSet.build(sources, { cacheDir: boot.signatureCache })
    this.#signatures = { key, value }
    const { info } = value
    gauge('postern_signatures').of(info.engine).value = info.signatures
    // Every smtpd reads the same files; the first of them tells.
    if (boot.slot > FIRST_SLOT) return value
    const { signatures, engine, cached, databaseBytes } = info
    this.#log.write('info', 'scan.signatures', {
      signatures,
      engine,
      cached,
      databaseBytes,
      problems: problems.length + info.problems.length,
    })
    for (const { file, reason } of problems) this.#log.write('error', 'scan.signature_file', { file, reason })
    for (const { source, line, reason } of info.problems.slice(0, PROBLEMS_LOGGED_MAX)) {
      this.#log.write('warn', 'scan.signature_line', { file: source, line, reason })
    }
    return value
  }
}

/** zimbraServiceEnabled: what a Zimbra would stop ClamAV by. */
function hasAntivirus({ services }: SmtpdBoot['settings']): boolean {
  return services.includes('antivirus')
}
