import { readFileSync } from 'node:fs'
import { errorCode } from '#src/base/fault.ts'
import type { Commands } from './commands.ts'
import { refused } from './commands.ts'

/** In the helper's folder on the data partition itself; image/overlay/usr/lib/postern-image/data writes it, for root alone. */
export const RECOVERY_KEY_FILE = 'recovery-key'

/** Eight groups of eight letters (systemd-cryptenroll(1), modhex). */
const KEY = /^[cbdefghijklnrtuv]{8}(?:-[cbdefghijklnrtuv]{8}){7}$/

/**
 * Tells the key that opens an encrypted data partition where the TPM does not: other Secure Boot keys, another machine.
 * It lies on that very partition, so whoever reads it there has all that it would open.
 */
export function recoveryKeyCommands(file: string): Commands {
  return {
    'recovery-key': async () => {
      let text: string
      try {
        text = readFileSync(file, 'utf8').trim()
      } catch (error) {
        if (errorCode(error) !== 'ENOENT') throw error
        return refused(
          'the data partition is not encrypted, since this machine had no TPM 2 when it was made',
        )
      }
      if (!KEY.test(text))
        return refused('the recovery key was not kept: see the journal of postern-data.service')
      return {
        ok: true,
        text: 'Note it and keep it elsewhere; it is asked for on this line where the TPM does not help.',
        lines: [text],
      }
    },
  }
}
