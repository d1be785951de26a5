import { systemClock } from '#src/base/clock.ts'
import { TRACE_OPTIONS, traceFilter } from './filters.ts'
import { configOf, readOptions } from './options.ts'
import { print } from './output.ts'
import { openQueue } from '#src/queue/tool-access.ts'
import type { QueueAccess } from '#src/queue/tool-access.ts'
import { queuePathsOf } from '#src/admin/queue-paths.ts'
import { lifeText } from '#src/admin/trace-format.ts'
import { UsageError } from './usage.ts'

/** Messages that are shown where nobody says how many. */
const LIMIT = 20
const LIMIT_MAX = 10_000

/** `postern trace`: finds messages, those that have left the queue too, and prints their whole life. */
export async function trace(args: readonly string[]): Promise<number> {
  const options = readOptions(args, ['json'], [...TRACE_OPTIONS, 'limit'])
  const filter = traceFilter(options.values, systemClock.nowMs())
  const ids = options.words.map((word) => word.replace(/[*!#]$/, ''))
  if ((ids.length === 0) === (Object.keys(filter).length === 0)) {
    throw new UsageError('say which messages: ids, or --sender, --recipient, --client, --subject, …')
  }
  const limit = limitOf(options.values.get('limit'))
  const json = options.flags.has('json')
  await using queue = await openQueue(queuePathsOf(configOf(options)))
  const requests = ids.length > 0 ? ids.map((id) => ({ op: 'trace', id })) : [{ op: 'trace', filter, limit }]
  const shown = { count: 0, lost: 0, partly: false }
  await print(lives(queue, requests, json, shown))
  if (shown.partly)
    process.stderr.write('postern: there may be more: not all of the trace was looked through\n')
  if (shown.lost > 0)
    process.stderr.write(
      `postern: ${shown.lost} refusals of that time were too many to be kept; the log has them\n`,
    )
  if (shown.count === 0) process.stderr.write('postern: no such message in the trace\n')
  return shown.count === 0 ? 1 : 0
}

async function* lives(
  queue: QueueAccess,
  requests: readonly Readonly<Record<string, unknown>>[],
  json: boolean,
  shown: { count: number; lost: number; partly: boolean },
): AsyncGenerator<string> {
  for (const request of requests) {
    for await (const answer of queue.ask(request)) {
      if (answer['end'] === true) {
        if (answer['complete'] === false) shown.partly = true
        shown.lost += Number(answer['lost'] ?? 0)
        continue
      }
      const { id, trace: rows, message } = answer
      if (Array.isArray(rows) && rows.length === 0 && message === null) continue
      shown.count++
      yield json ? `${JSON.stringify(answer)}\n` : lifeText(String(id), rows, message)
    }
  }
}

export function limitOf(text: string | undefined): number {
  if (text === undefined) return LIMIT
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (limit < 1 || limit > LIMIT_MAX) throw new UsageError(`--limit is a number from 1 to ${LIMIT_MAX}`)
  return limit
}
