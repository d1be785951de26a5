import type { TlsConfig } from '#src/config/config.ts'
import type { Settings } from '#src/config/settings.ts'
import type { LogBoot } from './ipc.ts'
import type { OpenListener } from './listening.ts'
import type { NoticesBoot } from './notice-targets.ts'

/**
 * What master tells an smtpd process at its start and at each new generation; plain data, so that it can travel
 * over IPC. At a new generation all but `slot`, `listeners`, `queueSocket`, `spoolFolder`, `directoryFile`,
 * `directorySocket` and `log` is taken over for sessions that begin from then on.
 */
export interface SmtpdBoot {
  /** Which of the smtpd processes this is, counted from 1. */
  readonly slot: number
  /** Number of the generation. */
  readonly generation: number
  /** Opened by each smtpd with SO_REUSEPORT, but for those with `fd`: an open socket that all of them share. */
  readonly listeners: readonly OpenListener[]
  /** `myHostname` is filled in. */
  readonly settings: Settings
  /** Where mail to `<postmaster>` goes: an address of ours, `postmaster@` and the default domain. */
  readonly postmaster: string
  readonly notices: NoticesBoot
  /** PEM files. They are read anew at each generation; a pair that cannot be used leaves the old one. */
  readonly certificate: TlsConfig
  /** Files of signatures, and the folder where what is compiled of them is kept. */
  readonly signatureFolder: string
  readonly signatureCache: string
  /** Absolute paths: the socket of the queue manager, its spool folder, the embedded directory. */
  readonly queueSocket: string
  readonly spoolFolder: string
  readonly directoryFile: string
  /** Whether that file is the mirror of a directory over LDAP, so that what it lacks may yet be there. */
  readonly isMirror: boolean
  /** The socket of the `directory` process. */
  readonly directorySocket: string
  readonly log: LogBoot
}
