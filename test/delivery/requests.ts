import { memoryLog } from '#src/base/log.ts'
import { createDeliverer } from '#src/delivery/deliverer.ts'
import { DEFAULT_DELIVERY } from '#src/delivery/settings.ts'
import type { DelivererOptions } from '#src/delivery/deliverer.ts'
import type { DeliverySettings, DeliveryTimeouts } from '#src/delivery/settings.ts'
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

export function settings(change: Partial<DeliverySettings> = {}): DeliverySettings {
  return { ...DEFAULT_DELIVERY, helloName: 'mx.test', timeouts: PATIENT, closeMs: 500, ...change }
}

export type TestDeliverer = Deliverer & { readonly log: ReturnType<typeof memoryLog> } & AsyncDisposable

export function deliverer(
  change: Partial<DeliverySettings> = {},
  options: Partial<DelivererOptions> = {},
): TestDeliverer {
  const log = memoryLog()
  const made = createDeliverer({
    settings: settings(change),
    log,
    ...options,
  })
  return Object.assign(made, { log, [Symbol.asyncDispose]: () => made.close() })
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
