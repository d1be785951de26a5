import { once } from 'node:events'
import { openLog } from '#src/base/log.ts'
import { ServiceManager } from '#src/host/service-manager.ts'
import { openControl } from '#src/net/control-server.ts'
import { dispatcher } from './commands.ts'
import { powerCommands } from './power.ts'
import { setUpCommands } from './provision/for-helper.ts'
import { runProgram } from './run.ts'

/**
 * The helper of the appliance image, the one process of ours that is root: `main.ts SOCKET`. It does what the console and
 * `postern update` ask (admin/image-commands.ts), and speaks to no network. Who may ask: the group of its unit, by
 * the mode of the socket.
 */

/** The owner, and the group that the unit gives this process. */
const SOCKET_MODE = 0o660

process.title = 'postern: appliance'
process.umask(0o077)
const [socket = '/run/postern-image/helper.sock'] = process.argv.slice(2)
const log = openLog({ service: 'appliance', level: 'info', jsonFd: undefined, textFd: undefined, echoFd: 1 })
const manager = new ServiceManager(process.env, process.pid, (reason) => {
  log.write('warn', 'master.unnotified', { reason })
})
const stopAsked = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopAsked.abort())

const commands = { ...powerCommands(runProgram), ...setUpCommands(runProgram) }
const handler = dispatcher(commands, (command) => {
  log.write('info', 'appliance.command', { command })
})
const server = await openControl(socket, handler, SOCKET_MODE)
log.write('info', 'appliance.start', { socket })
manager.ready('Waiting for commands')
if (!stopAsked.signal.aborted) await once(stopAsked.signal, 'abort')
manager.stopping()
server.stopListening()
await log.printed()
