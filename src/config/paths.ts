import { join } from 'node:path'

/** Everything that lies in the data folder. */
export interface Paths {
  readonly data: string
  /** Sockets and what is known of the processes that run; nothing in it outlives them. */
  readonly run: string
  /** A folder for what smtpd may reach, and one for the health process: each may be a user of its own. */
  readonly runSmtpd: string
  readonly runHealth: string
  readonly controlSocket: string
  /** The same, for who may look and change nothing. */
  readonly lookSocket: string
  readonly queueSocket: string
  /** Takes the mail of the self-test while that runs (mail/self-test.ts). */
  readonly selfTestSocket: string
  /** Which processes there are, for the next master should this one be killed. */
  readonly processes: string
  /** queue.db and its lock. */
  readonly queue: string
  /** Bodies of large messages; on the file system of queue.db. */
  readonly spool: string
  readonly mailboxes: string
  /** What lookups read: the embedded directory, or the mirror of the one that is reached over LDAP. */
  readonly directory: string
  readonly embeddedDirectory: string
  /** Who has failed to log in, and is locked out. */
  readonly attempts: string
  readonly directorySocket: string
  /** The same, for what smtpd may ask. */
  readonly lookupSocket: string
  /** The history of the settings. */
  readonly generations: string
  readonly compileCache: string
  readonly signatureCache: string
  /** The health process keeps here which alarms it has told of; losing it means that some are told again. */
  readonly healthCache: string
}

/** `source`: what the directory is, `sourceOf` of the configuration; only `directory` depends on it. */
export function pathsOf(data: string, source: 'embedded' | 'ldap' = 'embedded'): Paths {
  const run = join(data, 'run')
  return {
    data,
    run,
    runSmtpd: join(run, 'smtpd'),
    runHealth: join(run, 'health'),
    controlSocket: join(run, 'control.sock'),
    lookSocket: join(run, 'health', 'control.sock'),
    queueSocket: join(run, 'smtpd', 'qmgr.sock'),
    selfTestSocket: join(run, 'selftest.sock'),
    processes: join(run, 'processes.json'),
    queue: join(data, 'queue'),
    spool: join(data, 'queue', 'spool'),
    mailboxes: join(data, 'mailboxes'),
    directory: join(data, 'directory', source === 'ldap' ? 'directory-ldap.db' : 'directory.db'),
    embeddedDirectory: join(data, 'directory', 'directory.db'),
    attempts: join(data, 'directory', 'attempts.db'),
    directorySocket: join(run, 'directory.sock'),
    lookupSocket: join(run, 'smtpd', 'directory.sock'),
    generations: join(data, 'settings', 'generations.db'),
    compileCache: join(data, 'cache', 'compile'),
    signatureCache: join(data, 'cache', 'signatures'),
    healthCache: join(data, 'cache', 'health'),
  }
}
