import { hostname } from 'node:os'
import { errorText } from '#src/base/fault.ts'
import type { Config } from '#src/config/config.ts'
import { currentSettings } from '#src/admin/current-settings.ts'

/** The names that mail from this machine goes out under: myhostname, and the domain of addresses without one. */
export interface OwnNames {
  readonly hostname: string
  /** myorigin. */
  readonly origin: string
}

/** Mail is handed over even where settings cannot be read: then those of the machine serve. */
export function ownNames(config: Config): OwnNames {
  try {
    const { myOrigin, myHostname } = currentSettings(config).settings
    return { hostname: myHostname, origin: myOrigin === '$myhostname' ? myHostname : myOrigin }
  } catch (error) {
    process.stderr.write(`sendmail: warning: ${errorText(error)}\n`)
    return { hostname: hostname(), origin: hostname() }
  }
}
