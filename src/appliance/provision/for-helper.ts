import { systemClock } from '#src/base/clock.ts'
import type { Commands } from '#src/appliance/commands.ts'
import type { Runner } from '#src/appliance/run.ts'
import { whyFailed } from '#src/appliance/run.ts'
import { readProvisionReport } from '#src/admin/provision-report.ts'
import { provisionCommands } from './commands.ts'
import { Keeper } from './keeper.ts'

/** Where the stick is mounted (image/overlay/usr/lib/systemd/system). */
export const STICK = '/run/postern-image/stick'

/** What the helper can do about the set-up of its own machine. */
export function setUpCommands(keeper: Keeper): Commands {
  return provisionCommands(keeper, STICK)
}

/**
 * Keeps what the helper is told of the set-up, and has postern-apply.service make everything of it, which has the rights for that and
 * is gone right after. `socket` is the helper's.
 */
export function ownKeeper(run: Runner, socket: string): Keeper {
  const make = async (): Promise<readonly string[]> => {
    const ran = await run('/usr/bin/systemctl', ['start', 'postern-apply.service'])
    if (ran.code !== 0) return [`The settings were not made: ${whyFailed('systemctl', ran)}`]
    return readProvisionReport(socket)?.troubles ?? []
  }
  return new Keeper({ root: '/', clock: systemClock, make })
}
