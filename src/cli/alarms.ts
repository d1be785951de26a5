import { ALARMS, readAlarm } from '#src/base/alarms.ts'
import type { Alarm } from '#src/base/alarms.ts'
import { isRecord } from '#src/net/frames.ts'
import { askMaster } from './control-client.ts'
import { configOf, noWords, readOptions } from './options.ts'
import { controlSocketOf, tellNotRunning } from './running.ts'

/** `postern alarms [--json]`: what an operator has to look at now, and what to do about it. */
export async function alarms(args: readonly string[]): Promise<number> {
  const options = readOptions(args, ['json'])
  noWords(options)
  const config = configOf(options)
  const reply = await askMaster(controlSocketOf(config), 'alarms')
  if (reply === undefined) return tellNotRunning(config)
  const raised = alarmsOf(reply)
  if (options.flags.has('json')) process.stdout.write(`${JSON.stringify(raised, undefined, 2)}\n`)
  else process.stdout.write(raised.length === 0 ? 'No alarms.\n' : `${raised.map(alarmText).join('\n')}\n`)
  return 0
}

/** The alarms in an answer of master. */
export function alarmsOf(reply: Readonly<Record<string, unknown>>): readonly Alarm[] {
  const list: readonly unknown[] = Array.isArray(reply['alarms']) ? reply['alarms'] : []
  return list.filter(isRecord).flatMap(readAlarm)
}

function alarmText({ code, severity, key, reason, sinceMs }: Alarm): string {
  const since = new Date(sinceMs).toISOString()
  return `${severity} ${code}${key === '' ? '' : ` ${key}`} since ${since}\n  ${reason}\n  ${ALARMS[code].text}`
}
