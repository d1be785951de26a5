import type { AttributeRow, AttributeTable } from '#src/config/attribute.ts'
import { later } from '#src/config/attribute.ts'

/** One of amavis's: amavisd reads it from the entry of the recipient, or of its domain or class of service. */
function amavis(type: 'boolean' | 'string', text: string): AttributeRow {
  return { type, scope: ['account', 'domain', 'cos'], text, use: later('spam') }
}

/** What amavisd reads of each recipient. */
export const AMAVIS_ATTRIBUTES: AttributeTable = {
  amavisVirusLover: amavis('boolean', 'Deliver infected mail anyway.'),
  amavisBannedFilesLover: amavis('boolean', 'Deliver banned files.'),
  amavisBypassVirusChecks: amavis('boolean', 'Do not virus-scan.'),
  amavisBypassSpamChecks: amavis('boolean', 'Do not spam-check.'),
  amavisSpamTagLevel: amavis('string', 'Add X-Spam headers from here.'),
  amavisSpamTag2Level: amavis('string', 'Mark as spam from here.'),
  amavisSpamKillLevel: amavis('string', 'Evasive action from here.'),
  amavisSpamModifiesSubj: amavis('boolean', 'Subject may be changed.'),
  amavisWhitelistSender: amavis('string', 'Soft allow list, count limited per account.'),
  amavisBlacklistSender: amavis('string', 'Soft block list, count limited.'),
  amavisSpamQuarantineTo: amavis('string', 'Quarantine address, Spam.'),
  amavisSpamLover: amavis('boolean', 'Deliver spam.'),
  amavisBadHeaderLover: amavis('boolean', 'Deliver bad headers.'),
  amavisBypassBannedChecks: amavis('boolean', 'No banned check.'),
  amavisBypassHeaderChecks: amavis('boolean', 'No header check.'),
  amavisVirusQuarantineTo: amavis('string', 'Quarantine address, Virus.'),
  amavisBannedQuarantineTo: amavis('string', 'Quarantine address, Banned.'),
  amavisBadHeaderQuarantineTo: amavis('string', 'Quarantine address, BadHeader.'),
  amavisLocal: amavis('boolean', 'Recipient is local.'),
  amavisMessageSizeLimit: amavis('string', 'Refuse larger.'),
  amavisWarnVirusRecip: amavis('boolean', 'Warn recipient, Virus.'),
  amavisWarnBannedRecip: amavis('boolean', 'Warn recipient, Banned.'),
  amavisWarnBadHeaderRecip: amavis('boolean', 'Warn recipient, BadHeader.'),
  amavisVirusAdmin: amavis('string', 'Notify this admin, Virus.'),
  amavisNewVirusAdmin: amavis('string', 'Notify this admin, NewVirus.'),
  amavisSpamAdmin: amavis('string', 'Notify this admin, Spam.'),
  amavisBannedAdmin: amavis('string', 'Notify this admin, Banned.'),
  amavisBadHeaderAdmin: amavis('string', 'Notify this admin, BadHeader.'),
  amavisBannedRuleNames: amavis('string', 'Named rule sets.'),
  amavisSpamDsnCutoffLevel: amavis('string', 'No DSN above.'),
  amavisSpamQuarantineCutoffLevel: amavis('string', 'No quarantine above.'),
  amavisSpamSubjectTag: amavis('string', 'Subject prefix, tag level 1.'),
  amavisSpamSubjectTag2: amavis('string', 'Subject prefix, tag level 2.'),
  amavisArchiveQuarantineTo: amavis('string', 'Archive address.'),
  amavisAddrExtensionVirus: amavis('string', '+extension on recipient, Virus.'),
  amavisAddrExtensionSpam: amavis('string', '+extension on recipient, Spam.'),
  amavisAddrExtensionBanned: amavis('string', '+extension on recipient, Banned.'),
  amavisAddrExtensionBadHeader: amavis('string', '+extension on recipient, BadHeader.'),
  amavisSpamTag3Level: amavis('string', 'Third tag level.'),
  amavisSpamSubjectTag3: amavis('string', 'Subject prefix, tag level 3.'),
  amavisUncheckedQuarantineTo: amavis('string', 'Quarantine address, Unchecked.'),
  amavisCleanQuarantineTo: amavis('string', 'Quarantine address, Clean.'),
  amavisUncheckedLover: amavis('string', 'Deliver unchecked (encrypted).'),
  amavisForwardMethod: amavis('string', 'Per-recipient next hop.'),
  amavisSaUserConf: amavis('string', 'SA user prefs.'),
  amavisSaUserName: amavis('string', 'SA/Bayes user.'),
  amavisDisclaimerOptions: amavis('string', 'Disclaimer variant.'),
}
