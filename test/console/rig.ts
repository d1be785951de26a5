import { App } from '#src/console/app.ts'
import type { Desk, Page } from '#src/console/desk.ts'
import { VT100 } from '#src/console/grid.ts'
import type { Size } from '#src/console/grid.ts'
import { KeyReader } from '#src/console/keys.ts'
import type { LoginVerdict } from '#src/admin/console-password.ts'
import { Screen } from '#src/console/screen.ts'
import { VirtualClock } from '#test/simulate/virtual-clock.ts'
import { until } from '#test/support/wait.ts'
import { Vt100 } from './support.ts'

export interface RigOptions {
  readonly size?: Size
  readonly clock?: VirtualClock
  readonly idleMs?: number
  readonly password?: { readonly isSet: boolean; check(password: string): Promise<LoginVerdict> }
  readonly trouble?: () => string
}

/** Pages as they are led, drawn and sent, to a terminal of this test's own; without a process, in time that it owns. */
export class Rig implements Disposable {
  readonly terminal: Vt100
  readonly clock: VirtualClock
  readonly app: App
  readonly screen: Screen
  left = false
  /** Everything that was sent. */
  sent = ''
  readonly #keys = new KeyReader()

  constructor(pages: (desk: Desk) => readonly Page[], options: RigOptions = {}) {
    const size = options.size ?? VT100
    this.terminal = new Vt100(size)
    this.clock = options.clock ?? new VirtualClock(Date.UTC(2026, 10, 22, 12))
    this.screen = new Screen(
      (octets) => {
        const text = Buffer.from(octets).toString('latin1')
        this.sent += text
        this.terminal.write(text)
        return octets.length
      },
      (error) => {
        throw error
      },
    )
    this.app = new App({
      pages,
      menu: '1 Status 2 Queues 3 Trace 4 Log 5 Settings 6 Network 7 Update 8 Tests 9 Power ?',
      clock: this.clock,
      sight: () => ({ hostname: 'mx1.example.com', trouble: options.trouble?.() ?? '' }),
      password: options.password ?? { isSet: false, check: () => Promise.resolve({ kind: 'right' }) },
      idleMs: options.idleMs ?? 0,
      onFrame: (frame) => this.screen.show(frame),
      onForget: () => this.screen.forget(),
      onLeave: () => {
        this.left = true
      },
    })
    this.app.resize(size)
  }

  /** What has been sent since this was asked last. */
  takeSent(): string {
    const { sent } = this
    this.sent = ''
    return sent
  }

  get text(): string {
    return this.terminal.lines().join('\n')
  }

  press(keys: string): void {
    for (const key of [...this.#keys.read(Buffer.from(keys, 'latin1')), ...this.#keys.rest()])
      void this.app.press(key)
  }

  /** Presses keys and waits for what they bring. */
  async after(keys: string, wanted: RegExp): Promise<void> {
    this.press(keys)
    try {
      await until(`the page shows ${String(wanted)}`, () => wanted.test(this.text))
    } catch (error) {
      throw new Error(`${String(error)}; it shows\n${this.text}`, { cause: error })
    }
  }

  [Symbol.dispose](): void {
    this.screen[Symbol.dispose]()
  }
}
