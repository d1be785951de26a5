import { userInfo } from 'node:os'
import { basename } from 'node:path'

/** The name that this process was called by: `postern`, `mailq`, `zmprov`. */
export const CALLED_AS = process.env['POSTERN_AS'] ?? basename(process.argv[1] ?? '')
// Not for what is started from here.
delete process.env['POSTERN_AS']

/** Who calls, for the trace of what is done. */
export function caller(): string {
  try {
    return userInfo().username
  } catch {
    // A number without a name: a container, for one.
    return String(process.getuid?.() ?? '')
  }
}
