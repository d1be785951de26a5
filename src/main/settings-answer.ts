import type { SettingNote } from '#src/config/notes.ts'
import type { Alarm } from './alarms.ts'
import type { ControlAnswer } from '#src/net/control-server.ts'
import type { Generations } from './generation.ts'

/** Generations in one answer: a page, and one more, which tells that there is another. */
const LISTED_MAX = 501

/** Answers `generations [LIMIT [BEFORE]]`: the newest, or the newest of those below BEFORE. */
export function generationsAnswer(generations: Generations, words: readonly string[]): ControlAnswer {
  const [limit, before] = words.map(Number)
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit > 0 && limit <= LISTED_MAX))
    return { ok: false, error: `1 to ${LISTED_MAX} generations are told at once` }
  if (before !== undefined && !Number.isSafeInteger(before))
    return { ok: false, error: 'a generation has a number' }
  const { current, held } = generations
  return { ok: true, current: current.number, held, generations: generations.recent(before, limit) }
}

/** Answers `rollback N` and `release` of the control socket. */
export function settingsAnswer(
  generations: Generations,
  command: 'rollback' | 'release',
  words: readonly string[],
  by: string,
): ControlAnswer {
  const number = Number(words[0])
  if (command === 'rollback' && !Number.isSafeInteger(number))
    return { ok: false, error: 'say to which generation: {"command":"rollback","words":["3"]}' }
  const done = command === 'rollback' ? generations.rollback(number, by) : generations.release(by)
  if (done.kind === 'refused') return { ok: false, error: done.reason }
  const { generation, changes } = done
  return { ok: true, generation: generation.number, changes, held: generations.held }
}

/** An alarm as `postern status` and `postern reload` show it. */
export function alarmText({ attribute, source, reason }: Alarm): string {
  const where = source === attribute || source === 'globalConfig' ? '' : ` (${source})`
  return `${attribute}${where}: ${reason}`
}

/** Names on one line of `postern status`. */
const NAMED_MAX = 20

/** One line on attributes that do nothing; `postconf` and `zmprov` say which. */
export function notesLine(notes: readonly SettingNote[]): readonly string[] {
  // What nobody has set asks for nobody's attention each day.
  const idle = notes.filter(({ kind, byDefault }) => kind !== 'refused' && byDefault !== true)
  if (idle.length === 0) return []
  const names = idle.slice(0, NAMED_MAX).map(({ attribute }) => attribute)
  const more = idle.length > NAMED_MAX ? [`and ${idle.length - NAMED_MAX} more`] : []
  return [`set and without effect (postern settings --notes says why): ${[...names, ...more].join(', ')}`]
}
