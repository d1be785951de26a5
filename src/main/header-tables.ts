import { readFileSync, statSync } from 'node:fs'
import { clearAlarm, raiseAlarm } from '#src/base/alarms.ts'
import { errorCode, errorText } from '#src/base/fault.ts'
import type { Settings } from '#src/config/settings.ts'
import { actionProblem, HeaderChecks } from '#src/scan/header-checks.ts'
import { PatternTable } from '#src/scan/pattern-table.ts'

/** A larger file is no table that somebody wrote. */
const TABLE_BYTES_MAX = 4_194_304
/** As many of a table's mistakes as an alarm names; the others are found when these are mended. */
const PROBLEMS_TOLD_MAX = 3
/** What zmconfigd writes from zimbraMtaBlockedExtension: the scanner does that itself. */
const ZIMBRAS_OWN = '/opt/zimbra/conf/postfix_header_checks'
const ALARM_KEY = 'header_checks'

type Names = Pick<Settings, 'headerChecks' | 'mimeHeaderChecks' | 'nestedHeaderChecks'>

interface Read {
  readonly tables: readonly PatternTable[]
  readonly problems: readonly string[]
  readonly isUnreadable: boolean
}

/**
 * The tables of header_checks as they are now; undefined where none is set. Read anew with each generation and each
 * reload, as Postfix reads such tables at its reload. `tells`: whether this process raises the alarm, since all smtpd
 * read the same files.
 */
export function readHeaderChecks(names: Names, tells: boolean): HeaderChecks | undefined {
  const known = new Map<string, Read>()
  const read = (words: readonly string[]): Read => {
    const all = words.flatMap((word) => (word === '$header_checks' ? names.headerChecks : [word]))
    return joined(
      all.map((word) => {
        const one = known.get(word) ?? readTable(word)
        known.set(word, one)
        return one
      }),
    )
  }
  const header = read(names.headerChecks)
  const mime = read(names.mimeHeaderChecks)
  const nested = read(names.nestedHeaderChecks)
  const problems = [...new Set([header, mime, nested].flatMap((one) => one.problems))]
  if (tells) tell(problems)
  const isUnreadable = header.isUnreadable || mime.isUnreadable || nested.isUnreadable
  const isEmpty = header.tables.length + mime.tables.length + nested.tables.length === 0
  if (isEmpty && !isUnreadable) return undefined
  return new HeaderChecks({
    header: header.tables,
    mime: mime.tables,
    nested: nested.tables,
    unreadable: isUnreadable,
  })
}

function joined(all: readonly Read[]): Read {
  return {
    tables: all.flatMap(({ tables }) => tables),
    problems: all.flatMap(({ problems }) => problems),
    isUnreadable: all.some((one) => one.isUnreadable),
  }
}

function tell(problems: readonly string[]): void {
  if (problems.length === 0) {
    clearAlarm('SETTING_REFUSED', ALARM_KEY)
    return
  }
  const more = problems.length > PROBLEMS_TOLD_MAX ? `; and ${problems.length - PROBLEMS_TOLD_MAX} more` : ''
  raiseAlarm('SETTING_REFUSED', ALARM_KEY, `${problems.slice(0, PROBLEMS_TOLD_MAX).join('; ')}${more}`)
}

function readTable(word: string): Read {
  const match = /^(?:proxy:)?(pcre|regexp):(\/.+)$/.exec(word)
  const path = match?.[2] ?? ''
  if (match === null) return unreadable(`${word}: tables of header_checks are "pcre:/file" or "regexp:/file"`)
  try {
    if (statSync(path).size > TABLE_BYTES_MAX)
      return unreadable(`${path} is larger than ${TABLE_BYTES_MAX} octets`)
    const table = new PatternTable(readFileSync(path, 'utf8'), match[1] === 'pcre' ? 'pcre' : 'regexp')
    const wrong = table.texts.flatMap(({ line, text }) => {
      const reason = actionProblem(text)
      return reason === undefined ? [] : [{ line, reason }]
    })
    const problems = [...table.problems, ...wrong].map(
      ({ line, reason }) => `${path}, line ${line}: ${reason}`,
    )
    return { tables: [table], problems, isUnreadable: false }
  } catch (error) {
    if (path === ZIMBRAS_OWN && errorCode(error) === 'ENOENT')
      return { tables: [], problems: [], isUnreadable: false }
    return unreadable(`${path}: ${errorText(error)}`)
  }
}

function unreadable(problem: string): Read {
  return { tables: [], problems: [`${problem}; messages are answered 451`], isUnreadable: true }
}
