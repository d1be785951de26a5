import type { Commands } from './commands.ts'
import { refused } from './commands.ts'
import type { Runner } from './run.ts'
import { whyFailed } from './run.ts'

const SYSTEMCTL = '/usr/bin/systemctl'

/** Restarts the machine or switches it off; undefined where that is under way, else why it cannot be. */
export async function endMachine(run: Runner, how: 'reboot' | 'poweroff'): Promise<string | undefined> {
  const ran = await run(SYSTEMCTL, ['--no-block', how])
  // systemd may already be ending this unit, and what it has started, before systemctl has heard that it is.
  return ran.code === 0 || ran.signal === 'SIGTERM' ? undefined : whyFailed('systemctl', ran)
}

/** Commands that end the machine. The units are stopped in their order: master finishes what is under way. */
export function powerCommands(run: Runner): Commands {
  const ending = (how: 'reboot' | 'poweroff', text: string) => async () => {
    const trouble = await endMachine(run, how)
    return trouble === undefined ? ({ ok: true, text } as const) : refused(trouble)
  }
  return {
    restart: ending('reboot', 'The machine starts anew.'),
    'power-off': ending('poweroff', 'The machine is being switched off.'),
  }
}
