import { existsSync } from 'node:fs'
import type { Config } from '#src/config/config.ts'
import { changesBetween, GenerationStore } from '#src/config/generations.ts'
import type { SettingChange, StoredGeneration } from '#src/config/generations.ts'
import { pathsOf } from '#src/config/paths.ts'
import { askMaster } from './control-client.ts'
import { configOf, noWords, readOptions } from './options.ts'
import { controlSocketOf, tellNotRunning } from './running.ts'
import { CommandError, UsageError } from './usage.ts'

/** Generations that are listed where no number is given. */
const LISTED = 20

/** `postern generations [--limit N] [--json]`: the history of the settings, the newest first. */
export async function generations(args: readonly string[]): Promise<number> {
  const options = readOptions(args, ['json'], ['limit'])
  noWords(options)
  const limit = numberOf(options.values.get('limit') ?? String(LISTED), '--limit')
  using store = openHistory(configOf(options))
  const listed = store.list(limit + 1)
  for (const [at, one] of listed.slice(0, limit).entries()) {
    const changes = changesSince(listed[at + 1], one)
    const line = options.flags.has('json')
      ? JSON.stringify({
          number: one.number,
          at: timeText(one),
          reason: one.reason,
          by: one.author,
          changes: changes ?? [],
        })
      : `${at === 0 ? '*' : ' '}${String(one.number).padStart(5)}  ${timeText(one)}  ${one.reason.padEnd(15)}  ${one.author.padEnd(18)}  ${summary(changes)}`
    process.stdout.write(`${line.trimEnd()}\n`)
  }
  return 0
}

/** `postern diff A [B]`: what B has otherwise than A; without B the newest. */
export async function diff(args: readonly string[]): Promise<number> {
  const options = readOptions(args, ['json'])
  const [first, second, extra] = options.words
  if (first === undefined || extra !== undefined)
    throw new UsageError('say "postern diff A B" or "postern diff A", with numbers of "postern generations"')
  using store = openHistory(configOf(options))
  const before = find(store, first)
  const after = second === undefined ? (store.newest ?? before) : find(store, second)
  const changes = changesBetween(before.settings, after.settings)
  if (options.flags.has('json')) process.stdout.write(`${JSON.stringify(changes)}\n`)
  else process.stdout.write(changesText(changes))
  return 0
}

/** `postern rollback N` and `postern rollback --release`. */
export async function rollback(args: readonly string[]): Promise<number> {
  const options = readOptions(args, ['release'])
  const [word, extra] = options.words
  const isRelease = options.flags.has('release')
  if (extra !== undefined || isRelease === (word !== undefined))
    throw new UsageError(
      'say "postern rollback N" with a number of "postern generations", or "postern rollback --release"',
    )
  const config = configOf(options)
  const words = word === undefined ? [] : [String(numberOf(word, word))]
  const reply = await askMaster(controlSocketOf(config), isRelease ? 'release' : 'rollback', words)
  if (reply === undefined) return tellNotRunning(config)
  const changes = changesOf(reply['changes'])
  process.stdout.write(
    `Generation ${String(reply['generation'])} of the settings is in force.\n${changesText(changes)}`,
  )
  const held: readonly unknown[] = Array.isArray(reply['held']) ? reply['held'] : []
  if (held.length > 0) {
    process.stdout.write(
      `Held until the directory says something else, or "postern rollback --release": ${held.map(String).join(', ')}\n`,
    )
  }
  return 0
}

function openHistory(config: Config): GenerationStore {
  const path = pathsOf(config.dataFolder).generations
  if (!existsSync(path))
    throw new CommandError(`there is no history yet in ${config.dataFolder}; the first start makes one`)
  return GenerationStore.openForReading(path)
}

function find(store: GenerationStore, word: string): StoredGeneration {
  const found = store.get(numberOf(word, word))
  if (found === undefined)
    throw new CommandError(`there is no generation ${word}; "postern generations" lists them`)
  return found
}

function numberOf(text: string, name: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new UsageError(`${name} must be a number from 1`)
  return Number(text)
}

function timeText({ atMs }: StoredGeneration): string {
  return new Date(atMs).toISOString()
}

/** undefined where there is nothing to be compared with. */
function changesSince(
  before: StoredGeneration | undefined,
  now: StoredGeneration,
): readonly SettingChange[] | undefined {
  return before === undefined ? undefined : changesBetween(before.settings, now.settings)
}

function summary(changes: readonly SettingChange[] | undefined): string {
  return changes === undefined ? '' : changes.map(({ name }) => name).join(', ')
}

function changesText(changes: readonly SettingChange[]): string {
  if (changes.length === 0) return 'Nothing is different.\n'
  return changes.map(({ name, before, after }) => `${name}: ${shown(before)} -> ${shown(after)}\n`).join('')
}

function shown(text: string): string {
  return text === '' ? '(empty)' : text
}

function changesOf(value: unknown): readonly SettingChange[] {
  // oxlint-disable-next-line no-unsafe-type-assertion -- master of the same release has made them
  return Array.isArray(value) ? (value as readonly SettingChange[]) : []
}
