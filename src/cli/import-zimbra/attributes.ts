import { useText } from '#src/config/attribute.ts'
import { findAttribute } from '#src/config/catalogue.ts'
import { valuesProblem } from '#src/config/check.ts'
import { CONFIG_ATTRIBUTES, LOOKUP_ATTRIBUTES } from '#src/directory/ldap/wanted.ts'
import type { StagingRules } from '#src/directory/moving/staging.ts'
import { isCommonAttribute, isOfMail } from '#src/admin/rules.ts'

/** What becomes of an attribute of entries when they are taken over. */
export interface Verdict {
  readonly kind: 'honoured' | 'fixed' | 'later' | 'refused' | 'lost'
  /** A sentence; '' for what is honoured. */
  readonly text: string
}

/** Zimbra's attributes beyond the table that lookups, signing in and the administration of entries need. */
const OF_ENTRIES: ReadonlySet<string> = new Set(
  [
    ...LOOKUP_ATTRIBUTES,
    ...CONFIG_ATTRIBUTES,
    'dc',
    'zimbraAliasTargetId',
    // Searches a domain's own directory; the mirror of one over LDAP lacks it, because it can be asked for.
    'zimbraAuthLdapSearchBindPassword',
    'zimbraCreateTimestamp',
    'zimbraIsAdminAccount',
    'zimbraNotes',
    'zimbraPasswordLockoutFailureTime',
    'zimbraPasswordModifiedTime',
    'zimbraServiceInstalled',
  ].map((name) => name.toLowerCase()),
)

/** What mail, signing in, or the administration of entries reads comes along. */
export const MOVING_RULES: StagingRules = {
  // What is not known although it is of our families comes along too: the notes on settings name it.
  keeps: (name) => findAttribute(name) !== undefined || isOfEntries(name) || isOfMail(name),
  problem: (name, values) => {
    const attribute = findAttribute(name)
    return attribute === undefined ? '' : valuesProblem(attribute, values)
  },
}

export function verdictOn(name: string): Verdict {
  const attribute = findAttribute(name)
  if (attribute === undefined) {
    if (isOfMail(name)) return { kind: 'lost', text: 'Is not known.' }
    return isOfEntries(name)
      ? { kind: 'honoured', text: '' }
      : { kind: 'lost', text: 'Is about the mailbox server or the web client, and does not come along.' }
  }
  const { kind } = attribute.use
  return kind === 'setting' || kind === 'read'
    ? { kind: 'honoured', text: '' }
    : { kind, text: useText(attribute) }
}

function isOfEntries(name: string): boolean {
  return OF_ENTRIES.has(name.toLowerCase()) || isCommonAttribute(name)
}
