import { Buffer } from 'node:buffer'
import { crc32 } from 'node:zlib'
import { systemClock } from '#src/base/clock.ts'
import { memoryLog } from '#src/base/log.ts'
import { reply } from '#src/base/reply.ts'
import type { NewMessage, QueueSubmitter, SpoolWriter, SubmitOutcome } from '#src/queue/types.ts'
import type { SmtpEnvironment } from '#src/smtp/environment.ts'
import type {
  AuthAttempt,
  Authenticator,
  AuthVerdict,
  ClientInfo,
  ContentJudge,
  PeerNames,
  Policy,
} from '#src/smtp/ports.ts'
import { DEFAULT_SETTINGS } from '#src/smtp/settings.ts'
import type { SmtpSettings } from '#src/smtp/settings.ts'
import { PlainScannerPool } from './plain-scanner.ts'

/** A spool file in memory. */
export class MemorySpool implements SpoolWriter {
  readonly file: string
  readonly blocks: Buffer[] = []
  state: 'open' | 'synced' | 'discarded' = 'open'
  fail: { code: string } | undefined
  /** Only the length is kept, for very large bodies. */
  lengthOnly = false
  length = 0
  crc = 0
  /** Resolves before each write goes on; a test may hold it. */
  gate: Promise<void> = Promise.resolve()

  constructor(file: string) {
    this.file = file
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.gate
    if (this.fail !== undefined) throw Object.assign(new Error('disk'), this.fail)
    this.length += bytes.length
    this.crc = crc32(bytes, this.crc)
    if (!this.lengthOnly) this.blocks.push(Buffer.from(bytes))
  }

  async sync(): Promise<void> {
    await this.gate
    this.state = 'synced'
  }

  async read(offset: number, into: Uint8Array): Promise<number> {
    await this.gate
    return Buffer.concat(this.blocks).copy(into, 0, offset)
  }

  discard(): void {
    this.state = 'discarded'
  }
}

/** A queue in memory. */
export class MemoryQueue implements QueueSubmitter {
  readonly messages: NewMessage[] = []
  readonly spools: MemorySpool[] = []
  open: 'open' | 'full' | 'unavailable' = 'open'
  outcome: SubmitOutcome = 'queued'
  spoolOutcome: 'full' | 'unavailable' | undefined
  lengthOnly = false
  gate: Promise<void> = Promise.resolve()
  /** Submissions that have begun. */
  submissions = 0

  admission(): 'open' | 'full' | 'unavailable' {
    return this.open
  }

  async submit(message: NewMessage): Promise<SubmitOutcome> {
    this.submissions += 1
    await this.gate
    if (this.outcome === 'queued') this.messages.push(message)
    return this.outcome
  }

  async openSpool(): Promise<SpoolWriter | 'full' | 'unavailable'> {
    if (this.spoolOutcome !== undefined) return this.spoolOutcome
    const spool = new MemorySpool(`f${this.spools.length}`)
    spool.lengthOnly = this.lengthOnly
    spool.gate = this.gate
    this.spools.push(spool)
    return spool
  }

  /** The stored octets of the n-th message. */
  body(n: number): Buffer {
    const body = this.messages[n]?.body
    if (body === undefined) throw new Error(`there is no message ${n}`)
    if (body.kind === 'inline') return Buffer.from(body.bytes)
    const spool = this.spools.find((file) => file.file === body.file)
    return Buffer.concat(spool?.blocks ?? [])
  }
}

/**
 * Takes what is at example.test; local parts say what else is to happen: `unknown` is refused, `later` cannot be
 * answered, `slow` is answered in a later turn, `two` is two mailboxes.
 */
export class FakePolicy implements Policy {
  connected = 0
  disconnected = 0
  readonly asked: string[] = []
  refuseConnect: ReturnType<typeof reply> | undefined

  connect(): ReturnType<Policy['connect']> {
    if (this.refuseConnect === undefined) this.connected += 1
    return this.refuseConnect
  }

  disconnect(): void {
    this.disconnected += 1
  }

  mail(_client: unknown, sender: string): ReturnType<Policy['mail']> {
    if (sender.startsWith('banned@'))
      return reply(554, '5.7.1', `<${sender}>: Sender address rejected: Access denied`)
    if (sender.startsWith('slow@')) return later(undefined)
    if (sender.startsWith('broken@')) return Promise.reject(new Error('the directory is on fire'))
    return undefined
  }

