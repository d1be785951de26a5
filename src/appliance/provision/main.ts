import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { runProgram } from '#src/appliance/run.ts'
import { systemClock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import { attendTo } from './attend.ts'
import { Keeper } from './keeper.ts'
import { Maker } from './maker.ts'
import { ownerOf } from './owner.ts'
import type { Source } from './sources.ts'

/**
 * At each start of the appliance image, before the network (postern-provision.service): takes what a provisioning file
 * says, and makes the settings of everything else.
 *
 *     main.ts [--credentials FOLDER] [--esp FOLDER] [--root FOLDER]
 *
 * Later, whenever the helper has kept something else (postern-apply.service): makes them anew, and has units look at what
 * has changed.
 *
 *     main.ts --running [--root FOLDER]
 *
 * Exit code 0, also where a file was wrong: the box is as it was set up before, and tells it. 1 where settings could not
 * be made.
 */

const { values: at } = parseArgs({
  options: {
    running: { type: 'boolean', default: false },
    credentials: { type: 'string', default: '' },
    esp: { type: 'string', default: '' },
    root: { type: 'string', default: '/' },
  },
})

process.title = 'postern: provision'
process.umask(0o077)
const folders = [
  ['credential', at.credentials],
  ['esp', at.esp],
] as const
const sources: readonly Source[] = folders.flatMap(([kind, folder]) =>
  folder === '' ? [] : [{ kind, folder }],
)
try {
  const maker = new Maker({
    root: at.root,
    clock: systemClock,
    owner: process.getuid?.() === 0 ? ownerOf(readFileSync('/etc/passwd', 'utf8'), 'postern') : undefined,
    attend: (concerns, opening) => attendTo(runProgram, concerns, opening),
  })
  // At the start whoever reads the files comes after this.
  const when = at.running ? 'running' : 'start'
  const keeper = new Keeper({ root: at.root, clock: systemClock, make: () => maker.make(when) })
  for (const source of sources) {
    const outcome = await keeper.keep(source)
    if (outcome !== undefined) say([outcome.text, ...outcome.problems].join(' '))
  }
  for (const trouble of await keeper.make()) say(trouble)
  if (!keeper.isOpen) say('The console has no password: nothing listens to the network before it has one.')
} catch (error) {
  say(`Settings could not be made: ${errorText(error)}`)
  process.exitCode = 1
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
