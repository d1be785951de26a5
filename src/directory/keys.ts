import { addressText, parseAddress } from '#src/mail/address.ts'
import { addressKey } from './names.ts'

/** An address as maps are asked for it, from the most to the least exact. */
export interface LookupKey {
  readonly key: string
  /** What was left out of the local part, its delimiter included; '' for none. */
  readonly extension: string
}

/** The user as given, and what stands before the first delimiter in it (Postfix's split_addr). */
function usersOf(local: string, delimiters: string): readonly { user: string; extension: string }[] {
  const whole = { user: local, extension: '' }
  for (let i = 1; i < local.length; i += 1) {
    if (delimiters.includes(local.charAt(i)))
      return [whole, { user: local.slice(0, i), extension: local.slice(i) }]
  }
  return [whole]
}

/** `user+ext@domain`, `user@domain`: the keys of one mailbox, lower case. `@domain` is another matter. */
export function mailboxKeys(local: string, domain: string, delimiters: string): readonly LookupKey[] {
  return usersOf(local, delimiters).flatMap(({ user, extension }) => {
    const key = addressKey(addressText(user, domain))
    return key === undefined ? [] : { key, extension }
  })
}

/** All keys that Postfix asks a map for (virtual(5), canonical(5)); [] for what is no address. */
export function lookupKeys(address: string, delimiters: string): readonly string[] {
  const parsed = parseAddress(address)
  if (parsed === undefined || parsed.domain === '') return []
  const { local, domain } = parsed
  return [...mailboxKeys(local, domain, delimiters).map(({ key }) => key), `@${domain}`]
}
