import type { Reply } from '#src/base/reply.ts'
import type { DomainKind, RecipientLookup } from '#src/directory/directory.ts'
import { parseAddress } from '#src/mail/address.ts'
import type { PolicyClient, RecipientDecision, Recipients, SmtpPolicy } from './policy.ts'

/** Lookups that know when they may be out of date. */
export interface MirroredRecipients extends Recipients {
  /** What an address leads to and is not known here; [] where nothing is missing. */
  missingOf(address: string): readonly string[]
}

/** Asks the directory server itself; 'unavailable' where it does not answer in time. Nothing is thrown. */
export interface DirectoryAsker {
  domain(name: string): Promise<DomainKind>
  recipient(address: string): Promise<RecipientLookup>
}

/**
 * Policy over the mirror of a directory that is reached over LDAP. What the mirror knows is decided at once; before
 * anybody is told that he is unknown, the server is asked, and if it does not answer nobody is told so: 451.
 */
export class ConfirmingPolicy {
  readonly #policy: SmtpPolicy
  readonly #recipients: MirroredRecipients
  readonly #asker: DirectoryAsker

  constructor(policy: SmtpPolicy, recipients: MirroredRecipients, asker: DirectoryAsker) {
    this.#policy = policy
    this.#recipients = recipients
    this.#asker = asker
  }

  connect(client: PolicyClient): Promise<Reply | undefined> | undefined {
    return this.#policy.connect(client)
  }

  disconnect(client: PolicyClient): void {
    this.#policy.disconnect(client)
  }

  trusts(client: PolicyClient): boolean {
    return this.#policy.trusts(client)
  }

  mail(client: PolicyClient, sender: string): Promise<Reply | undefined> | Reply | undefined {
    const decision = this.#policy.mail(client, sender)
    // Only who would be refused may be refused wrongly.
    if (decision === undefined || !this.#isUnknown(sender)) return decision
    return this.#mailConfirmed(client, sender)
  }

  async #mailConfirmed(client: PolicyClient, sender: string): Promise<Reply | undefined> {
    const found = await this.#asker.recipient(sender)
    return this.#policy.mail(client, sender, this.#with(sender, undefined, found))
  }

  recipient(
    client: PolicyClient,
    sender: string,
    address: string,
  ): Promise<RecipientDecision> | RecipientDecision {
    const domain = parseAddress(address)?.domain ?? ''
    if (domain === '') return this.#policy.recipient(client, sender, address)
    const kind = this.#recipients.domain(domain)
    if (kind === 'foreign') {
      // Who may send to anybody need not wait to hear whether the domain has just become ours.
      if (this.#policy.trusts(client)) return this.#policy.recipient(client, sender, address)
      return this.#domainConfirmed(client, sender, address)
    }
    if (this.#isUnknown(address) || this.#recipients.missingOf(address).length > 0)
      return this.#recipientConfirmed(client, sender, address)
    return this.#policy.recipient(client, sender, address)
  }

  async #domainConfirmed(client: PolicyClient, sender: string, address: string): Promise<RecipientDecision> {
    const kind = await this.#asker.domain(parseAddress(address)?.domain ?? '')
    const isOurs = kind === 'local' || kind === 'alias'
    const found = isOurs ? await this.#asker.recipient(address) : undefined
    return this.#policy.recipient(client, sender, address, this.#with(address, kind, found))
  }

  async #recipientConfirmed(
    client: PolicyClient,
    sender: string,
    address: string,
  ): Promise<RecipientDecision> {
    const found = await this.#asker.recipient(address)
    // A list of which one member is not known takes mail for the others while no server answers.
    const isWorse = found.kind === 'unavailable' && !this.#isUnknown(address)
    const recipients = isWorse ? this.#recipients : this.#with(address, undefined, found)
    return this.#policy.recipient(client, sender, address, recipients)
  }

  #isUnknown(address: string): boolean {
    return this.#recipients.recipient(address).kind === 'unknown'
  }

  /** What the mirror says, but for one address and, where given, the kind of its domain. */
  #with(address: string, kind: DomainKind | undefined, found: RecipientLookup | undefined): Recipients {
    const domain = parseAddress(address)?.domain
    return {
      domain: (name) => (kind !== undefined && name === domain ? kind : this.#recipients.domain(name)),
      recipient: (one) => (found !== undefined && one === address ? found : this.#recipients.recipient(one)),
    }
  }
}
