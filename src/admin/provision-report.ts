import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { errorCode, errorText } from '#src/base/fault.ts'
import { isRecord } from '#src/net/frames.ts'

/** What became of one provisioning file. No secret stands in it. */
export interface ProvisionOutcome {
  /** `the USB stick`. */
  readonly source: string
  readonly kind: 'applied' | 'unchanged' | 'wrong'
  /** A sentence. */
  readonly text: string
  /** Of a wrong file: each mistake with file, line and mend. */
  readonly problems: readonly string[]
  readonly atMs: number
}

/** What the appliance image says about how it was set up, in `provision.json` beside the helper's socket. */
export interface ProvisionReport {
  /** Whether the console has a password, so that the network is served. */
  readonly isOpen: boolean
  /** The newest outcome of each source. */
  readonly outcomes: readonly ProvisionOutcome[]
  /** What is wrong besides, a sentence each. */
  readonly troubles: readonly string[]
  /** Where updates are fetched from unless something else is said; '' for nowhere. */
  readonly updateUrl: string
}

const NAME = 'provision.json'

export function provisionReportFile(helperSocket: string): string {
  return join(dirname(helperSocket), NAME)
}

/** undefined where there is none: this is no appliance image. Throws an Error where it cannot be read. */
export function readProvisionReport(helperSocket: string): ProvisionReport | undefined {
  const file = provisionReportFile(helperSocket)
  try {
    const report = reportOf(JSON.parse(readFileSync(file, 'utf8')))
    if (report === undefined) throw new Error('it is no report')
    return report
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw new Error(`${file} cannot be read: ${errorText(error)}`, { cause: error })
  }
}

function reportOf(value: unknown): ProvisionReport | undefined {
  if (!isRecord(value) || !Array.isArray(value['outcomes']) || !Array.isArray(value['troubles']))
    return undefined
  return {
    isOpen: value['isOpen'] === true,
    outcomes: value['outcomes'].filter(isRecord).map(outcomeOf),
    troubles: value['troubles'].map(String),
    updateUrl: typeof value['updateUrl'] === 'string' ? value['updateUrl'] : '',
  }
}

function outcomeOf(value: Readonly<Record<string, unknown>>): ProvisionOutcome {
  const kind = (['applied', 'unchanged', 'wrong'] as const).find((one) => one === value['kind'])
  return {
    source: String(value['source']),
    kind: kind ?? 'wrong',
    text: String(value['text']),
    problems: Array.isArray(value['problems']) ? value['problems'].map(String) : [],
    atMs: Number(value['atMs']),
  }
}

/** Where updates are fetched from unless something else is said; '' for nowhere, and where that cannot be read. */
export function usualUpdateUrl(helperSocket: string): string {
  try {
    return readProvisionReport(helperSocket)?.updateUrl ?? ''
  } catch {
    // Whoever shows the state of the box tells it.
    return ''
  }
}

/** For so long it is worth a word that a file was taken: whoever brought it waits for that. */
const NEWS_MS = 600_000

/** Sentences that somebody should see now; `nowMs` as Date.now() has it. */
export function provisionRemarks(report: ProvisionReport, nowMs: number): readonly string[] {
  return [
    ...report.troubles,
    ...report.outcomes.flatMap(({ kind, text, problems, atMs }) => {
      if (kind === 'wrong') return [[text, ...problems].join(' ')]
      return Math.abs(nowMs - atMs) < NEWS_MS ? [text] : []
    }),
  ]
}
