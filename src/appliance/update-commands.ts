import type { Commands } from './commands.ts'
import { refused } from './commands.ts'
import type { Outcomes } from './outcomes.ts'
import type { Runner } from './run.ts'
import { whyFailed } from './run.ts'
import type { Updater } from './updater.ts'

const BOOTCTL = '/usr/bin/bootctl'
const DD = '/usr/bin/dd'

export interface UpdateCommandDeps {
  readonly updater: Updater
  readonly outcomes: Outcomes
  readonly run: Runner
  /** As the updater's. */
  readonly drain: () => Promise<string | undefined>
  readonly restart: () => Promise<string | undefined>
}

/** What console and `postern update` ask about releases. */
export function updateCommands({ updater, outcomes, run, drain, restart }: UpdateCommandDeps): Commands {
  return {
    update: async ([path, how, ...more]) => {
      if (path === undefined || more.length > 0) return refused('name the file of the update')
      if (how !== undefined && how !== 'anyway') return refused('the only word besides is "anyway"')
      return await updater.update(path, how === 'anyway')
    },
    progress: async () => {
      const { progress } = updater
      if (progress === undefined) return await Promise.resolve({ ok: true, running: false })
      return { ok: true, running: true, ...progress }
    },
    slots: async () => {
      await updater.look()
      return { ok: true, lines: outcomes.lines, ...outcomes.facts, trouble: outcomes.state.trouble ?? null }
    },
    'boot-previous': async ([how]) => {
      const { progress } = updater
      if (progress !== undefined) return refused(`an update is under way: ${progress.text}`)
      if (how !== undefined && how !== 'stay') return refused('the only word is "stay"')
      const { previous } = outcomes
      if (previous === undefined) return refused('there is no other release that was found good')
      const verb = how === 'stay' ? 'set-default' : 'set-oneshot'
      const ran = await run(BOOTCTL, [verb, previous.file])
      if (ran.code !== 0) return refused(whyFailed('bootctl', ran))
      // That release was found good, and reads the same queue: nothing of it hangs on a list of what waits.
      const undrained = await drain()
      const trouble = await restart()
      if (trouble !== undefined) return refused(trouble)
      const after = how === 'stay' ? 'and stays with it until the next update' : 'this one time'
      const late = undrained === undefined ? '' : ` Deliveries under way were not waited for: ${undrained}.`
      return { ok: true, text: `The machine starts release ${previous.version}, ${after}.${late}` }
    },
  }
}

/** The loader's own order again: the newest release that is not given up. */
export async function forgetChoice(run: Runner): Promise<void> {
  const ran = await run(BOOTCTL, ['set-default', ''])
  if (ran.code !== 0) throw new Error(whyFailed('bootctl', ran))
}

/**
 * Has the kernel forget the pages of a file or device (posix_fadvise(2), POSIX_FADV_DONTNEED), which only works for
 * what has reached the disk: what is read next comes from there. No capability is needed for it.
 */
export async function dropCache(run: Runner, path: string): Promise<void> {
  const ran = await run(DD, [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none'])
  if (ran.code !== 0) throw new Error(whyFailed('dd', ran))
}
