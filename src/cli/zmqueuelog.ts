import { systemClock } from '#src/base/clock.ts'
import { queueTotals } from './mailq.ts'
import { print } from './output.ts'
import { runTool, ToolError, toolQueue } from './tool.ts'
import { isoDay, timeOfDay } from '#src/base/local-time.ts'

/**
 * `zmqueuelog` of Zimbra, which cron calls every ten minutes: octets (in KiB) and messages of the queue on one line, on
 * standard output in place of syslog.
 */
export function zmqueuelog(args: readonly string[]): Promise<number> {
  return runTool('zmqueuelog', () => run(args), 1)
}

async function run(args: readonly string[]): Promise<number> {
  if (args.length > 0) throw new ToolError('usage: zmqueuelog', 1)
  const nowMs = systemClock.nowMs()
  await using queue = await toolQueue(undefined)
  const { kilobytes, messages } = await queueTotals(queue)
  await print([`${isoDay(nowMs)} ${timeOfDay(nowMs)}, QUEUE: ${kilobytes} ${messages}\n`])
  return 0
}
