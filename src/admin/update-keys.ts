import { dirname, join } from 'node:path'

/** Folders of the public keys that sign updates: those of the installation that this program belongs to… */
export const OWN_KEYS = join(import.meta.dirname, '..', '..', 'update-keys')

/** …and those that the box was given besides (docs/first-boot.md), by the socket of the image's helper. */
export function keysBeside(helperSocket: string): string {
  return join(dirname(helperSocket), 'update-keys')
}
