import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Size } from '#src/console/grid.ts'
import { VT100 } from '#src/console/grid.ts'
import { REPOSITORY } from '#test/support/appliance.ts'
import { until } from '#test/support/wait.ts'
import { Vt100 } from './support.ts'

const TERMINAL = join(import.meta.dirname, 'terminal.py')

/** `postern console` in a terminal of its own, and what that terminal shows. */
export class ConsoleInPty implements AsyncDisposable {
  screen: Vt100
  /** Octets that came so far. */
  octets = 0
  readonly #process: ChildProcessWithoutNullStreams
  readonly #ended: Promise<unknown[]>
  /** What came of a sequence so far. */
  #part = ''
  #errors = ''

  constructor(folder: string, words: readonly string[] = [], size: Size = VT100) {
    this.screen = new Vt100(size)
    const program = join(REPOSITORY, 'bin', 'postern')
    const args = [TERMINAL, String(size.rows), String(size.columns), program, 'console', ...words]
    const cache = join(REPOSITORY, 'build', 'compile-cache')
    const env = { NODE_COMPILE_CACHE: cache, ...process.env, POSTERN_AS: '' }
    this.#process = spawn('/usr/bin/python3', args, { cwd: folder, env })
    this.#ended = once(this.#process, 'exit')
    this.#process.stderr.on('data', (octets: Buffer) => {
      this.#errors += octets.toString()
    })
    this.#process.stdout.on('data', (octets: Buffer) => {
      this.octets += octets.length
      this.#show(octets.toString('latin1'))
    })
  }

  #show(text: string): void {
    const all = this.#part + text
    // oxlint-disable-next-line no-control-regex -- a sequence may come in two pieces
    const part = /\u001b(?:\[[\d;]*)?$/.exec(all)?.[0] ?? ''
    this.#part = part
    this.screen.write(all.slice(0, all.length - part.length))
  }

  #order(order: object): void {
    this.#process.stdin.write(`${JSON.stringify(order)}\n`)
  }

  press(keys: string): void {
    this.#order({ keys })
  }

  resize(size: Size): void {
    this.screen = new Vt100(size)
    this.#order({ size: [size.rows, size.columns] })
  }

  hold(isHeld: boolean): void {
    this.#order({ hold: isHeld })
  }

  get text(): string {
    return this.screen.lines().join('\n')
  }

  /** Resolves when the screen shows it; with the whole screen in its words where it does not. */
  async shows(wanted: RegExp, withinMs = 60_000): Promise<void> {
    try {
      await until(
        `the console shows ${String(wanted)}`,
        () => {
          if (this.#process.exitCode !== null) throw new Error(`it has ended: ${this.#errors}`)
          return wanted.test(this.text)
        },
        withinMs,
      )
    } catch (error) {
      throw new Error(`${String(error)}; it shows\n${this.text}`, { cause: error })
    }
  }

  /** Presses keys and waits for what they bring. */
  async after(keys: string, wanted: RegExp): Promise<void> {
    this.press(keys)
    await this.shows(wanted)
  }

  /** Its exit code, as soon as it has ended. */
  async ended(): Promise<number | null> {
    await this.#ended
    return this.#process.exitCode
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.stdin.end()
    await this.#ended
  }
}
