import type { Generation } from '#src/main/generation.ts'
import type { LogBoot } from '#src/main/ipc.ts'
import type { MailboxBoot } from '#src/main/mailbox-boot.ts'
import type { Paths } from '#src/main/paths.ts'
import type { SmtpdBoot } from '#src/main/smtpd-boot.ts'

/** What the settings messages of the processes are made of. */
export interface BootContext {
  readonly generation: Generation
  readonly paths: Paths
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

export function qmgrBoot(context: BootContext): unknown {
  return { ...context, log: logOf(context) }
}

export function smtpdBoot(context: BootContext, slot: number): SmtpdBoot {
  const { config, settings, number, defaultDomain } = context.generation
  const { paths } = context
  return {
    slot,
    generation: number,
    listeners: config.listeners,
    settings,
    postmaster: `postmaster@${defaultDomain}`,
    certificate: config.tls,
    signatureFolder: config.signatureFolder,
    signatureCache: paths.signatureCache,
    queueSocket: paths.queueSocket,
    spoolFolder: paths.spool,
    directoryFile: paths.directory,
    log: logOf(context),
  }
}
