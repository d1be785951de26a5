import { errorCode, errorText } from '#src/base/fault.ts'
import { openLog } from '#src/base/log.ts'
import { startMailboxServer } from '#src/smtp/mailbox-server.ts'
import { logTargets } from './open-log.ts'
import type { Log } from '#src/base/log.ts'
import type { MailboxServer } from '#src/smtp/mailbox-server.ts'
import type { MailboxBoot } from './mailbox-boot.ts'
import { leaveMaster, serveMaster, tell, tellFailed } from './under-master.ts'

/**
 * The embedded mailbox store as a process: LMTP in, Maildir out. master starts it where no LMTP server is set.
 *
 * It takes every address in any domain, because only our own queue manager talks to it, and hands over what the
 * directory has resolved: a second look-up here could only disagree with the first.
 */

/** A silent client is kept for so long; delivery closes its idle connections after seconds. */
const IDLE_MS = 300_000
/** How long messages under way may take after a stop. */
const STOP_MS = 5000

let server: MailboxServer | undefined
let log: Log | undefined
let stopping = false

serveMaster<MailboxBoot>('mailbox', {
  boot: (boot) => void start(boot),
  stop: () => void stop(),
})

async function start(boot: MailboxBoot): Promise<void> {
  try {
    const opened = openLog(logTargets('mailbox', boot.log))
    log = opened
    server = await startMailboxServer({
      hostname: boot.hostname,
      address: boot.address,
      port: boot.port,
      root: boot.root,
      messageBytesMax: boot.messageBytesMax,
      log: opened,
      mailboxOf: (local, domain) => ({ local: local.toLowerCase(), domain }),
      idleMs: IDLE_MS,
      stopMs: STOP_MS,
    })
    if (stopping) await stop()
    else tell({ kind: 'ready', facts: { address: server.address, port: server.port, root: boot.root } })
  } catch (error) {
    tellFailed(startFailure(boot, error))
    await stop()
  }
}

async function stop(): Promise<void> {
  stopping = true
  const running = server
  server = undefined
  await running?.stop()
  log?.flush()
  leaveMaster()
}

function startFailure(boot: MailboxBoot, error: unknown): string {
  switch (errorCode(error)) {
    case 'EADDRINUSE':
      return `The mailbox store cannot listen on ${boot.address}:${boot.port}: another program does. Stop it, or set another port under [mailbox].`
    case 'EACCES':
    case 'EPERM':
      return `The mailbox store may not listen on ${boot.address}:${boot.port} or not write to ${boot.root}: ${errorText(error)}. Give this user the right, or choose another port or folder.`
    default:
      return `The mailbox store on ${boot.address}:${boot.port} with ${boot.root} cannot start: ${errorText(error)}.`
  }
}
