import { ATTRIBUTES } from '#src/config/catalogue.ts'

/** Attributes of Zimbra's that every entry has and that no setting or lookup is about, so the catalogue lacks them. */
const BESIDE = [
  'zimbraId',
  'zimbraMemberOf',
  'zimbraDefaultDomainName',
  'zimbraServiceHostname',
  'zimbraServiceInstalled',
  'zimbraAccountStatus',
  'zimbraAliasTargetId',
  'zimbraCreateTimestamp',
  'zimbraPasswordModifiedTime',
  'zimbraNotes',
] as const

/** As in Zimbra's schema: entries of these classes need no other. */
const STRUCTURAL = ['zimbraServer', 'zimbraCOS', 'zimbraDistributionList', 'zimbraAlias'] as const

/** Stand beside another class: organizationalRole, organization, inetOrgPerson, groupOfURLs. */
const AUXILIARY = [
  'zimbraGlobalConfig',
  'zimbraDomain',
  'zimbraMailRecipient',
  'zimbraAccount',
  'zimbraCalendarResource',
  'zimbraGroup',
  'amavisAccount',
] as const

const IA5 = ['caseIgnoreIA5Match', 'caseIgnoreIA5SubstringsMatch', '1.3.6.1.4.1.1466.115.121.1.26'] as const
const TEXT = ['caseIgnoreMatch', 'caseIgnoreSubstringsMatch', '1.3.6.1.4.1.1466.115.121.1.15'] as const

/** slapd reads a definition over several lines, each of which has its own limit. */
const NAMES_PER_LINE = 8

/**
 * The schema of the attribute tables for slapd, with object identifiers of the arc for examples (RFC 5612). Which class
 * may have which attribute is left to the tables: a directory of tests must also hold what they do not allow.
 */
export function zimbraSchema(): string {
  const tables = ATTRIBUTES.map(({ name, type }) => ({ name, type }))
  const known = new Set(tables.map(({ name }) => name.toLowerCase()))
  const beside = BESIDE.filter((name) => !known.has(name.toLowerCase())).map((name) => ({
    name,
    type: 'string',
  }))
  const attributes = [...tables, ...beside]
  const types = attributes.map(({ name, type }, i) => {
    // Zimbra's addresses are IA5 strings: what lies beyond ASCII cannot even be asked for.
    const [equality, substrings, syntax] = type === 'email' || type === 'cs_emailp' ? IA5 : TEXT
    return `attributetype ( 1.3.6.1.4.1.32473.1.${i + 1} NAME '${name}'\n  EQUALITY ${equality} SUBSTR ${substrings} SYNTAX ${syntax} )`
  })
  const names = [...attributes.map(({ name }) => name), 'uid', 'cn', 'mail', 'description', 'displayName']
  const lines = names.map(
    (name, i) => `${i % NAMES_PER_LINE === 0 ? '\n  ' : ''}${i === 0 ? '' : '$ '}${name} `,
  )
  const classes = [
    ...STRUCTURAL.map((name) => ({ name, kind: 'STRUCTURAL' })),
    ...AUXILIARY.map((name) => ({ name, kind: 'AUXILIARY' })),
  ].map(
    ({ name, kind }, i) =>
      `objectclass ( 1.3.6.1.4.1.32473.2.${i + 1} NAME '${name}' SUP top ${kind} MAY ( ${lines.join('')}) )`,
  )
  return `${[...types, ...classes].join('\n\n')}\n`
}
