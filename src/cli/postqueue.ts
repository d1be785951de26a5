import type { QueueFilter } from '#src/queue/list-filter.ts'
import { getopt, lastOf } from './getopt.ts'
import type { Given } from './getopt.ts'
import { mailqText } from './mailq.ts'
import { print } from './output.ts'
import type { QueueAccess } from '#src/queue/tool-access.ts'
import { postqueueJson } from './queue-format.ts'
import { EX, ToolError, isQueueId, runTool, toolQueue } from './tool.ts'

const USAGE = 'usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site'

/** `postqueue` of Postfix: -p and -j show the queue, -f, -i and -s have it tried at once. */
export function postqueue(args: readonly string[]): Promise<number> {
  return runTool('postqueue', () => run(args), EX.unavailable)
}

/** `mailq` of Postfix, which is sendmail -bp. */
export function mailqTool(args: readonly string[]): Promise<number> {
  return runTool('mailq', () => run(['-p', ...args.filter((arg) => arg !== '-bp')]), EX.unavailable)
}

async function run(args: readonly string[]): Promise<number> {
  const given = getopt(args, 'c:fi:jps:v')
  if (typeof given === 'string') {
    process.stderr.write(`postqueue: ${given}\n`)
    throw new ToolError(USAGE, EX.unavailable)
  }
  const modes = given.options.filter(({ letter }) => 'fijps'.includes(letter))
  const [mode] = modes
  if (mode === undefined || modes.length > 1 || given.words.length > 0) {
    throw new ToolError(USAGE, EX.unavailable)
  }
  if (mode.letter === 'i' && !isQueueId(mode.value)) {
    throw new ToolError(`Cannot flush queue ID - invalid name: "${mode.value}"`, EX.unavailable)
  }
  return await perform(mode, given)
}

async function perform(mode: Given['options'][number], given: Given): Promise<number> {
  await using queue = await toolQueue(lastOf(given, 'c'))
  switch (mode.letter) {
    case 'p':
      await print(mailqText(queue))
      break
    case 'j':
      await print(jsonText(queue))
      break
    case 'f':
      await queue.act('flush', null)
      break
    case 'i':
      await queue.act('flush', [mode.value])
      break
    default:
      await queue.act('flush', null, { filter: siteFilter(mode.value) })
  }
  return EX.ok
}

/** All mail for a domain; brackets, which keep Postfix from looking up MX records, mean nothing here. */
function siteFilter(site: string): QueueFilter {
  const domain = /^\[(.+)\](?::\d+)?$/.exec(site)?.[1] ?? site
  if (!/^[0-9A-Za-z.:_-]{1,255}$/.test(domain)) {
    throw new ToolError(
      `Cannot flush mail queue - invalid destination: "${site.slice(0, 100)}"`,
      EX.unavailable,
    )
  }
  return { recipientDomain: domain }
}

async function* jsonText(queue: QueueAccess): AsyncGenerator<string> {
  for await (const page of queue.pages()) yield page.map(postqueueJson).join('')
}
