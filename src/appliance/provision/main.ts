import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { systemClock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import { ownerOf } from './owner.ts'
import { Provisioner } from './provisioner.ts'
import type { Source } from './sources.ts'

/**
 * Run once at each start of the appliance image, before the network (postern-provision.service): takes what a
 * provisioning file says, and makes the settings of everything else.
 *
 *     main.ts [--credentials FOLDER] [--esp FOLDER] [--root FOLDER]
 *
 * Exit code 0, also where a file was wrong: the box starts as it was set up before, and tells it. 1 where settings could
 * not be made.
 */

const { values: at } = parseArgs({
  options: {
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
  const provisioner = new Provisioner({
    root: at.root,
    clock: systemClock,
    owner: process.getuid?.() === 0 ? ownerOf(readFileSync('/etc/passwd', 'utf8'), 'postern') : undefined,
    // Whoever reads the files starts after this.
    attend: () => Promise.resolve([]),
  })
  const { outcomes, troubles } = await provisioner.boot(sources)
  for (const { text, problems } of outcomes) say([text, ...problems].join(' '))
  for (const trouble of troubles) say(trouble)
  if (!provisioner.isOpen)
    say('The console has no password: nothing listens to the network before it has one.')
} catch (error) {
  say(`Settings could not be made: ${errorText(error)}`)
  process.exitCode = 1
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
