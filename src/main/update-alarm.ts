import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { printable } from '#src/base/printable.ts'
import { isRecord } from '#src/net/frames.ts'
import type { Found } from './alarm-desk.ts'

/** Where the helper of the appliance image says that an update was given up (appliance/outcomes.ts): beside its socket. */
export function updateFailedFile(helperSocket: string): string {
  return join(dirname(helperSocket), 'update-failed.json')
}

const REASON_CHARS_MAX = 500

/** The alarm of an update that was given up; none where there is no such file, as on every machine but the image. */
export function failedUpdates(file: string): readonly Found[] {
  let value: unknown
  try {
    value = JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    // It is replaced in one step; what cannot be read is not there, or not for us.
    return []
  }
  if (!isRecord(value) || typeof value['version'] !== 'string') return []
  const reason = printable(String(value['reason'])).slice(0, REASON_CHARS_MAX)
  return [{ code: 'UPDATE_FAILED', key: printable(value['version']), reason }]
}
