import { hostname } from 'node:os'
import { errorText } from '#src/base/fault.ts'
import { QUEUES } from '#src/queue/list-filter.ts'
import { askMaster } from './control-client.ts'
import { mailqText } from './mailq.ts'
import { openQueue } from './queue-access.ts'
import type { QueueAccess } from './queue-access.ts'
import { print } from './output.ts'
import { queuePathsOf } from './queue-paths.ts'
import { controlSocketOf } from './running.ts'
import { inputLines, toolConfig, ToolError } from './tool.ts'
import { zmqactionOn } from './zmqaction.ts'
import { zmqstatText } from './zmqstat.ts'

/**
 * `zmrcd` of Zimbra: the forced command behind the ssh key of a Zimbra mailbox server. One line on standard input,
 * `HOST:<name> <command>`, is done and answered. Only what is listed here can be asked for, and no shell is ever
 * started, whatever the line says.
 */
const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ['zmqstat', { program: '/opt/zimbra/libexec/zmqstat', framed: false, run: statLines }],
  ['zmqaction', { program: '/opt/zimbra/libexec/zmqaction', framed: true, run: actionLines }],
  ['flushqueue', { program: '/opt/zimbra/common/sbin/postqueue -f', framed: true, run: flushLines }],
  ['showqueue', { program: '/opt/zimbra/common/sbin/postqueue -p', framed: true, run: showLines }],
  ['status', { program: '/opt/zimbra/bin/zmcontrol status', framed: true, run: statusLines }],
])

interface Command {
  /** What Zimbra runs: the frame around the answer names it. */
  readonly program: string
  /** Whether the answer stands between STARTCMD and ENDCMD: Zimbra's does not for zmqstat. */
  readonly framed: boolean
  readonly run: (access: QueueAccess, words: readonly string[]) => AsyncGenerator<string>
}

export async function zmrcd(): Promise<number> {
  // As in Zimbra's, one line is one connection.
  for await (const line of inputLines()) {
    try {
      return await perform(line)
    } catch (error) {
      process.stderr.write(`ERROR: ${errorText(error)}\n`)
      return error instanceof ToolError ? error.code : 1
    }
  }
  return 0
}

async function perform(line: string): Promise<number> {
  const [target = '', name = '', ...words] = line.split(/\s+/)
  if (target === '?') {
    await print([...COMMANDS].map(([command, { program }]) => `${command} -> ${program}\n`))
    return 0
  }
  const hosts = hostsOf(target)
  const command = COMMANDS.get(name)
  if (command === undefined) throw new ToolError(`Unknown command: "${name}"`, 1)
  const config = toolConfig(undefined)
  await using access = await openQueue(queuePathsOf(config))
  for (const host of hosts) await print(answer(host, command, words, access))
  return 0
}

/** `HOST:a,HOST:b`; it is always this box that answers, under the name that it was called by. */
function hostsOf(target: string): readonly string[] {
  const hosts = target.split(',').map((one) => /^HOST:([0-9A-Za-z.:_-]{1,255})$/.exec(one)?.[1])
  const known = hosts.filter((host) => host !== undefined)
  if (known.length !== hosts.length) throw new ToolError('Invalid hostlist', 1)
  return [...new Set(known)]
}

async function* answer(
  host: string,
  command: Command,
  words: readonly string[],
  access: QueueAccess,
): AsyncGenerator<string> {
  const said = [command.program, ...words].join(' ')
  if (command.framed) yield `STARTCMD: ${host} ${said}\n`
  yield* command.run(access, words)
  if (command.framed) yield `ENDCMD: ${host} ${said}\n`
}

async function* statLines(access: QueueAccess, words: readonly string[]): AsyncGenerator<string> {
  const [name = 'all', ...more] = words
  const queue = QUEUES.find((each) => each === name)
  if (more.length > 0 || (queue === undefined && name !== 'all'))
    throw new ToolError(`Unknown command: "zmqstat"`, 1)
  yield* zmqstatText(access, queue)
}

async function* actionLines(access: QueueAccess, words: readonly string[]): AsyncGenerator<string> {
  // Zimbra's postsuper says it on standard error, which is no part of the answer.
  process.stderr.write(await zmqactionOn(access, words))
  yield* []
}

async function* flushLines(access: QueueAccess): AsyncGenerator<string> {
  await access.act('flush', null)
  yield* []
}

async function* showLines(access: QueueAccess): AsyncGenerator<string> {
  yield* mailqText(access)
}

/** As `zmcontrol status` writes it. */
async function* statusLines(): AsyncGenerator<string> {
  const reply = await askMaster(controlSocketOf(toolConfig(undefined)), 'status')
  yield `Host ${hostname()}\n\tmta${' '.repeat(21)}${reply === undefined ? 'Stopped' : 'Running'}\n`
}
