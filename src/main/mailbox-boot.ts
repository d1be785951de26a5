import type { LogBoot } from './ipc.ts'

/** What master tells the embedded mailbox store at its start. */
export interface MailboxBoot {
  readonly hostname: string
  readonly address: string
  readonly port: number
  /** Absolute path of the folder that the Maildirs lie in. */
  readonly root: string
  /** `message_size_limit` and some room for the header lines that are added on the way; 0 for no limit. */
  readonly messageBytesMax: number
  readonly log: LogBoot
}
