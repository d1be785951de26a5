import type { Reply } from '#src/base/reply.ts'
import { reply } from '#src/base/reply.ts'
import type { DomainKind, RecipientLookup } from '#src/directory/directory.ts'
import { parseAddress } from '#src/mail/address.ts'
import { SELF_TEST_ADDRESS, SELF_TEST_DOMAIN } from '#src/mail/self-test.ts'
import { isLoopback, NetworkList } from '#src/net/addresses.ts'
import { concernStrangers, senderRefusal } from './senders.ts'
import type { SendingClient } from './senders.ts'

/** The lookups that policy wants of the directory. */
export interface Recipients {
  domain(name: string): DomainKind
  recipient(address: string): RecipientLookup
}

/** Counts the connections of each client over all smtpd processes. */
export interface Anvil {
  /** Whether the client may have one more; if so, it is counted until `leave`. */
  admit(address: string): Promise<boolean>
  leave(address: string): void
}

export interface PolicySettings {
  readonly hostname: string
  /** mynetworks. */
  readonly myNetworks: readonly string[]
  /** smtpd_client_connection_count_limit; 0 for none. */
  readonly connectionCountLimit: number
  /** Where mail for postmaster goes where the directory knows no better: an address of ours. */
  readonly postmaster: string
  /** smtpd_reject_unlisted_sender. */
  readonly rejectUnlistedSender: boolean
  /** smtpd_sender_restrictions. */
  readonly senderRestrictions: readonly string[]
  /** relay_clientcerts: SHA-256 in hexadecimal digits, lower case, without colons. */
  readonly relayClientCerts: readonly string[]
  readonly recipientDelimiter: string
}

/** As much of a client as policy looks at. */
export interface PolicyClient extends SendingClient {
  readonly address: string
  readonly port: number
  /** Of the certificate that it has shown. */
  readonly fingerprints: readonly string[]
}

export type RecipientDecision =
  | { readonly kind: 'accept'; readonly deliverTo: readonly string[] }
  | { readonly kind: 'refuse'; readonly reply: Reply }
  /** The message cannot be taken for its other recipients either. */
  | { readonly kind: 'refuse-message'; readonly reply: Reply }

/** Who may send what to whom. What smtp asks of it is declared in smtp/ports.ts. */
export class SmtpPolicy {
  readonly #recipients: Recipients
  readonly #anvil: Anvil
  #settings: PolicySettings
  #myNetworks: NetworkList
  /** Whether smtpd_sender_restrictions say anything of clients that have not authenticated. */
  #looksAtStrangers: boolean
  /** The clients that anvil counts; the others were exempt when they came. */
  readonly #counted = new Set<string>()

  constructor(recipients: Recipients, anvil: Anvil, settings: PolicySettings) {
    this.#recipients = recipients
    this.#anvil = anvil
    this.#settings = settings
    this.#myNetworks = new NetworkList(settings.myNetworks)
    this.#looksAtStrangers = concernStrangers(settings.senderRestrictions)
  }

  /** Takes a new generation; sessions under way go on, and what they ask from now on is answered by it. */
  update(settings: PolicySettings): void {
    this.#settings = settings
    this.#myNetworks = new NetworkList(settings.myNetworks)
    this.#looksAtStrangers = concernStrangers(settings.senderRestrictions)
  }

  /** Postfix exempts mynetworks too (smtpd_client_event_limit_exceptions). */
  connect(client: PolicyClient): Promise<Reply | undefined> | undefined {
    if (this.#settings.connectionCountLimit === 0 || this.#myNetworks.has(client.address)) return undefined
    return this.#count(client)
  }

  async #count(client: PolicyClient): Promise<Reply | undefined> {
    if (await this.#anvil.admit(client.address)) {
      this.#counted.add(keyOf(client))
      return undefined
    }
    const text = `${this.#settings.hostname} Error: too many connections from your host`
    return { code: 421, dsn: '4.7.0', text, close: true }
  }

