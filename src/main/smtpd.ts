import { readFileSync } from 'node:fs'
import { systemClock } from '#src/base/clock.ts'
import { errorCode, errorText } from '#src/base/fault.ts'
import { openLog } from '#src/base/log.ts'
import type { Log } from '#src/base/log.ts'
import { Directory } from '#src/directory/directory.ts'
import { PeerNames } from '#src/dns/peer-names.ts'
import { ScannerPool } from '#src/match/scanner-pool.ts'
import { SignatureSet } from '#src/match/signatures.ts'
import { SmtpPolicy } from '#src/policy/policy.ts'
import type { PolicySettings } from '#src/policy/policy.ts'
import { QueueClient } from '#src/queue/client.ts'
import { createQueueIds } from '#src/queue/queue-id.ts'
import { ScanJudge } from '#src/scan/judge.ts'
import { loadSignatureFolder } from '#src/scan/signature-folder.ts'
import type { SmtpEnvironment } from '#src/smtp/environment.ts'
import { Server } from '#src/smtp/server.ts'
import type { Certificate } from '#src/smtp/server.ts'
import { AnvilClient } from './anvil-client.ts'
import type { FromChild, ToChild } from './ipc.ts'
import { logTargets } from './open-log.ts'
import type { SmtpdBoot } from './smtpd-boot.ts'
import { smtpSettings } from './smtpd-settings.ts'

/**
 * smtpd as a process: SMTP sessions, policy and scan. It hands each message to the queue manager and says 250 when
 * that has it on the disk; if this process dies, nobody has had a 250 for what it held.
 */

/** MIME parts of one message: more than any mail program makes, few enough to be told one by one. */
const PARTS_MAX = 10_000

/** What a generation of settings brings, and what goes when the next one comes. */
interface Taken {
  readonly boot: SmtpdBoot
  readonly environment: SmtpEnvironment
  readonly scanners: ScannerPool
  readonly directory: Directory
  readonly policy: SmtpPolicy
  readonly certificate: Certificate | undefined
}

/** What stays for the life of the process. */
interface Fixtures {
  readonly log: Log
  readonly queue: QueueClient
  readonly names: PeerNames
  readonly newQueueId: (nowMs: number) => string
}

const anvil = new AnvilClient(tell, systemClock)
let fixtures: Fixtures | undefined
let taken: Taken | undefined
let servers: readonly Server[] = []
let stopping: Promise<void> | undefined

process.title = 'postern: smtpd'
// Ctrl-C reaches the whole foreground group; master says when to stop.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => void stop())
process.on('disconnect', () => void stop())
process.on('message', (message: ToChild<SmtpdBoot>) => {
  switch (message.kind) {
    case 'boot':
      void start(message.boot)
      break
    case 'settings':
      adopt(message.boot)
      break
    case 'stop':
      void stop()
      break
    case 'anvil':
      anvil.answered(message.n, message.admitted)
      break
  }
})

async function start(boot: SmtpdBoot): Promise<void> {
  try {
    const log = openLog(logTargets('smtpd', boot.log))
    const queue = new QueueClient({
      socketPath: boot.queueSocket,
      spoolDir: boot.spoolFolder,
      clock: systemClock,
      log,
    })
    queue.start()
    fixtures = { log, queue, names: new PeerNames(systemClock), newQueueId: createQueueIds(boot.slot) }
    const first = take(boot, fixtures)
    taken = first
    const { environment, certificate } = first
    servers = boot.listeners.map(() => new Server({ environment, service: 'smtp', certificate }))
    const ports: number[] = []
    for (const [i, server] of servers.entries()) {
      const at = boot.listeners[i]
      if (at !== undefined)
        ports.push(await server.start({ host: at.address, port: at.port, reusePort: true }))
    }
    log.write('info', 'smtpd.start', { slot: boot.slot, ports: ports.join(','), generation: boot.generation })
    tell({ kind: 'ready', facts: { ports: ports.join(','), generation: boot.generation } })
  } catch (error) {
    fixtures?.log.write('error', 'smtpd.error', { error: errorText(error) })
    fixtures?.log.flush()
    tell({ kind: 'failed', reason: startFailure(boot, error) })
    process.exit(1)
  }
}

