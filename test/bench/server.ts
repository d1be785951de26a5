import type { ProcessGroup } from './cpu.ts'
import type { ServerName } from './options.ts'

/** A mail server under test: started, listening, and with all its processes in a group of its own. */
export interface ServerUnderTest {
  readonly name: ServerName
  /** SMTP on 127.0.0.1. */
  readonly port: number
  readonly group: ProcessGroup
  /** The version, for the head of the report. */
  readonly version: string
  stop(): Promise<void>
}

/** What every server is given. */
export interface Place {
  /** A folder of its own, empty, on the disk that is measured. */
  readonly dir: string
  /** The LMTP server on 127.0.0.1 that takes everything for `RECIPIENT`. */
  readonly sinkPort: number
  /** More variables for the environment of every process: the preloaded slow disk, Node's profiler. */
  readonly env: Readonly<Record<string, string>>
}

export const SENDER = 'a@src.test'
export const RECIPIENT_DOMAIN = 'example.test'
/** A mailbox that every server takes mail for; a new Postern has it. */
export const RECIPIENT = `alice@${RECIPIENT_DOMAIN}`
