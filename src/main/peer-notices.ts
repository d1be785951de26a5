import { systemClock } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'
import type { PeerTrouble } from '#src/delivery/transcript.ts'
import type { Recipients } from '#src/policy/policy.ts'
import { QueueClient } from '#src/queue/client.ts'
import { submitSocketPath } from '#src/queue/paths.ts'
import { SessionNotices } from '#src/smtp/session-notices.ts'
import { AlarmMail } from './alarm-mail.ts'
import { MailNotices } from './mail-notices.ts'
import { noticeTargets } from './notice-targets.ts'
import type { QmgrBoot } from './qmgr-boot.ts'

export interface PeerNoticesOptions {
  /** In force at this moment. */
  readonly boot: () => QmgrBoot
  readonly directory: Recipients
  readonly newQueueId: (nowMs: number) => string
  readonly log: Log
}

/**
 * Tells postmaster of sessions with next hops in which one side had the protocol wrong (class `protocol` of
 * notify_classes), as smtp(8) and lmtp(8) do, at the bounded rate of smtpd's own notices.
 */
export class PeerNotices implements Disposable {
  readonly #options: PeerNoticesOptions
  readonly #queue: QueueClient
  readonly #notices: Readonly<Record<PeerTrouble['peer']['protocol'], SessionNotices>>

  readonly alarms: AlarmMail
  /** Of mail that something of ours keeps back. */
  readonly mail: MailNotices

  constructor(options: PeerNoticesOptions) {
    this.#options = options
    const { log, newQueueId } = options
    const { smtpdRunDir, spoolDir } = options.boot()
    // A notice enters the queue as any other mail does: it is queued once its commit is on the disk.
    const socketPath = submitSocketPath(smtpdRunDir)
    this.#queue = new QueueClient({ socketPath, spoolDir, clock: systemClock, log })
    this.alarms = new AlarmMail({ ...options, queue: this.#queue })
    this.mail = new MailNotices({ ...options, queue: this.#queue })
    const tools = { queue: this.#queue, clock: systemClock, log, newQueueId, event: 'qmgr.notice' } as const
    this.#notices = {
      smtp: new SessionNotices({ ...tools, agent: 'SMTP client' }),
      lmtp: new SessionNotices({ ...tools, agent: 'LMTP client' }),
    }
  }

  /** Once the writer listens. */
  start(): void {
    this.#queue.start()
  }

  /** Who is told of trouble; undefined where nobody is, and then nothing is written down of any session. */
  readonly onTrouble = (): ((trouble: PeerTrouble) => void) | undefined =>
    this.#options.boot().notices.classes.includes('protocol') ? this.#tell : undefined

  readonly #tell = ({ peer, lines }: PeerTrouble): void => {
    const { directory } = this.#options
    const { hostname, generation, notices } = this.#options.boot()
    this.#notices[peer.protocol].tell(
      { classes: new Set(['protocol']), lines },
      { name: peer.host, address: peer.address },
      { hostname, generation, targets: (which) => noticeTargets(which, notices, directory) },
    )
  };

  [Symbol.dispose](): void {
    for (const notices of Object.values(this.#notices)) notices[Symbol.dispose]()
    this.alarms[Symbol.dispose]()
    this.mail[Symbol.dispose]()
    this.#queue.close()
  }
}
