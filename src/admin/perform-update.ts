import { constants } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { every, systemClock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import { CommandError } from './command-error.ts'
import { fetchUpdate } from './fetch-update.ts'
import type { TellFetched } from './fetch-update.ts'
import type { ImageCommand } from './image-commands.ts'
import { bundleDamage, readBundle, readUpdateKeys } from './update-bundle.ts'

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
  /** Where the keys are that sign updates: of this installation, and those that the box was given (update-keys.ts). */
  readonly keysFolders: readonly string[]
  /** Start the release also where it cannot be noted what waits in the queue. */
  readonly anyway?: boolean
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
async function check(path: string, { tell, keysFolders }: UpdateMeans): Promise<void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    const keys = keysFolders.flatMap((folder) => readUpdateKeys(folder))
    const read = await readBundle(file, keys)
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
  return await follow(means, 'update', [file, ...(means.anyway === true ? ['anyway'] : [])])
}

/**
 * Has the helper of the image take an update from the USB stick that is plugged in: the file of this name, or the newest. Resolves
 * and throws as performUpdate does; the helper checks all of it itself.
 */
export async function performStickUpdate(
  name: string,
  means: Pick<UpdateMeans, 'ask' | 'tell' | 'anyway'>,
): Promise<string> {
  const words = [name, ...(means.anyway === true ? ['anyway'] : [])]
  return await follow(means, 'update-stick', words)
}

/** Tells how far it is, until the helper has answered. */
async function follow(
  means: Pick<UpdateMeans, 'ask' | 'tell'>,
  command: ImageCommand,
  words: readonly string[],
): Promise<string> {
  const done = new AbortController()
  const watched = every(systemClock, PROGRESS_MS, done.signal, () => void look(means, done.signal))
  try {
    const { text } = await means.ask(command, words)
    return typeof text === 'string' ? text : 'The update is written; the machine starts it now.'
  } finally {
    done.abort()
    await watched
  }
}

async function look({ ask, tell }: Pick<UpdateMeans, 'ask' | 'tell'>, signal: AbortSignal): Promise<void> {
  try {
    const { running, text, percent } = await ask('progress', [])
    if (running !== true || signal.aborted) return
    tell(String(text), typeof percent === 'number' ? percent : undefined)
  } catch (error) {
    // What has become of the update its own answer tells.
    if (!signal.aborted) tell(errorText(error), undefined)
  }
}
