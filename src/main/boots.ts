import { deliverySettings, routingBoot } from './boots-delivery.ts'
import type { Generation } from './generation.ts'
import type { LogBoot } from './ipc.ts'
import type { OpenListener } from './listening.ts'
import type { MailboxBoot } from './mailbox-boot.ts'
import type { Paths } from '#src/config/paths.ts'
import type { QmgrBoot } from './qmgr-boot.ts'
import type { NoticesBoot } from './notice-targets.ts'
import type { SmtpdBoot } from './smtpd-boot.ts'

/** What the settings messages of the processes are made of. */
export interface BootContext {
  readonly generation: Generation
  readonly paths: Paths
  /** What smtpd listens on; `fd` as smtpd has it. */
  readonly listeners: readonly OpenListener[]
  /** smtpd processes. */
  readonly workers: number
  /** Whether the readable log goes to standard output. */
  readonly echo: boolean
}

function logOf({ generation, echo }: BootContext): LogBoot {
  return { ...generation.config.log, stdout: echo }
}

/** Room for the header lines that are put on top of a message: Received, and what was missing. */
const ADDED_HEADER_BYTES = 65_536

export function mailboxBoot(context: BootContext): MailboxBoot {
  const { settings, config } = context.generation
  const limit = settings.messageSizeLimitBytes
  return {
    hostname: settings.myHostname,
    address: config.mailbox.address,
    port: config.mailbox.port,
    root: context.paths.mailboxes,
    messageBytesMax: limit === 0 ? 0 : limit + ADDED_HEADER_BYTES,
    log: logOf(context),
  }
}

/** Where `message_size_limit` sets no bound to what one message may need. */
const UNBOUNDED_MESSAGE_BYTES = 100_000_000

export function qmgrBoot(context: BootContext): QmgrBoot {
  const { settings, number } = context.generation
  const { paths } = context
  const message =
    settings.messageSizeLimitBytes === 0 ? UNBOUNDED_MESSAGE_BYTES : settings.messageSizeLimitBytes
  return {
    hostname: settings.myHostname,
    queueDir: paths.queue,
    spoolDir: paths.spool,
    runDir: paths.run,
    smtpdRunDir: paths.runSmtpd,
    healthRunDir: paths.runHealth,
    // Postfix's own rule of thumb: room for the message, and half as much again for what the store needs.
    minFreeBytes: settings.queueMinfreeBytes === 0 ? Math.ceil(1.5 * message) : settings.queueMinfreeBytes,
    activeRecipientsMax: settings.activeLimit,
    trace: { keepMs: settings.traceLifetimeMs, rowsMax: settings.traceRowLimit },
    times: {
      minimalBackoffMs: settings.minimalBackoffTimeMs,
      maximalBackoffMs: Math.max(settings.maximalBackoffTimeMs, settings.minimalBackoffTimeMs),
      maximalQueueLifetimeMs: settings.maximalQueueLifetimeMs,
      bounceQueueLifetimeMs: settings.bounceQueueLifetimeMs,
      delayWarningMs: settings.delayWarningTimeMs,
    },
    bounceSizeLimitBytes: settings.bounceSizeLimitBytes,
    notices: noticesBoot(context),
    directoryFile: paths.directory,
    canonical: { isOn: settings.canonicalMaps !== '', myNetworks: settings.myNetworks },
    routing: routingBoot(context.generation),
    delivery: deliverySettings(settings),
    generation: number,
    log: logOf(context),
    sizeLogMs: context.generation.config.log.queueMs,
  }
}

/** Who is told of what; addresses without a domain are of the default one (Postfix: `$myorigin`). */
function noticesBoot({ generation: { settings, defaultDomain } }: BootContext): NoticesBoot {
  const full = (address: string): string => (address.includes('@') ? address : `${address}@${defaultDomain}`)
  return {
    classes: settings.notifyClasses,
    bounce: full(settings.bounceNoticeRecipient),
    doubleBounce: full(settings.doubleBounceNoticeRecipient),
    delay: full(settings.delayNoticeRecipient),
    error: full(settings.errorNoticeRecipient),
    postmaster: `postmaster@${defaultDomain}`,
  }
}

export function smtpdBoot(context: BootContext, slot: number): SmtpdBoot {
  const { config, settings, number, defaultDomain } = context.generation
  const { paths } = context
  return {
    slot,
    generation: number,
    listeners: context.listeners,
    settings,
    postmaster: `postmaster@${defaultDomain}`,
    notices: noticesBoot(context),
    certificate: config.tls,
    signatureFolder: config.signatureFolder,
    signatureCache: paths.signatureCache,
    queueSocket: paths.queueSocket,
    spoolFolder: paths.spool,
    directoryFile: paths.directory,
    isMirror: config.directory.ldap !== undefined,
    directorySocket: paths.lookupSocket,
    log: logOf(context),
  }
}
