import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ProvisionOutcome, ProvisionReport } from '#src/admin/provision-report.ts'
import { provisionReportFile, readProvisionReport } from '#src/admin/provision-report.ts'
import { writeAtomically } from './atomic-file.ts'

const HELPER_SOCKET = '/run/postern-image/helper.sock'

const NONE: ProvisionReport = { isOpen: false, outcomes: [], troubles: [], updateUrl: '' }

/** What became of the newest file of each source. */
export function outcomesIn(root: string): readonly ProvisionOutcome[] {
  return read(root).outcomes
}

export function tellOutcome(root: string, outcome: ProvisionOutcome): void {
  const report = read(root)
  const others = report.outcomes.filter(({ source }) => source !== outcome.source)
  write(root, { ...report, outcomes: [...others, outcome] })
}

export function tellState(root: string, state: Omit<ProvisionReport, 'outcomes'>): void {
  write(root, { ...state, outcomes: read(root).outcomes })
}

/** One that cannot be read is written anew. */
function read(root: string): ProvisionReport {
  try {
    return readProvisionReport(join(root, HELPER_SOCKET)) ?? NONE
  } catch {
    return NONE
  }
}

/** Postern's own user reads it; it has no secrets. */
function write(root: string, report: ProvisionReport): void {
  const file = provisionReportFile(join(root, HELPER_SOCKET))
  mkdirSync(dirname(file), { recursive: true, mode: 0o755 })
  writeAtomically(file, `${JSON.stringify(report)}\n`, { mode: 0o644 })
}