/** Makes of a settings message what sessions work with. Throws where that cannot be. */
function take(boot: SmtpdBoot, { log, queue, names, newQueueId }: Fixtures): Taken {
  const { settings } = boot
  const scanners = openScanners(boot, log)
  const directory = new Directory({
    path: boot.directoryFile,
    recipientDelimiter: settings.recipientDelimiter,
    expansionLimit: settings.virtualAliasExpansionLimit,
  })
  const policy = new SmtpPolicy(directory, anvil, policySettings(boot))
  const environment: SmtpEnvironment = {
    settings: smtpSettings(boot),
    policy,
    judge: new ScanJudge(settings.blockedExtensions),
    queue,
    scanners,
    names,
    log,
    clock: systemClock,
    newQueueId,
  }
  return { boot, environment, scanners, directory, policy, certificate: readCertificate(boot) }
}

/** Takes over a new generation for sessions that begin from now on. One that cannot be used changes nothing. */
function adopt(boot: SmtpdBoot): void {
  if (fixtures === undefined || taken === undefined || stopping !== undefined) return
  try {
    const next = take(boot, fixtures)
    for (const server of servers) server.adopt(next.environment, next.certificate)
    taken.scanners.retire()
    taken = next
    fixtures.log.write('info', 'smtpd.settings', { generation: boot.generation })
  } catch (error) {
    fixtures.log.write('error', 'smtpd.settings', {
      generation: boot.generation,
      kept: taken.boot.generation,
      error: errorText(error),
    })
  }
}

/** Sessions end within their grace, then the process does: nothing keeps it alive any more. */
async function stop(): Promise<void> {
  stopping ??= stopNow()
  await stopping
}

async function stopNow(): Promise<void> {
  await Promise.all(servers.map((server) => server.stop()))
  fixtures?.queue.close()
  fixtures?.names[Symbol.dispose]()
  taken?.scanners.retire()
  taken?.directory[Symbol.dispose]()
  fixtures?.log.flush()
  if (process.connected) process.disconnect?.()
}

function openScanners(boot: SmtpdBoot, log: Log): ScannerPool {
  const folder = loadSignatureFolder(boot.signatureFolder)
  const set = SignatureSet.build(folder.sources, { cacheDir: boot.signatureCache })
  // Every smtpd reads the same files; one of them tells.
  if (boot.slot === 0) {
    for (const { file, reason } of folder.problems)
      log.write('error', 'scan.signature_file', { file, reason })
    for (const { source, line, reason } of set.info.problems) {
      log.write('warn', 'scan.signature_line', { file: source, line, reason })
    }
    const { signatures, engine, cached, databaseBytes } = set.info
    log.write('info', 'scan.signatures', { signatures, engine, cached, databaseBytes })
  }
  return new ScannerPool(set, {
    limits: {
      depthMax: boot.settings.mimeNestingLimit,
      partsMax: PARTS_MAX,
      headerBytesMax: boot.settings.headerSizeLimitBytes,
    },
    bareNewline: boot.settings.forbidBareNewline,
  })
}

function policySettings({ settings, postmaster }: SmtpdBoot): PolicySettings {
  return {
    hostname: settings.myHostname,
    myNetworks: settings.myNetworks,
    connectionCountLimit: settings.clientConnectionCountLimit,
    postmaster,
  }
}

function readCertificate({ settings, certificate }: SmtpdBoot): Certificate | undefined {
  if (settings.tlsSecurityLevel === 'none') return undefined
  return {
    key: readFileSync(certificate.keyFile, 'utf8'),
    cert: readFileSync(certificate.certificateFile, 'utf8'),
  }
}

function tell(message: FromChild): void {
  if (process.connected && process.send !== undefined) process.send(message)
}

function startFailure(boot: SmtpdBoot, error: unknown): string {
  const places = boot.listeners.map(({ address, port }) => `${address}:${port}`).join(', ')
  switch (errorCode(error)) {
    case 'EADDRINUSE':
      return `smtpd cannot listen on ${places}: another program does. Stop it, or set another port for the listener.`
    case 'EADDRNOTAVAIL':
      return `smtpd cannot listen on ${places}: this machine has no such address. Set one that it has.`
    case 'EACCES':
    case 'EPERM':
      return `smtpd may not listen on ${places}, or not read its certificate: ${errorText(error)}. Give this user the right, or set another port (1024 or above).`
    default:
      return `smtpd on ${places} cannot start: ${errorText(error)}.`
  }
}
