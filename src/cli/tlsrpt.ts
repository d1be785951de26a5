import { existsSync } from 'node:fs'
import { systemClock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import { dayOf, peerMemoryPath, readTlsDay } from '#src/delivery/peer-memory.ts'
import type { TlsCount } from '#src/delivery/peer-memory.ts'
import { tlsReports } from '#src/delivery/tls-report.ts'
import { currentSettings } from '#src/admin/current-settings.ts'
import { configOf, noWords, readOptions } from './options.ts'
import { print } from './output.ts'
import { queuePathsOf } from '#src/admin/queue-paths.ts'
import { CommandError, UsageError } from './usage.ts'

/**
 * `postern tlsrpt`: what the sessions of one UTC day with other domains' hosts were like. It reads what the queue manager
 * has written down, which is seconds old, whether or not that runs.
 */
export async function tlsrpt(args: readonly string[]): Promise<number> {
  const options = readOptions(args, ['json'], ['day', 'domain'])
  noWords(options)
  const day = options.values.get('day') ?? dayOf(systemClock.nowMs())
  if (!isDay(day)) throw new UsageError('--day is a day as 2026-11-22')
  const config = configOf(options)
  const domain = options.values.get('domain')?.toLowerCase()
  const counts = readDay(peerMemoryPath(queuePathsOf(config).queueDir), day).filter(
    (count) => domain === undefined || count.domain === domain,
  )
  if (options.flags.has('json')) {
    const organization = currentSettings(config).settings.myHostname
    const facts = { day, organization, contact: `postmaster@${organization}` }
    await print(tlsReports(counts, facts).map((report) => `${JSON.stringify(report)}\n`))
    return 0
  }
  await print(counts.map(lineOf))
  return 0
}

function isDay(text: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text))
}

function readDay(path: string, day: string): readonly TlsCount[] {
  if (!existsSync(path)) return []
  try {
    return readTlsDay(path, day)
  } catch (error) {
    throw new CommandError(`${path} cannot be read: ${errorText(error)}`)
  }
}

function lineOf({ domain, source, failure, mxHost, address, reason, sessions }: TlsCount): string {
  const where = mxHost === '' ? '' : ` ${mxHost}[${address}]`
  const why = reason === '' ? '' : ` (${reason})`
  return `${String(sessions).padStart(8)}  ${domain}  ${source.type}  ${failure === '' ? 'well' : failure}${where}${why}\n`
}
