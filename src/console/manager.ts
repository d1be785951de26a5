import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** The settings that the unit of the service names (systemd/postern.service). */
const UNIT_CONFIG = '/etc/postern/postern.toml'
const UNITS = ['etc/systemd/system/postern.service', 'usr/lib/systemd/system/postern.service'] as const

/**
 * Whether systemd looks after the Postern of these settings: what ends it starts again by itself, and a master that
 * somebody else started would stand in its way. `root` is where the file system begins.
 */
export function isManaged(configFile: string, root = '/'): boolean {
  // sd_booted(3)
  if (configFile !== UNIT_CONFIG || !existsSync(join(root, 'run/systemd/system'))) return false
  return UNITS.some((unit) => existsSync(join(root, unit)))
}
