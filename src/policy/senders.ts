import type { Reply } from '#src/base/reply.ts'
import { reply } from '#src/base/reply.ts'
import { addressText, parseAddress } from '#src/mail/address.ts'

/** As much of a client as the rules on senders look at. */
export interface SendingClient {
  /** The account that it has authenticated as, '' if it has not. */
  readonly user: string
  /** What that account may send as, in lower case; `@domain` is all of a domain, `*` anybody. */
  readonly sendsAs: readonly string[]
}

/** What the rules want to know beside the client. */
export interface SenderFacts {
  /** In the order in which they are looked at (smtpd_sender_restrictions). */
  readonly restrictions: readonly string[]
  readonly recipientDelimiter: string
  /** Whether the client is one of mynetworks. */
  readonly isTrusted: () => boolean
  /** Whether an address belongs to somebody of ours; 'unavailable': nobody can tell. */
  readonly isOwned: (address: string) => 'owned' | 'free' | 'unavailable'
}

/** Rules that say nothing of who has not authenticated: with these alone mail from outside needs no look. */
const OF_USERS: ReadonlySet<string> = new Set([
  'permit_sasl_authenticated',
  'reject_authenticated_sender_login_mismatch',
  'reject_non_fqdn_sender',
])

/** Whether some of the restrictions are about clients that have not authenticated. */
export function concernStrangers(restrictions: readonly string[]): boolean {
  return restrictions.some((restriction) => !OF_USERS.has(restriction))
}

/**
 * smtpd_sender_restrictions: may this client send as `sender`? undefined: yes. The null sender is anybody's, for
 * notices, as in Postfix.
 */
export function senderRefusal(client: SendingClient, sender: string, facts: SenderFacts): Reply | undefined {
  if (sender === '') return undefined
  for (const restriction of facts.restrictions) {
    switch (restriction) {
      case 'permit_mynetworks':
        if (facts.isTrusted()) return undefined
        break
      case 'permit_sasl_authenticated':
        if (client.user !== '') return undefined
        break
      default: {
        const refusal = refusedBy(restriction, client, sender, facts)
        if (refusal !== undefined) return refusal
      }
    }
  }
  return undefined
}

// oxlint-disable-next-line max-params -- the rule, who, as whom, and what is known
function refusedBy(
  restriction: string,
  client: SendingClient,
  sender: string,
  facts: SenderFacts,
): Reply | undefined {
  switch (restriction) {
    case 'reject_authenticated_sender_login_mismatch':
      return client.user === '' ? undefined : notOwned(client, sender, facts)
    case 'reject_unauthenticated_sender_login_mismatch':
      return client.user === '' ? notLoggedIn(sender, facts) : undefined
    case 'reject_sender_login_mismatch':
      return client.user === '' ? notLoggedIn(sender, facts) : notOwned(client, sender, facts)
    case 'reject_known_sender_login_mismatch':
      return client.user === '' ? notLoggedIn(sender, facts) : ownedByOthers(client, sender, facts)
    default:
      // reject_non_fqdn_sender: no sender without a domain comes as far as this.
      return undefined
  }
}

function notOwned(client: SendingClient, sender: string, facts: SenderFacts): Reply | undefined {
  if (mayUse(client, sender, facts.recipientDelimiter)) return undefined
  const text = `<${sender}>: Sender address rejected: not owned by user ${client.user}`
  return reply(553, '5.7.1', text)
}

function ownedByOthers(client: SendingClient, sender: string, facts: SenderFacts): Reply | undefined {
  switch (facts.isOwned(sender)) {
    case 'owned':
      return notOwned(client, sender, facts)
    case 'free':
      return undefined
    case 'unavailable':
      return temporary(sender)
  }
}

function notLoggedIn(sender: string, facts: SenderFacts): Reply | undefined {
  switch (facts.isOwned(sender)) {
    case 'owned':
      return reply(553, '5.7.1', `<${sender}>: Sender address rejected: not logged in`)
    case 'free':
      return undefined
    case 'unavailable':
      return temporary(sender)
  }
}

function temporary(sender: string): Reply {
  return reply(451, '4.3.0', `<${sender}>: Temporary lookup failure`)
}

/** Looked for as Postfix does: the whole address, without its extension, the whole domain. */
function mayUse({ sendsAs }: SendingClient, sender: string, delimiters: string): boolean {
  if (sendsAs.includes('*')) return true
  const parsed = parseAddress(sender)
  if (parsed === undefined) return false
  const { local, domain } = parsed
  const plain = withoutExtension(local, delimiters)
  const keys = [addressText(local, domain), addressText(plain, domain), `@${domain}`].map(fold)
  return keys.some((key) => sendsAs.includes(key))
}

/** recipient_delimiter: an extension needs a user before it. */
function withoutExtension(local: string, delimiters: string): string {
  for (let i = 1; i < local.length; i += 1) {
    if (delimiters.includes(local.charAt(i))) return local.slice(0, i)
  }
  return local
}

function fold(text: string): string {
  return text.normalize('NFC').toLowerCase()
}
