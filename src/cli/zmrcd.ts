import { hostname } from 'node:os'
import { errorText } from '#src/base/fault.ts'
import type { Config } from '#src/config/config.ts'
import { QUEUES } from '#src/queue/list-filter.ts'
import { askMaster } from './control-client.ts'
import { mailqText } from './mailq.ts'
import { openQueue } from '#src/queue/tool-access.ts'
import type { QueueAccess } from '#src/queue/tool-access.ts'
import { print } from './output.ts'
import { queuePathsOf } from '#src/admin/queue-paths.ts'
import { controlSocketOf, stop } from './running.ts'
import { start } from './start.ts'
import { inputLines, toolConfig, ToolError } from './tool.ts'
import { zmqactionOn } from './zmqaction.ts'
import { zmmsgtraceText } from './zmmsgtrace.ts'
import { zmqstatText } from './zmqstat.ts'

/**
 * `zmrcd` of Zimbra: the forced command behind the ssh key of a Zimbra mailbox server. One line on standard input,
 * `HOST:<name> <command>`, is done and answered. Only what is listed here can be asked for, and no shell is ever
 * started, whatever the line says. A command that has gone well says nothing on standard error: Zimbra's mailboxd takes
 * the least word there for a failure, and it waits ten seconds for an answer (RemoteManager).
 */
const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ['zmqstat', { program: '/opt/zimbra/libexec/zmqstat', words: statWords, framed: false, run: statLines }],
  ['zmqaction', { program: '/opt/zimbra/libexec/zmqaction', words: any, framed: true, run: actionLines }],
  [
    'flushqueue',
    { program: '/opt/zimbra/common/sbin/postqueue -f', words: none, framed: true, run: flushLines },
  ],
  [
    'showqueue',
    { program: '/opt/zimbra/common/sbin/postqueue -p', words: none, framed: true, run: showLines },
  ],
  ['msgtrace', { program: '/opt/zimbra/bin/zmmsgtrace', words: none, framed: true, run: traceLines }],
  ['status', { program: '/opt/zimbra/bin/zmcontrol status', words: none, framed: true, run: statusLines }],
  ['start', { program: '/opt/zimbra/bin/zmmtactl start', words: mta, framed: true, run: startLines }],
  ['stop', { program: '/opt/zimbra/bin/zmmtactl stop', words: mta, framed: true, run: stopLines }],
  ['startup', { program: '/opt/zimbra/bin/zmcontrol startup', words: none, framed: true, run: startLines }],
  ['shutdown', { program: '/opt/zimbra/bin/zmcontrol shutdown', words: none, framed: true, run: stopLines }],
])

interface Command {
  /** What Zimbra runs: the frame around the answer names it. */
  readonly program: string
  /** Whether the answer stands between STARTCMD and ENDCMD: Zimbra's does not for zmqstat. */
  readonly framed: boolean
  /** Which words may stand behind it. */
  readonly words: (words: readonly string[]) => boolean
  readonly run: (config: Config, words: readonly string[]) => AsyncGenerator<string>
}

function none(words: readonly string[]): boolean {
  return words.length === 0
}

/** They are looked at when it is run. */
function any(): boolean {
  return true
}

/** Of Zimbra's services there is one here. */
function mta(words: readonly string[]): boolean {
  return words.length === 1 && words[0] === 'mta'
}

function statWords(words: readonly string[]): boolean {
  return words.length === 1 && ['all', ...QUEUES].some((name) => name === words[0])
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
  if (command === undefined || !command.words(words)) throw new ToolError(`Unknown command: "${name}"`, 1)
  const config = toolConfig(undefined)
  for (const host of hosts) await print(answer(host, command, words, config))
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
  config: Config,
): AsyncGenerator<string> {
  const said = command.words === mta ? command.program : [command.program, ...words].join(' ')
  if (command.framed) yield `STARTCMD: ${host} ${said}\n`
  yield* command.run(config, words)
  if (command.framed) yield `ENDCMD: ${host} ${said}\n`
}

function queueOf(config: Config): Promise<QueueAccess> {
  return openQueue(queuePathsOf(config))
}

async function* statLines(config: Config, [name]: readonly string[]): AsyncGenerator<string> {
  await using access = await queueOf(config)
  yield* zmqstatText(
    access,
    QUEUES.find((each) => each === name),
  )
}

async function* actionLines(config: Config, words: readonly string[]): AsyncGenerator<string> {
  await using access = await queueOf(config)
  // What postsuper would say of it on a terminal is in our log.
  await zmqactionOn(access, words)
  yield* []
}

async function* flushLines(config: Config): AsyncGenerator<string> {
  await using access = await queueOf(config)
  await access.act('flush', null)
  yield* []
}

async function* showLines(config: Config): AsyncGenerator<string> {
  await using access = await queueOf(config)
  yield* mailqText(access)
}

async function* traceLines(config: Config): AsyncGenerator<string> {
  await using access = await queueOf(config)
  yield* zmmsgtraceText(access, {})
}

async function* startLines(): AsyncGenerator<string> {
  const code = await start(['--detach'])
  if (code !== 0) throw new ToolError('Postern was not started', code)
  yield* []
}

async function* stopLines(): AsyncGenerator<string> {
  await stop([])
  yield* []
}

/** As `zmcontrol status` writes it. */
async function* statusLines(config: Config): AsyncGenerator<string> {
  const reply = await askMaster(controlSocketOf(config), 'status')
  yield `Host ${hostname()}\n\tmta${' '.repeat(21)}${reply === undefined ? 'Stopped' : 'Running'}\n`
}
