import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { VT100 } from '#src/console/grid.ts'
import type { Size } from '#src/console/grid.ts'
import { REPOSITORY } from '#test/support/appliance.ts'
import { must, run } from '#test/support/run.ts'
import { until } from '#test/support/wait.ts'

/** Nothing of the user's own settings, no status line of tmux's, and ESC is a key at once. */
const SETTINGS = [
  'set -g status off',
  'set -g default-terminal vt100',
  'set -s escape-time 0',
  'set -g remain-on-exit on',
]

/** `postern console` in Debian's tmux: a terminal that others wrote, which says what stands on it. */
export class ConsoleInTmux implements AsyncDisposable {
  readonly #socket: string

  private constructor(socket: string) {
    this.#socket = socket
  }

  /** A server of tmux of its own, with its socket in the folder. */
  static async start(folder: string, size: Size = VT100): Promise<ConsoleInTmux> {
    const tmux = new ConsoleInTmux(join(folder, 'tmux.sock'))
    const settings = join(folder, 'tmux.conf')
    writeFileSync(settings, `${SETTINGS.join('\n')}\n`)
    const cache = join(REPOSITORY, 'build', 'compile-cache')
    const program = `exec env NODE_COMPILE_CACHE='${cache}' '${join(REPOSITORY, 'bin', 'postern')}' console`
    const [rows, columns] = [String(size.rows), String(size.columns)]
    const session = ['new-session', '-d', '-c', folder, '-x', columns, '-y', rows, program]
    await must('tmux', ['-S', tmux.#socket, '-f', settings, ...session])
    return tmux
  }

  async #tmux(...words: readonly string[]): Promise<string> {
    return await must('tmux', ['-S', this.#socket, ...words])
  }

  /** What is shown, line by line. */
  async lines(): Promise<readonly string[]> {
    // `must` trims; the first cell of the title is a blank.
    const text = (await run('tmux', ['-S', this.#socket, 'capture-pane', '-p'])).stdout
    return text.split('\n').slice(0, -1)
  }

  /** The same with SGR sequences where cells are reversed. */
  async styledLines(): Promise<readonly string[]> {
    const text = (await run('tmux', ['-S', this.#socket, 'capture-pane', '-p', '-e'])).stdout
    return text.split('\n').slice(0, -1)
  }

  /** Names of keys as tmux has them (`Escape`, `Enter`, `Down`). */
  async key(name: string): Promise<void> {
    await this.#tmux('send-keys', name)
  }

  async type(text: string): Promise<void> {
    await this.#tmux('send-keys', '-l', text)
  }

  async resize({ rows, columns }: Size): Promise<void> {
    await this.#tmux('resize-window', '-x', String(columns), '-y', String(rows))
  }

  /** Resolves when the screen shows it; with the whole screen in its words where it does not. */
  async shows(wanted: RegExp): Promise<void> {
    let text = ''
    try {
      await until(`the console shows ${String(wanted)}`, async () => {
        text = (await this.lines()).join('\n')
        return wanted.test(text)
      })
    } catch (error) {
      throw new Error(`${String(error)}; it shows\n${text}`, { cause: error })
    }
  }

  /** Types a text, or presses a named key, and waits for what that brings. */
  async after(keys: string, wanted: RegExp): Promise<void> {
    if (NAMED.test(keys)) await this.key(keys)
    else await this.type(keys)
    await this.shows(wanted)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run('tmux', ['-S', this.#socket, 'kill-server'])
  }
}

const NAMED = /^(?:Escape|Enter|Up|Down|PageDown|PageUp|End|Home|Tab|BSpace)$/
