import { constants } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { every, systemClock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import { CommandError } from './command-error.ts'
import { fetchUpdate } from './fetch-update.ts'
import type { TellFetched } from './fetch-update.ts'
import type { ImageCommand } from './image-commands.ts'
import { bundleDamage, OWN_KEYS, readBundle, readUpdateKeys } from './update-bundle.ts'

/** What an update is made with. */
export interface UpdateMeans {
  /** Of Postern; what is fetched lies in `updates` of it for the time. */
  readonly dataFolder: string
  /** Asks the helper of the image; rejects with its words, or where it is not there. */
  readonly ask: (
    command: ImageCommand,
    words: readonly string[],
  ) => Promise<Readonly<Record<string, unknown>>>
  /** Told what goes on. */
  readonly tell: TellFetched
  /** Where the keys are that sign updates; those of this installation without it. */
  readonly keysFolder?: string
}

const PROGRESS_MS = 1000

/**
 * Fetches an update (a file, or an address of https or http), checks its signature and every octet of it, and has the helper of the
 * image write it, which then starts the machine anew. Resolves with the helper's sentence; throws a CommandError.
 */
export async function performUpdate(source: string, means: UpdateMeans): Promise<string> {
  const file = join(means.dataFolder, 'updates', 'update.ptu')
  try {
    await fetchUpdate(source, file, means.tell)
    await check(file, means)
    return await have(file, means)
  } finally {
    await rm(file, { force: true })
  }
}

/** A broken file is told here already: the helper would say the same, but nobody need be root for it. */
async function check(path: string, { tell, keysFolder = OWN_KEYS }: UpdateMeans): Promise<void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    const read = await readBundle(file, readUpdateKeys(keysFolder))
    const trouble =
      read.kind === 'refused'
        ? read.reason
        : await bundleDamage(file, read.bundle, (phase, done, all) => {
            tell(phase, Math.floor((Math.min(done, all) * 100) / all))
          })
    if (trouble !== undefined) throw new CommandError(trouble)
  } finally {
    await file.close()
  }
}

async function have(file: string, means: UpdateMeans): Promise<string> {
  const done = new AbortController()
  const watched = every(systemClock, PROGRESS_MS, done.signal, () => void look(means, done.signal))
  try {
    const { text } = await means.ask('update', [file])
    return typeof text === 'string' ? text : 'The update is written; the machine starts it now.'
  } finally {
    done.abort()
    await watched
  }
}

async function look({ ask, tell }: UpdateMeans, signal: AbortSignal): Promise<void> {
  try {
    const { running, text, percent } = await ask('progress', [])
    if (running !== true || signal.aborted) return
    tell(String(text), typeof percent === 'number' ? percent : undefined)
  } catch (error) {
    // What has become of the update its own answer tells.
    if (!signal.aborted) tell(errorText(error), undefined)
  }
}
