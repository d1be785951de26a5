import type { Appliance } from '#src/console/appliance.ts'
import type { Desk, Page } from '#src/console/desk.ts'
import type { Canvas } from '#src/console/grid.ts'
import type { Key } from '#src/console/keys.ts'
import { Pager, Picker } from '#src/console/pager.ts'
import { changeSetting, isMain, scopesOf, settingRows, unchangeable } from '#src/console/settings-edit.ts'
import type { SettingRow, SettingScope } from '#src/console/settings-edit.ts'
import { columns, cut, wrapHelp } from '#src/console/text.ts'
import { defaultOf } from '#src/config/defaults.ts'
import { shownValue } from '#src/config/document.ts'
import { serverNameOf } from '#src/config/sources.ts'
import { GenerationsView } from './generations.ts'

export interface SettingsDeps {
  readonly appliance: Appliance
  readonly desk: Desk
}

const WIDTH = 79

/** What is set, where it comes from, what it was; and the way back. */
export class SettingsPage implements Page {
  readonly title = 'Settings'
  readonly open = false
  readonly help = [
    'The settings that are in force, under the names that Postfix has for them (Zimbra where it has none).',
    '',
    'm      the main ones, or all of them      /  only those whose name holds a text',
    'Enter  what it is, its default, its bounds, when a change takes hold',
    'e      change it: in the directory, as zmprov does; it is checked, and counts at once',
    'g      the history: every change is a numbered generation; Enter shows what it changed, r goes back to it, u ends that, so that the directory counts again',
    '',
    'What stands in postern.toml stands above the directory and is changed in that file.',
  ]
  readonly #deps: SettingsDeps
  readonly #list = new Picker<SettingRow>()
  readonly #generations: GenerationsView
  #rows: readonly SettingRow[] = []
  #all = false
  #words = ''
  #detail: Pager | undefined
  #history = false

  constructor(deps: SettingsDeps) {
    this.#deps = deps
    this.#generations = new GenerationsView(deps)
  }

