import type { Recipients } from '#src/policy/policy.ts'

/** What master tells of notices to postmaster. Plain data; addresses have a domain. */
export interface NoticesBoot {
  /** notify_classes. */
  readonly classes: readonly string[]
  /** bounce_notice_recipient and so on. */
  readonly bounce: string
  readonly doubleBounce: string
  readonly delay: string
  readonly error: string
  /** Where a notice goes whose address the directory does not know. */
  readonly postmaster: string
}

/** What a notice is about; a class of its own, but for `bounce`, which includes the double ones (postconf(5)). */
export type NoticeClass =
  | 'bounce'
  | '2bounce'
  | 'delay'
  | 'policy'
  | 'protocol'
  | 'resource'
  | 'software'
  | 'data'

/** The mailboxes that a notice of that class goes to; empty where notify_classes does not ask for it. */
export function noticeTargets(
  which: NoticeClass,
  boot: NoticesBoot,
  directory: Recipients,
): readonly string[] {
  const wanted = boot.classes.includes(which) || (which === '2bounce' && boot.classes.includes('bounce'))
  return wanted ? postmastersOf(addressFor(which, boot), boot.postmaster, directory) : []
}

function addressFor(which: NoticeClass, boot: NoticesBoot): string {
  switch (which) {
    case 'bounce':
      return boot.bounce
    case '2bounce':
      return boot.doubleBounce
    case 'delay':
      return boot.delay
    case 'policy':
    case 'protocol':
    case 'resource':
    case 'software':
    case 'data':
      return boot.error
  }
}

/** The mailboxes of an address of ours, as smtpd resolves a recipient; any other address is its own. */
export function mailboxesOf(address: string, directory: Recipients): readonly string[] {
  const domain = address.slice(address.lastIndexOf('@') + 1)
  const kind = directory.domain(domain)
  if (kind !== 'local' && kind !== 'alias') return [address]
  const found = directory.recipient(address)
  return found.kind === 'found' ? found.deliverTo : [address]
}

/** As smtpd resolves a recipient; what the directory does not know, or cannot say, is postmaster's. */
function postmastersOf(address: string, postmaster: string, directory: Recipients): readonly string[] {
  const domain = address.slice(address.lastIndexOf('@') + 1)
  if (directory.domain(domain) === 'foreign') return [address]
  const found = directory.recipient(address)
  if (found.kind === 'found') return found.deliverTo
  return address === postmaster ? [postmaster] : postmastersOf(postmaster, postmaster, directory)
}
