import type { Reply } from '#src/base/reply.ts'
import { reply } from '#src/base/reply.ts'
import type { ScanReport } from '#src/match/types.ts'
import { blockedName } from './extensions.ts'

export type ScanVerdict =
  | { readonly kind: 'accept'; readonly facts: Readonly<Record<string, unknown>> }
  | { readonly kind: 'refuse'; readonly reply: Reply; readonly facts: Readonly<Record<string, unknown>> }

/** Characters of a name that are quoted in a reply: its line may have 510. */
const QUOTED_CHARS_MAX = 100
/** As much of the subject as finds a message again and fits a line. */
const SUBJECT_CHARS_MAX = 200
/** Defects and signatures that are kept with the message. */
const FACTS_MAX = 20

/** What each limit of the scanner means to a sender. */
const LIMITS: ReadonlyMap<string, string> = new Map([
  ['depth', 'its parts are nested too deeply'],
  ['parts', 'it has too many parts'],
  ['header', 'a header of it is too long'],
  ['names', 'it has too many file names'],
])

/** What the scanner's report means: accept or refuse. What smtp asks of it is declared in smtp/ports.ts. */
export class ScanJudge {
  readonly #blocked: ReadonlySet<string>
  readonly #antivirus: boolean

  /** `blockedExtensions`: zimbraMtaBlockedExtension, without dots. `antivirus`: whether signatures refuse. */
  constructor(blockedExtensions: readonly string[], antivirus = true) {
    this.#antivirus = antivirus
    this.#blocked = new Set(blockedExtensions.map((one) => one.toLowerCase()))
  }

  judge(report: ScanReport): ScanVerdict {
    const [hit] = report.hits
    if (hit !== undefined && this.#antivirus) {
      const text = `Message refused: the signature "${printable(hit.signature)}" was found in it`
      return refuse(reply(550, '5.7.1', text), report, {
        verdict: 'infected',
        signatures: report.hits.slice(0, FACTS_MAX).map((one) => one.signature),
        part: hit.path,
      })
    }
    for (const part of report.parts) {
      const found = blockedName(part.names, this.#blocked)
      if (found === undefined) continue
      // Zimbra's own words (postfix_header_checks).
      const text = `Attachment type not allowed. File "${printable(found.name)}" has the unacceptable extension "${printable(found.extension)}"`
      return refuse(reply(550, '5.7.1', text), report, {
        verdict: 'blocked',
        file: found.name,
        extension: found.extension,
        part: part.path,
      })
    }
    // What was not looked at is not clean.
    const [limit] = report.limits
    if (report.limits.includes('error')) {
      return refuse(SCANNER_FAILED, report, { verdict: 'error', limits: report.limits })
    }
    if (limit !== undefined) {
      const text = `Message refused: it cannot be examined, ${LIMITS.get(limit) ?? `it exceeds the limit "${printable(limit)}"`}`
      return refuse(reply(554, '5.6.0', text), report, { verdict: 'limit', limits: report.limits })
    }
    return { kind: 'accept', facts: cleanFacts(report) }
  }
}

/** The answer to a message that could not be scanned: never "clean", and the client tries again. */
const SCANNER_FAILED: Reply = reply(451, '4.3.0', 'Message could not be examined, try again later')

function cleanFacts(report: ScanReport): Readonly<Record<string, unknown>> {
  const facts = { verdict: 'clean', parts: report.parts.length, ...subjectFact(report) }
  return report.defects.length === 0 ? facts : { ...facts, defects: report.defects.slice(0, FACTS_MAX) }
}

function subjectFact({ header }: ScanReport): { readonly subject?: string } {
  const subject = header.subject.slice(0, SUBJECT_CHARS_MAX)
  return subject === '' ? {} : { subject }
}

function refuse(value: Reply, report: ScanReport, facts: Readonly<Record<string, unknown>>): ScanVerdict {
  return { kind: 'refuse', reply: value, facts: { ...facts, ...subjectFact(report) } }
}

/** Printable ASCII: a reply to a client that did not say SMTPUTF8 holds nothing else (RFC 6531 section 3.5). */
function printable(text: string): string {
  return text.slice(0, QUOTED_CHARS_MAX).replaceAll(/[^ !#-~]/gu, '?')
}
