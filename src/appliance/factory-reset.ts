import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Commands } from './commands.ts'
import { refused } from './commands.ts'
import { replaceFile } from './storage.ts'
import type { Storage } from './storage.ts'

export interface ResetDeps {
  readonly esp: string
  readonly storage: Storage
  readonly restart: () => Promise<string | undefined>
}

/**
 * Sets the machine back to how it was delivered: a word on the EFI partition, which postern-data.service reads at the
 * next start, before anything is mounted. Whoever asks for it has been asked twice.
 */
export function resetCommands({ esp, storage, restart }: ResetDeps): Commands {
  return {
    'factory-reset': async ([what, ...more]) => {
      if ((what !== 'keep' && what !== 'wipe') || more.length > 0)
        return refused('say whether mail is to be kept: "keep" or "wipe"')
      const folder = join(esp, 'postern')
      await mkdir(folder, { recursive: true })
      const flag = join(folder, 'factory-reset')
      await replaceFile(storage, flag, `${what}\n`)
      const trouble = await restart()
      if (trouble !== undefined) {
        // Otherwise it would be done at the next restart, when nobody thinks of it.
        await storage.remove(flag)
        return refused(trouble)
      }
      const mail = what === 'keep' ? 'The mail that waits is kept.' : 'Nothing is kept.'
      return { ok: true, text: `The machine starts anew and sets itself back. ${mail}` }
    },
  }
}
