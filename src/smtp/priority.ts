import type { Reply } from '#src/base/reply.ts'
import type { MailParameters } from './parameters.ts'
import { REPLY } from './replies.ts'

/** What becomes of a wish for priority: anybody may say MT-PRIORITY, only who is trusted has it (RFC 6710 section 5.1). */
export function grantPriority(
  parameters: MailParameters,
  isTrusted: () => boolean,
): { readonly parameters: MailParameters; readonly reply: Reply } {
  if (parameters.priority === 0 || isTrusted()) return { parameters, reply: REPLY.senderOk }
  return { parameters: { ...parameters, priority: 0 }, reply: REPLY.priorityNotGranted }
}
