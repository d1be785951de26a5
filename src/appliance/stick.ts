import { constants, existsSync } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { compareVersions, isVersion } from '#src/admin/update-manifest.ts'
import { errorText } from '#src/base/fault.ts'
import type { CommandAnswer, Commands } from './commands.ts'
import { refused } from './commands.ts'
import type { Runner } from './run.ts'
import { whyFailed } from './run.ts'

const SYSTEMCTL = '/usr/bin/systemctl'
/** Has the stick mounted, read-only, as long as it is active (image/overlay/usr/lib/systemd/system). */
const UNIT = 'postern-stick-update.target'
/** Names that are read of a stick, which may be anybody's. */
const NAMES_MAX = 2000
/** As `make update` names them; the name says nothing that is believed, but which of several is meant. */
const NAME = /^postern-([0-9][0-9a-z.~]{0,40})-([a-z0-9]{1,16})\.ptu$/

export interface StickDeps {
  /** There while one is plugged in. */
  readonly device: string
  /** Where it is mounted. */
  readonly folder: string
  readonly run: Runner
  readonly arch: string
  /** Whether the box takes sticks at all (`sticks` in [system] of postern.provision). */
  readonly isAllowed: () => boolean
  readonly update: (path: string, anyway: boolean) => Promise<CommandAnswer>
}

/** Updates from a USB stick (FAT, with the label POSTERN), for a box that reaches no web server. */
export function stickCommands(deps: StickDeps): Commands {
  return {
    stick: async (words) => {
      if (words.length > 0) return refused('nothing is to be named')
      return await mounted(deps, async () => ({ ok: true, files: await updatesIn(deps) }))
    },
    'update-stick': async ([name = '', how, ...more]) => {
      if (more.length > 0 || (how !== undefined && how !== 'anyway'))
        return refused('name the file on the stick; the only word besides is "anyway"')
      if (name !== '' && !NAME.test(name))
        return refused('an update on a stick is called postern-VERSION-ARCH.ptu')
      return await mounted(deps, async () => {
        const file = name === '' ? (await updatesIn(deps))[0] : name
        if (file === undefined)
          return refused(`there is no update for ${deps.arch} on the stick: postern-VERSION-${deps.arch}.ptu`)
        return await deps.update(join(deps.folder, file), how === 'anyway')
      })
    },
  }
}

/** The stick is there only while something is done with it. */
async function mounted(deps: StickDeps, work: () => Promise<CommandAnswer>): Promise<CommandAnswer> {
  const { run, isAllowed, device } = deps
  if (!isAllowed())
    return refused('this box takes no USB sticks (sticks = false in [system] of its postern.provision)')
  // systemd would wait for it.
  if (!existsSync(device)) return refused('there is no USB stick with the label POSTERN (FAT)')
  const ran = await run(SYSTEMCTL, ['start', UNIT])
  if (ran.code !== 0) return refused(`the stick cannot be read: ${whyFailed('systemctl', ran)}`)
  try {
    return await work()
  } catch (error) {
    return refused(`the stick cannot be read: ${errorText(error)}`)
  } finally {
    await run(SYSTEMCTL, ['stop', UNIT])
  }
}

/** Names of updates for this machine, the newest first. */
async function updatesIn({ folder, arch }: StickDeps): Promise<readonly string[]> {
  const found: { readonly name: string; readonly version: string }[] = []
  for (const name of (await readdir(folder)).slice(0, NAMES_MAX)) {
    const [, version = '', itsArch] = NAME.exec(name) ?? []
    if (isVersion(version) && itsArch === arch && (await isFile(join(folder, name))))
      found.push({ name, version })
  }
  return found.toSorted((a, b) => compareVersions(b.version, a.version)).map(({ name }) => name)
}

async function isFile(path: string): Promise<boolean> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  return (await file.stat()).isFile()
}
