import { once } from 'node:events'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { readUpdateKeys } from '#src/admin/update-bundle.ts'
import { elapsed, systemClock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import { openLog } from '#src/base/log.ts'
import { ServiceManager } from '#src/host/service-manager.ts'
import { openControl } from '#src/net/control-server.ts'
import { dispatcher } from './commands.ts'
import { resetCommands } from './factory-reset.ts'
import { otherSlot, readMachine, slotDevices } from './machine.ts'
import { Outcomes } from './outcomes.ts'
import { endMachine, powerCommands } from './power.ts'
import { ownKeeper, setUpCommands, STICK } from './provision/for-helper.ts'
import { readDrainTrouble, readReason } from './reasons.ts'
import { RECOVERY_KEY_FILE, recoveryKeyCommands } from './recovery-key.ts'
import { runProgram, whyFailed } from './run.ts'
import { stickCommands } from './stick.ts'
import { diskStorage } from './storage.ts'
import { TrialGate } from './trial-gate.ts'
import { dropCache, forgetChoice, updateCommands } from './update-commands.ts'
import { Updater } from './updater.ts'

/**
 * The helper of the appliance image, the one process of ours that is root. It does what the console and `postern update`
 * ask (admin/image-commands.ts), and speaks to no network. Who may ask: the group of its unit, by the mode of the socket.
 *
 *     main.ts [--run FOLDER] [--state FOLDER] [--esp FOLDER] [--keys FOLDER] [--boots FOLDER] [--release FILE]
 */

/** The owner, and the group that the unit gives this process. */
const SOCKET_MODE = 0o660
/** How often it is looked what has become of a release that runs on trial. */
const LOOK_MS = 5000

const { values: at } = parseArgs({
  options: {
    run: { type: 'string', default: '/run/postern-image' },
    state: { type: 'string', default: '/var/lib/postern-appliance' },
    esp: { type: 'string', default: '/efi' },
    keys: { type: 'string', default: '/usr/lib/postern/update-keys' },
    boots: { type: 'string', default: '/var/lib/postern/boots' },
    release: { type: 'string', default: '/etc/postern-release' },
  },
})

process.title = 'postern: appliance'
process.umask(0o077)
const log = openLog({ service: 'appliance', level: 'info', jsonFd: undefined, textFd: undefined, echoFd: 1 })
const manager = new ServiceManager(process.env, process.pid, (reason) => {
  log.write('warn', 'master.unnotified', { reason })
})
const stopAsked = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopAsked.abort())

const clock = systemClock
const storage = diskStorage
const machine = readMachine({ release: at.release, runFolder: at.run })
const outcomes = new Outcomes({
  machine,
  esp: at.esp,
  storage,
  stateFile: join(at.state, 'updates.json'),
  troubleFile: join(at.run, 'update-failed.json'),
  reasonOf: (version) => readReason(at.boots, version),
  clock,
  log,
})
const updater = new Updater({
  machine,
  devices: () => slotDevices(otherSlot(machine.slot), machine.disk, { sys: '/sys/class/block', dev: '/dev' }),
  keys: () => [at.keys, join(at.run, 'update-keys')].flatMap((folder) => readUpdateKeys(folder)),
  esp: at.esp,
  storage,
  outcomes,
  clock,
  log,
  dropCache: (path) => dropCache(runProgram, path),
  forgetChoice: () => forgetChoice(runProgram),
  drain,
  restart,
})
const gate = new TrialGate(at.run, runProgram)
const socket = join(at.run, 'helper.sock')
const keeper = ownKeeper(runProgram, socket)
const server = await openControl(
  socket,
  dispatcher(
    {
      ...powerCommands(runProgram),
      ...updateCommands({ updater, outcomes, run: runProgram, drain, restart }),
      ...stickCommands({
        device: '/dev/disk/by-label/POSTERN',
        folder: STICK,
        run: runProgram,
        arch: machine.arch,
        isAllowed: () => keeper.settings.system.sticks,
        update: (path, anyway) => updater.update(path, anyway),
      }),
      ...setUpCommands(keeper),
      ...recoveryKeyCommands(join(at.state, RECOVERY_KEY_FILE)),
      ...resetCommands({ esp: at.esp, storage, restart }),
    },
    (command) => {
      if (command !== 'progress') log.write('info', 'appliance.command', { command })
    },
  ),
  SOCKET_MODE,
)
log.write('info', 'appliance.start', { socket, version: machine.version, slot: machine.slot })
await look()
manager.ready(`Release ${machine.version} in slot ${machine.slot}`)
while (isUnsettled() && (await elapsed(clock, LOOK_MS, stopAsked.signal))) await look()
if (!stopAsked.signal.aborted) await once(stopAsked.signal, 'abort')
manager.stopping()
server.stopListening()
await log.printed()

function isUnsettled(): boolean {
  try {
    return outcomes.isOpen || outcomes.isTrial || gate.isShut
  } catch {
    // `look` has told why the EFI partition cannot be read; it is tried again.
    return true
  }
}

/** An EFI partition that cannot be read is told, and the other commands are still there. */
async function look(): Promise<void> {
  try {
    if (outcomes.isTrial && (await hasPassed())) await outcomes.keep()
    if (gate.isShut && !outcomes.isTrial) await gate.open()
    await updater.look()
  } catch (error) {
    log.write('error', 'appliance.update', { step: 'looking', reason: errorText(error) })
  }
}

/** A unit of user postern's has Postern finish what is under way and notes what waits (appliance/drain.ts). */
async function drain(): Promise<string | undefined> {
  const drained = await runProgram('/usr/bin/systemctl', ['start', 'postern-drain.service'])
  if (drained.code === 0) return undefined
  const reason = readDrainTrouble(at.boots)
  return reason === '' ? whyFailed('systemctl', drained) : reason
}

function restart(): Promise<string | undefined> {
  return endMachine(runProgram, 'reboot')
}

/** Whether this start has passed its boot check: a unit that stays active once it has ended well. */
async function hasPassed(): Promise<boolean> {
  const ran = await runProgram('/usr/bin/systemctl', ['is-active', '--quiet', 'postern-boot-check.service'])
  return ran.code === 0
}
