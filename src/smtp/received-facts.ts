import type { Facts } from '#src/base/fault.ts'
import type { EventName } from '#src/base/events.ts'
import { replyText } from '#src/base/reply.ts'
import type { Client } from './client.ts'
import type { Received, ReceptionFacts } from './reception.ts'

/** What the log tells of a message that has ended, beside who sent it. */
export function receivedFacts(
  received: Received,
  { id, envelope, protocol }: ReceptionFacts,
  { user, mechanism }: Pick<Client, 'user' | 'mechanism'>,
): { readonly event: EventName; readonly facts: Facts } {
  const base = { id, from: envelope.sender.text, proto: protocol }
  const nrcpt = envelope.recipients.length
  if (received.kind === 'queued') {
    const { prefix, messageId } = received.message
    const login = user === '' ? {} : { saslMethod: mechanism, user }
    const size = prefix.length + received.bytes
    return { event: 'smtpd.queued', facts: { ...base, ...login, size, nrcpt, messageId } }
  }
  const to = envelope.recipients[0]?.original
  const verdict = JSON.stringify(received.facts)
  const facts = { ...base, to, nrcpt, reply: replyText(received.reply), verdict }
  if (received.kind === 'refused') return { event: 'smtpd.message_refused', facts }
  return { event: 'smtpd.discarded', facts: { ...facts, why: received.why } }
}