  disconnect(client: PolicyClient): void {
    if (this.#counted.delete(keyOf(client))) this.#anvil.leave(client.address)
  }

  /** Anybody may write to us, but not as somebody else of ours: smtpd_sender_restrictions. */
  mail(client: PolicyClient, sender: string, recipients: Recipients = this.#recipients): Reply | undefined {
    const { senderRestrictions, recipientDelimiter, rejectUnlistedSender } = this.#settings
    if (sender === '') return undefined
    if (rejectUnlistedSender && isUnlisted(recipients, sender))
      return reply(550, '5.1.0', `<${sender}>: Sender address rejected: User unknown`)
    if (client.user === '' && !this.#looksAtStrangers) return undefined
    return senderRefusal(client, sender, {
      restrictions: senderRestrictions,
      recipientDelimiter,
      isTrusted: () => this.#myNetworks.has(client.address),
      isOwned: (address) => isOwned(recipients, address),
    })
  }

  /** `recipients`: what was looked up elsewhere, where this policy's own lookups are not to be asked. */
  recipient(
    client: PolicyClient,
    _sender: string,
    address: string,
    recipients: Recipients = this.#recipients,
  ): RecipientDecision {
    const parsed = parseAddress(address)
    if (parsed === undefined)
      return refuse(501, '5.1.3', `<${address}>: Recipient address rejected: bad address syntax`)
    // RFC 5321 section 4.5.1: postmaster is taken without a domain, in any case of letters, whatever fails.
    const isPostmaster = parsed.local.toLowerCase() === 'postmaster'
    if (parsed.domain === '') {
      if (isPostmaster) return this.#postmaster()
      return refuse(504, '5.5.2', `<${address}>: Recipient address rejected: need fully-qualified address`)
    }
    if (parsed.domain.toLowerCase() === SELF_TEST_DOMAIN) return selfTest(client, address)
    switch (recipients.domain(parsed.domain)) {
      case 'unavailable':
        if (isPostmaster) return this.#postmaster()
        return refuse(451, '4.3.0', `<${address}>: Temporary lookup failure`)
      case 'foreign':
        return this.#foreign(client, address, parsed.text)
      case 'local':
      case 'alias':
        break
    }
    // user%other@ours, other!user@ours, "user@other"@ours: routes in disguise (RFC 5321 appendix F.2), refused
    // before a catch-all or the next server could take them for an address.
    if (/[%!@]/.test(parsed.local)) return refuse(554, '5.7.1', `<${address}>: Relay access denied`)
    return this.#known(recipients.recipient(address), address, isPostmaster)
  }

  #known(found: RecipientLookup, address: string, isPostmaster: boolean): RecipientDecision {
    switch (found.kind) {
      case 'found':
        return { kind: 'accept', deliverTo: found.deliverTo }
      case 'unknown':
        if (isPostmaster) return this.#postmaster()
        return refuse(550, '5.1.1', `<${address}>: Recipient address rejected: User unknown`)
      case 'unusable':
        // The sender can do nothing about it and need not know where the recipient's mail would have gone.
        return {
          kind: 'refuse-message',
          reply: reply(451, '4.6.0', `<${address}>: Recipient address rejected: Alias expansion error`),
        }
      case 'unavailable':
        if (isPostmaster) return this.#postmaster()
        return refuse(451, '4.3.0', `<${address}>: Temporary lookup failure`)
    }
  }

  /** Who has said who it is, whose certificate is known, and mynetworks. */
  trusts(client: PolicyClient): boolean {
    if (client.user !== '' || this.#myNetworks.has(client.address)) return true
    // permit_tls_clientcerts.
    return client.fingerprints.some((fingerprint) => this.#settings.relayClientCerts.includes(fingerprint))
  }

  /** permit_sasl_authenticated, permit_mynetworks, reject_unauth_destination: only who is trusted may send to anybody. */
  #foreign(client: PolicyClient, address: string, text: string): RecipientDecision {
    if (this.trusts(client)) return { kind: 'accept', deliverTo: [text] }
    return refuse(554, '5.7.1', `<${address}>: Relay access denied`)
  }

  #postmaster(): RecipientDecision {
    const address = this.#settings.postmaster
    const found = this.#recipients.recipient(address)
    return { kind: 'accept', deliverTo: found.kind === 'found' ? found.deliverTo : [address] }
  }
}

/** Of this machine alone, whatever mynetworks is; for everybody else there is no such domain. */
function selfTest(client: PolicyClient, address: string): RecipientDecision {
  if (isLoopback(client.address) && address.toLowerCase() === SELF_TEST_ADDRESS)
    return { kind: 'accept', deliverTo: [SELF_TEST_ADDRESS] }
  return refuse(550, '5.1.2', `<${address}>: Recipient address rejected: Domain not found`)
}

/** Surely nobody of ours, in a domain of ours. Who cannot be looked up is not refused for it. */
function isUnlisted(recipients: Recipients, address: string): boolean {
  const domain = parseAddress(address)?.domain ?? ''
  const kind = domain === '' ? 'foreign' : recipients.domain(domain)
  if (kind !== 'local' && kind !== 'alias') return false
  return recipients.recipient(address).kind === 'unknown'
}

function isOwned(recipients: Recipients, address: string): 'owned' | 'free' | 'unavailable' {
  const domain = parseAddress(address)?.domain ?? ''
  switch (domain === '' ? 'foreign' : recipients.domain(domain)) {
    case 'unavailable':
      return 'unavailable'
    case 'foreign':
      return 'free'
    case 'local':
    case 'alias':
      break
  }
  switch (recipients.recipient(address).kind) {
    case 'found':
    case 'unusable':
      return 'owned'
    case 'unknown':
      return 'free'
    case 'unavailable':
      return 'unavailable'
  }
}

function keyOf(client: PolicyClient): string {
  return `${client.address} ${client.port}`
}

function refuse(code: number, dsn: string, text: string): RecipientDecision {
  return { kind: 'refuse', reply: reply(code, dsn, text) }
}
