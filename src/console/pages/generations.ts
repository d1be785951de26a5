import { existsSync } from 'node:fs'
import { changesBetween, GenerationStore } from '#src/config/generations.ts'
import type { SettingChange, StoredGeneration } from '#src/config/generations.ts'
import { pathsOf } from '#src/config/paths.ts'
import type { Appliance } from '#src/console/appliance.ts'
import type { Desk } from '#src/console/desk.ts'
import type { Canvas } from '#src/console/grid.ts'
import type { Key } from '#src/console/keys.ts'
import { Pager, Picker } from '#src/console/pager.ts'
import { columns, minute, wrap } from '#src/console/text.ts'
import { recordsOf } from './status.ts'

export interface GenerationsDeps {
  readonly appliance: Appliance
  readonly desk: Desk
}

/** One generation with what it has otherwise than the one before; the first has nothing before it. */
export interface GenerationRow {
  readonly number: number
  readonly atMs: number
  readonly reason: string
  /** '' where nobody is known. */
  readonly author: string
  readonly changes: readonly SettingChange[]
  /** What going back to it would change now. */
  readonly back: readonly SettingChange[]
}

/** A year of daily changes is looked through with the tool. */
const LISTED_MAX = 100
const WIDTH = 79

/** The history of the settings, and the way back. */
export class GenerationsView {
  readonly #deps: GenerationsDeps
  readonly #list = new Picker<GenerationRow>()
  #detail: Pager | undefined

  constructor(deps: GenerationsDeps) {
    this.#deps = deps
  }

  get keys(): string {
    return this.#detail === undefined
      ? 'Enter what it changed  r go back to it  u undo that  ESC settings'
      : 'ESC back  r go back to it'
  }

  async enter(): Promise<void> {
    this.#detail = undefined
    const { appliance, desk } = this.#deps
    const path = pathsOf(appliance.config.dataFolder).generations
    const rows = await desk.work('reading', async () => (existsSync(path) ? rowsOf(path) : []))
    if (rows !== undefined) this.#list.set(rows)
    if (rows?.length === 0) desk.say('There is no history yet: the first start makes one.')
  }

  draw(canvas: Canvas): void {
    if (this.#detail !== undefined) {
      this.#detail.draw(canvas)
      return
    }
    const widths = [-6, 16, 22, canvas.columns - 6 - 16 - 22 - 4]
    canvas.put(0, 0, 'History of the settings, the newest first; the newest is in force.')
    canvas.put(1, 0, columns(['number', 'when', 'by', 'changed'], widths))
    this.#list.draw(canvas, 2, ({ number, atMs, reason, author, changes }) =>
      columns(
        [String(number), minute(atMs), author || reason, changes.map(({ name }) => name).join(', ')],
        widths,
      ),
    )
  }

  async press(key: Key): Promise<void> {
    if (this.#detail?.press(key) === true) return
    if (this.#detail === undefined && this.#list.press(key)) return
    if (key.kind === 'enter') this.#show()
    else if (key.kind === 'char' && key.char === 'r') await this.#goBack()
    else if (key.kind === 'char' && key.char === 'u') await this.#release()
  }

  #show(): void {
    const row = this.#list.chosen
    if (row === undefined) return
    const lines = [
      `Generation ${row.number} of ${minute(row.atMs)} (${byWhom(row)}) changed:`,
      ...changeLines(row.changes),
      '',
      'Going back to it would change:',
      ...changeLines(row.back),
    ]
    this.#detail = new Pager()
    this.#detail.set(lines.flatMap((line) => wrap(line, WIDTH)))
  }

  async #goBack(): Promise<void> {
    const row = this.#list.chosen
    const { appliance, desk } = this.#deps
    if (row === undefined) return
    if (!(await desk.confirm(`Go back to generation ${row.number} (${row.back.length} settings change)?`)))
      return
    const reply = await desk.work('going back', () => appliance.master('rollback', [String(row.number)]))
    if (reply === undefined) return
    await this.enter()
    const held = Array.isArray(reply['held']) ? reply['held'].length : 0
    desk.say(
      `Generation ${String(reply['generation'])} is in force, ${recordsOf(reply['changes']).length} settings changed; ${held} are held.`,
    )
  }

  async #release(): Promise<void> {
    const { appliance, desk } = this.#deps
    if (!(await desk.confirm('Let the directory and postern.toml count again?'))) return
    const reply = await desk.work('undoing', () => appliance.master('release'))
    if (reply === undefined) return
    await this.enter()
    desk.say(`Generation ${String(reply['generation'])} is in force.`)
  }

  back(): boolean {
    const was = this.#detail !== undefined
    this.#detail = undefined
    return was
  }
}

function rowsOf(path: string): readonly GenerationRow[] {
  using store = GenerationStore.openForReading(path)
  const listed = store.list(LISTED_MAX + 1)
  const [newest] = listed
  return listed.slice(0, LISTED_MAX).map((one, at) => rowOf(one, listed[at + 1], newest))
}

function rowOf(
  one: StoredGeneration,
  before: StoredGeneration | undefined,
  newest: StoredGeneration | undefined,
): GenerationRow {
  return {
    number: one.number,
    atMs: one.atMs,
    reason: one.reason,
    author: one.author,
    changes: before === undefined ? [] : changesBetween(before.settings, one.settings),
    back: newest === undefined ? [] : changesBetween(newest.settings, one.settings),
  }
}

function byWhom({ reason, author }: GenerationRow): string {
  return author === '' ? reason : `${reason} by ${author}`
}

function shown(text: string): string {
  return text === '' ? '(empty)' : text
}

function changeLines(changes: readonly SettingChange[]): readonly string[] {
  return changes.length === 0
    ? ['  nothing']
    : changes.map(({ name, before, after }) => `  ${name}: ${shown(before)} -> ${shown(after)}`)
}
