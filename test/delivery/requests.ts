import { memoryLog } from '#src/base/log.ts'
import { createDeliverer } from '#src/delivery/deliverer.ts'
import { defaultDelivery } from '#src/delivery/settings.ts'
import type { Planner } from '#src/delivery/attempt.ts'
import type { DelivererOptions } from '#src/delivery/deliverer.ts'
import type { AgentSettings, DeliverySettings, DeliveryTimeouts } from '#src/delivery/settings.ts'
import type {
  BodySource,
  Deliverer,
  DeliveryRequest,
  QueuedMessage,
  QueuedRecipient,
  RecipientOutcome,
} from '#src/queue/ports.ts'

/** Long enough for a loopback answer on a busy machine, for what must not time out. */
export const PATIENT: DeliveryTimeouts = {
  connectMs: 20_000,
  helloMs: 20_000,
  startTlsMs: 20_000,
  mailMs: 20_000,
  rcptMs: 20_000,
  dataInitMs: 20_000,
  dataXferMs: 20_000,
  dataDoneMs: 20_000,
  rsetMs: 20_000,
  quitMs: 1000,
}

export function settings(change: Partial<AgentSettings> = {}): DeliverySettings {
  const { lmtp, smtp } = defaultDelivery('mx.test')
  const quick = { timeouts: PATIENT, closeMs: 500, ...change }
  return { lmtp: { ...lmtp, ...quick }, smtp: { ...smtp, ...quick } }
}

export type TestDeliverer = Deliverer & { readonly log: ReturnType<typeof memoryLog> } & AsyncDisposable

export function deliverer(
  change: Partial<AgentSettings> = {},
  options: Partial<DelivererOptions> = {},
): TestDeliverer {
  const log = memoryLog()
  const given = settings(change)
  const made = createDeliverer({
    settings: () => given,
    planner: addressesOf([]),
    log,
    ...options,
  })
  return Object.assign(made, { log, [Symbol.asyncDispose]: () => made.close() })
}

/** A planner for which every destination has these addresses, or fails with that sentence. */
export function addressesOf(found: readonly string[] | string, sessionsMax = 2): Planner {
  return ({ protocol, host, port }) => {
    if (typeof found === 'string' || found.length === 0) {
      const reason = typeof found === 'string' ? found : 'no addresses in this test'
      return Promise.resolve({ kind: 'deferred', dsn: '4.4.3', reason, replyCode: 450, alarm: '' })
    }
    const name = host.replace(/^\[|\]$/g, '')
    const hop = { text: host, host: name, port, bracketed: true, role: 'table', reason: '' } as const
    const candidates = found.map((address) => {
      const family = address.includes(':') ? (6 as const) : (4 as const)
      const known = { host: name, canonicalHost: name, secure: false, preference: 0 }
      return { ...known, address, family, port, hop: 0 }
    })
    const hops = [{ hop, mxSecure: false, via: 'address' as const }]
    return Promise.resolve({ kind: 'try', protocol, hops, candidates, sessionsMax, alarm: '' })
  }
}

export function message(change: Partial<QueuedMessage> = {}): QueuedMessage {
  return {
    seq: 1,
    id: '4ZTEST0001zTest',
    arrivedMs: Date.now(),
    sender: 'sender@example.org',
    eightBit: false,
    smtpUtf8: false,
    ret: '',
    envid: '',
    origin: {
      clientAddress: '192.0.2.9',
      clientPort: 4321,
      clientName: 'client.example.org',
      helo: 'client',
      protocol: 'ESMTP',
    },
    prefix: 'Received: from client\r\n\tby mx.test; Sun, 22 Nov 2026 10:09:00 +0000\r\n',
    sizeBytes: 200,
    messageId: '<1@example.org>',
    ...change,
  }
}

export function recipient(address: string, change: Partial<QueuedRecipient> = {}): QueuedRecipient {
  return {
    n: 0,
    address,
    original: address,
    orcpt: '',
    notify: [],
    state: 'incoming',
    dueMs: 0,
    attempts: 0,
    lastReply: '',
    ...change,
  }
}

export const BODY = 'Subject: hello\r\n\r\nHello.\r\n'

export function body(bytes: string | Uint8Array = BODY, blockBytes = Infinity): BodySource {
  const whole = typeof bytes === 'string' ? Buffer.from(bytes) : bytes
  return {
    length: whole.length,
    *blocks() {
      for (let at = 0; at < whole.length; at += blockBytes) {
        yield whole.subarray(at, Math.min(whole.length, at + blockBytes))
      }
    },
  }
}

export function request(
  port: number,
  addresses: readonly string[],
  change: Partial<DeliveryRequest> & { readonly protocol?: 'lmtp' | 'smtp' } = {},
): DeliveryRequest {
  return {
    message: message(),
    recipients: addresses.map((address, n) => recipient(address, { n })),
    body: body(),
    destination: { protocol: change.protocol ?? 'lmtp', host: '127.0.0.1', port },
    ...change,
  }
}

export const never = new AbortController().signal

/** `kind dsn reply` of each; PEER stands for the fake peer's name. */
export function shown(outcomes: readonly RecipientOutcome[]): string[] {
  return outcomes.map(({ kind, dsn, reply }) =>
    `${kind} ${dsn} ${reply}`.replaceAll('127.0.0.1[127.0.0.1]', 'PEER'),
  )
}