  get keys(): string {
    if (this.#history) return this.#generations.keys
    if (this.#detail !== undefined) return 'ESC back  e change'
    return `Enter about it  e change  m ${this.#all ? 'main ones' : 'all'}  / search  g history  ? help`
  }

  async enter(): Promise<void> {
    this.#detail = undefined
    this.#history = false
    await this.#read()
  }

  async #read(): Promise<void> {
    const { appliance, desk } = this.#deps
    this.#rows = (await desk.work('reading', async () => settingRows(appliance.config))) ?? this.#rows
    this.#filter()
  }

  #filter(): void {
    const words = this.#words.toLowerCase()
    const isMeant = (row: SettingRow): boolean =>
      words === ''
        ? this.#all || isMain(row)
        : `${row.name} ${row.setting.zimbra}`.toLowerCase().includes(words)
    const { chosen } = this.#list
    this.#list.set(this.#rows.filter(isMeant))
    if (chosen === undefined || !this.#list.choose((row) => row.key === chosen.key)) this.#list.first()
  }

  draw(canvas: Canvas): void {
    if (this.#history) this.#generations.draw(canvas)
    else if (this.#detail !== undefined) this.#detail.draw(canvas)
    else this.#drawList(canvas)
  }

  #drawList(canvas: Canvas): void {
    const which = this.#words === '' ? (this.#all ? 'all' : 'the main ones') : `with "${this.#words}"`
    canvas.put(0, 0, cut(`Settings, ${which}: ${this.#list.items.length}`, canvas.columns))
    const widths = [36, canvas.columns - 36 - 13 - 3, 12]
    canvas.put(1, 0, columns(['name', 'value', 'from'], widths))
    this.#list.draw(canvas, 2, ({ name, value, source }) =>
      columns([name, value === '' ? '(empty)' : value, source], widths),
    )
    if (this.#list.items.length === 0) canvas.put(3, 2, 'There is no such setting; m shows the main ones.')
  }

  async press(key: Key): Promise<void> {
    if (this.#history) {
      await this.#generations.press(key)
      return
    }
    if (this.#detail?.press(key) === true) return
    if (this.#detail === undefined && this.#list.press(key)) return
    if (key.kind === 'enter') this.#describe()
    else if (key.kind === 'char') await this.#command(key.char)
  }

  async #command(char: string): Promise<void> {
    const { desk } = this.#deps
    if (char === 'e') await this.#edit()
    else if (this.#detail !== undefined) return
    else if (char === 'm') {
      this.#all = !this.#all
      this.#words = ''
      this.#filter()
    } else if (char === '/') {
      const text = await desk.ask('Names that hold:', { initial: this.#words })
      if (text === undefined) return
      this.#words = text.trim()
      this.#filter()
    } else if (char === 'g') {
      this.#history = true
      await this.#generations.enter()
    }
  }

  #describe(): void {
    const row = this.#list.chosen
    if (row === undefined) return
    const { setting } = row
    const lines = [
      row.name,
      '',
      setting.text,
      '',
      `Value    ${row.value === '' ? '(empty)' : row.value}`,
      `From     ${row.source}`,
      `Zimbra   ${setting.zimbra === '' ? 'has no attribute for it' : setting.zimbra}`,
      `Default  ${shownValue(setting, defaultOf(setting)) || '(empty)'}`,
      ...('values' in setting
        ? [`May be   ${setting.values.map((one) => (one === '' ? '(empty)' : one)).join(', ')}`]
        : []),
      ...('least' in setting ? [`May be   ${setting.least} to ${setting.most}`] : []),
      `Counts   ${setting.takesHold}`,
      '',
      unchangeable(row),
    ]
    this.#detail = new Pager()
    this.#detail.set(wrapHelp(lines, WIDTH))
  }

  async #edit(): Promise<void> {
    const row = this.#list.chosen
    if (row === undefined) return
    const { appliance, desk } = this.#deps
    const why = unchangeable(row)
    if (why !== '') {
      desk.say(why)
      return
    }
    const scope = await this.#scope(row)
    if (scope === undefined) return
    const text = await desk.ask(`${row.name} =`, { initial: row.value })
    if (text === undefined || text.trim() === row.value) return
    const shown = text.trim() === '' ? '(nothing: what is below counts)' : text.trim()
    if (!(await desk.confirm(`Set ${row.name} to ${cut(shown, 40)} in ${scope}?`))) return
    const done = await desk.work(`setting ${row.name}`, async (signal) => {
      const sinceMs = Date.now()
      const note = await changeSetting(appliance.config, row, { scope, text }, signal)
      const reply = await appliance.masterIfThere('reload', [], sinceMs)
      return { note, generation: Number(reply?.['generation'] ?? 0) }
    })
    if (done === undefined) return
    this.#detail = undefined
    await this.#read()
    const inForce = done.generation === 0 ? 'Stored' : `Generation ${done.generation} is in force`
    desk.say(`${inForce}. ${done.note}`)
  }

  /** The entry that it is set in; asked where there are two. */
  async #scope(row: SettingRow): Promise<SettingScope | undefined> {
    const { appliance, desk } = this.#deps
    const scopes = scopesOf(row)
    const [first] = scopes
    if (first === undefined) {
      desk.say('It may stand neither in globalConfig nor in a server entry.')
      return undefined
    }
    if (scopes.length === 1) return first
    // A value of the server's own stands above: a change of globalConfig would not be seen.
    if (row.source.startsWith('server')) return 'server'
    const name = serverNameOf(appliance.config)
    const answer = await desk.ask(`For all servers, or only for ${name}? (all/only)`, { initial: 'all' })
    if (answer === undefined) return undefined
    return /^o/i.test(answer.trim()) ? 'server' : 'globalConfig'
  }

  back(): boolean {
    if (this.#history) {
      if (!this.#generations.back()) this.#history = false
      return true
    }
    const was = this.#detail !== undefined
    this.#detail = undefined
    return was
  }
}
