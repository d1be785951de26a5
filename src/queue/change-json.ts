import { isRecord } from '#src/net/frames.ts'
import type { MessageChange } from './changes.ts'
import type { Report } from './ports.ts'
import { readSubmission, submissionJson } from './submission.ts'

/** Changes as one JSON text with the bodies of their reports beside it. Only threads of one process use it. */
export function changesToJson(changes: readonly MessageChange[]): {
  readonly json: string
  readonly bodies: Uint8Array[]
} {
  const bodies: Uint8Array[] = []
  const plain = changes.map((change) => {
    if (change.reports.length === 0) return change
    const reports = change.reports.map((report) => {
      const { body } = report.message
      bodies.push(body.kind === 'inline' ? body.bytes : new Uint8Array())
      return { ...report, message: submissionJson(report.message) }
    })
    return { ...change, reports }
  })
  return { json: JSON.stringify(plain), bodies }
}

type Plain = Omit<MessageChange, 'reports'> & {
  readonly reports: readonly (Omit<Report, 'message'> & { readonly message: unknown })[]
}

export function changesFromJson(json: string, bodies: readonly Uint8Array[]): MessageChange[] {
  const list: Plain[] = JSON.parse(json)
  let body = 0
  return list.map((change) => {
    const reports = change.reports.map((report) => {
      const bytes = bodies[body++] ?? new Uint8Array()
      const message = isRecord(report.message) ? readSubmission(report.message, bytes) : 'no message'
      // The composer made what cannot be kept: nothing of the change may be written, or a failure goes unsaid.
      if (typeof message === 'string')
        throw new TypeError(`a report about ${change.id} is no message: ${message}`)
      return { ...report, message }
    })
    return Object.assign(change, { reports })
  })
}
