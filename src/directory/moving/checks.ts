import type { Store } from '#src/store/sqlite.ts'
import type { Findings } from './findings.ts'
import { findLoops } from './loops.ts'

/** What is checked against, of the settings that will be in force. */
export interface CheckOptions {
  /** virtual_alias_expansion_limit. */
  readonly expansionLimit: number
}

interface Check {
  readonly text: string
  /** Gives rows of one text each, whatever it is that the sentence is true of. */
  readonly sql: string
}

const HAS = (name: string, value: string) =>
  `EXISTS (SELECT 1 FROM attribute s WHERE s.entry = k.entry AND s.name_key = '${name}' AND s.value_key = '${value}')`
const SAYS = (name: string) =>
  `EXISTS (SELECT 1 FROM attribute s WHERE s.entry = k.entry AND s.name_key = '${name}')`
/** Entries of one of these classes; `k` is the row of the class. */
const OF_CLASS = (...names: readonly string[]) =>
  `SELECT DISTINCT e.dn FROM attribute k JOIN entry e ON e.id = k.entry
   WHERE k.name_key = 'objectclass' AND k.value_key IN (${names.map((name) => `'${name}'`).join(', ')})`

const RECIPIENTS = OF_CLASS('zimbraaccount', 'zimbradistributionlist', 'zimbradomain')
const ADDRESS_OF = (row: string) => `substr(${row}.value_key, instr(${row}.value_key, '@') + 1)`

const CHECKS: readonly Check[] = [
  {
    text: 'an account, list or domain has no zimbraMailStatus, so no mail is taken for it, as in Zimbra',
    sql: `${RECIPIENTS} AND NOT ${SAYS('zimbramailstatus')}`,
  },
  {
    text: 'an account, list or domain is switched off (zimbraMailStatus: disabled), so no mail is taken for it',
    sql: `${RECIPIENTS} AND ${HAS('zimbramailstatus', 'disabled')}`,
  },
  {
    text: 'an account has no zimbraMailDeliveryAddress, so it has no mailbox',
    sql: `${OF_CLASS('zimbraaccount')} AND NOT ${SAYS('zimbramaildeliveryaddress')}`,
  },
  {
    text: 'an alias domain names no target that is there (zimbraDomainAliasTargetId)',
    sql: `${OF_CLASS('zimbradomain')} AND ${HAS('zimbradomaintype', 'alias')}
      AND NOT ${SAYS('zimbramailcatchallforwardingaddress')}
      AND NOT EXISTS (SELECT 1 FROM attribute t JOIN attribute d ON d.value_key = t.value_key AND d.name_key = 'zimbraid'
        WHERE t.entry = k.entry AND t.name_key = 'zimbradomainaliastargetid')`,
  },
  {
    text: 'an alias leads to an entry that is not there (zimbraAliasTargetId)',
    sql: `SELECT e.dn FROM attribute k JOIN entry e ON e.id = k.entry WHERE k.name_key = 'zimbraaliastargetid'
      AND NOT EXISTS (SELECT 1 FROM attribute d WHERE d.value_key = k.value_key AND d.name_key = 'zimbraid')`,
  },
  {
    text: 'an address belongs to more than one entry',
    sql: `SELECT value_key FROM attribute WHERE name_key IN ('zimbramaildeliveryaddress', 'zimbramailalias')
      GROUP BY value_key HAVING count(DISTINCT entry) > 1`,
  },
  {
    text: 'an address is of a domain that the directory does not have',
    sql: `SELECT k.value FROM attribute k WHERE k.name_key IN ('zimbramaildeliveryaddress', 'zimbramailalias')
      AND NOT EXISTS (SELECT 1 FROM attribute d WHERE d.value_key = ${ADDRESS_OF('k')} AND d.name_key = 'zimbradomainname')`,
  },
  {
    text: 'a member of a list is of one of our domains and nobody has the address',
    sql: `SELECT k.value || ' in ' || e.dn FROM attribute k JOIN entry e ON e.id = k.entry
      WHERE k.name_key = 'zimbramailforwardingaddress'
      AND EXISTS (SELECT 1 FROM attribute d WHERE d.value_key = ${ADDRESS_OF('k')} AND d.name_key = 'zimbradomainname')
      AND NOT EXISTS (SELECT 1 FROM attribute a WHERE a.value_key = k.value_key
        AND a.name_key IN ('zimbramaildeliveryaddress', 'zimbramailalias', 'zimbraoldmailaddress'))
      AND NOT EXISTS (SELECT 1 FROM attribute c WHERE c.value_key = '@' || ${ADDRESS_OF('k')}
        AND c.name_key = 'zimbramailcatchalladdress')`,
  },
  {
    text: 'zimbraMailHost and zimbraMailTransport of an account name different hosts; the transport decides',
    sql: `SELECT e.dn || ': ' || h.value || ', ' || t.value FROM attribute h
      JOIN attribute t ON t.entry = h.entry AND t.name_key = 'zimbramailtransport'
      JOIN entry e ON e.id = h.entry
      WHERE h.name_key = 'zimbramailhost' AND instr(t.value_key, ':' || h.value_key) = 0
        AND instr(t.value_key, '[' || h.value_key || ']') = 0`,
  },
  {
    text: 'an account has no password of its own (userPassword): it signs in only where its domain asks another server',
    sql: `${OF_CLASS('zimbraaccount')} AND NOT ${SAYS('userpassword')}`,
  },
]

/** Looks at entries as they stand in `store`, and tells what will not work or not as before. */
export function checkEntries(store: Store, findings: Findings, options: CheckOptions): void {
  for (const { text, sql } of CHECKS) {
    for (const found of store.prepare<[], string>(sql).pluck().iterate()) findings.add(text, found)
  }
  const large = store
    .prepare<[number], string>(
      `SELECT e.dn || ': ' || count(*) FROM attribute k JOIN entry e ON e.id = k.entry
       WHERE k.name_key = 'zimbramailforwardingaddress' GROUP BY k.entry HAVING count(*) > ?`,
    )
    .pluck()
  for (const found of large.iterate(options.expansionLimit))
    findings.add(
      'a list has more members than virtual_alias_expansion_limit; its mail is answered 451',
      found,
    )
  for (const loop of findLoops(store)) findings.add('lists hold each other in a circle', loop)
}
