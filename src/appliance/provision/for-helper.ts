import { readFileSync } from 'node:fs'
import { systemClock } from '#src/base/clock.ts'
import type { Commands } from '#src/appliance/commands.ts'
import type { Runner } from '#src/appliance/run.ts'
import { attendTo } from './attend.ts'
import { provisionCommands } from './commands.ts'
import { ownerOf } from './owner.ts'
import { Provisioner } from './provisioner.ts'

/** Where the stick is mounted (image/overlay/usr/lib/systemd/system). */
const STICK = '/run/postern-image/stick'

/** What the helper can do about the set-up of its own machine. */
export function setUpCommands(run: Runner): Commands {
  const provisioner = new Provisioner({
    root: '/',
    clock: systemClock,
    owner: process.getuid?.() === 0 ? ownerOf(readFileSync('/etc/passwd', 'utf8'), 'postern') : undefined,
    attend: (concerns, opening) => attendTo(run, concerns, opening),
  })
  return provisionCommands(provisioner, STICK)
}