  trusts({ user, helo }: ClientInfo): boolean {
    return user !== '' || helo === 'trusted.example'
  }

  // oxlint-disable-next-line max-params -- the port's
  recipient(_client: unknown, _sender: string, address: string): ReturnType<Policy['recipient']> {
    this.asked.push(address)
    const local = address.slice(0, address.lastIndexOf('@'))
    if (local === 'later' || local === 'postmaster') {
      return { kind: 'refuse', reply: reply(451, '4.3.0', `<${address}>: Temporary lookup failure`) }
    }
    if (!address.endsWith('@example.test')) {
      return { kind: 'refuse', reply: reply(554, '5.7.1', `<${address}>: Relay access denied`) }
    }
    if (local === 'unknown') {
      return {
        kind: 'refuse',
        reply: reply(550, '5.1.1', `<${address}>: Recipient address rejected: User unknown`),
      }
    }
    if (local === 'endless') {
      const text = `<${address}>: Recipient address rejected: Alias expansion error`
      return { kind: 'refuse-message', reply: reply(451, '4.6.0', text) }
    }
    if (local === 'broken') return Promise.reject(new Error('the directory is on fire'))
    const verdict = {
      kind: 'accept',
      deliverTo: local === 'two' ? ['one@example.test', 'two@example.test'] : [address],
    } as const
    return local === 'slow' ? later(verdict) : verdict
  }
}

async function later<T>(value: T): Promise<T> {
  await new Promise((resolve) => {
    setImmediate(resolve)
  })
  return value
}

/** Refuses what was rechecked, and what its subject says should be. */
export const fakeJudge: ContentJudge = {
  judge(report) {
    if (report.header.subject === 'explode') throw new Error('the judge is on fire')
    const refused = report.hits.length > 0 || report.header.subject === 'virus'
    const facts = { hits: report.hits.length }
    return refused
      ? { kind: 'refuse', reply: reply(550, '5.7.1', 'Virus found in message: Test'), facts }
      : { kind: 'accept', facts }
  },
}

/** `alice` may come in with `secret`; other names say what is to happen. */
export class FakeAuthenticator implements Authenticator {
  readonly asked: { readonly user: string; readonly password: string; readonly mechanism: string }[] = []
  /** The octets of the passwords as they were handed in: to be looked at when it is over. */
  readonly passwords: Uint8Array[] = []

  async authenticate(attempt: AuthAttempt): Promise<AuthVerdict> {
    const { user, mechanism } = attempt
    const password = Buffer.from(attempt.password).toString()
    this.asked.push({ user, password, mechanism })
    this.passwords.push(attempt.password)
    await later(undefined)
    switch (user) {
      case 'down@example.test':
        return { kind: 'unavailable', why: 'the directory is away' }
      case 'broken@example.test':
        throw new Error('the directory is on fire')
      case 'fast@example.test':
        return { kind: 'too-fast' }
      case 'blocked@example.test':
        return { kind: 'blocked' }
      case 'alice@example.test':
        if (password === 'secret') return { kind: 'ok', user, sendsAs: [user] }
    }
    return { kind: 'refused', why: 'wrong password' }
  }
}

export const fakeNames: PeerNames = { lookup: () => ({ name: 'client.example' }) }

export interface Fakes {
  readonly queue: MemoryQueue
  readonly policy: FakePolicy
  readonly authenticator: FakeAuthenticator
  readonly scanners: PlainScannerPool
  readonly log: ReturnType<typeof memoryLog>
  readonly environment: SmtpEnvironment
}

/** An environment of fakes; every delay is short enough that a test with it need not wait. */
export function fakes(settings: Partial<SmtpSettings> = {}): Fakes {
  const queue = new MemoryQueue()
  const policy = new FakePolicy()
  const authenticator = new FakeAuthenticator()
  const scanners = new PlainScannerPool()
  const log = memoryLog()
  let ids = 0
  const environment: SmtpEnvironment = {
    settings: {
      ...DEFAULT_SETTINGS,
      hostname: 'mx.example.test',
      postmaster: 'postmaster@example.test',
      errorDelayMs: 1,
      ...settings,
    },
    policy,
    authenticator,
    queue,
    scanners,
    judge: fakeJudge,
    names: fakeNames,
    log,
    clock: systemClock,
    newQueueId: () => {
      ids += 1
      return `4Test${ids}`
    },
  }
  return { queue, policy, authenticator, scanners, log, environment }
}
