import type { Canvas } from './grid.ts'
import type { Key } from './keys.ts'

/** What a page may ask of whoever sits before it, and what it works through. */
export interface Desk {
  /** A line of text; undefined where it was given up with ESC. */
  ask(question: string, options?: AskOptions): Promise<string | undefined>
  /** A question that only `y` answers with yes. */
  confirm(question: string): Promise<boolean>
  /** A sentence on the line above the keys, until the next key. */
  say(text: string): void
  /**
   * Does something that takes time; `what` is shown meanwhile, ESC gives it up. What it throws is said, and undefined
   * comes back.
   */
  work<T>(what: string, job: (signal: AbortSignal) => Promise<T>): Promise<T | undefined>
  /** Whether somebody may change things; asks for the password where there is one. */
  login(): Promise<boolean>
  redraw(): void
}

export interface AskOptions {
  /** What stands there to be changed. */
  readonly initial?: string
  /** Whether it is not shown. */
  readonly secret?: boolean
}

/** One page. What it draws depends on what it holds alone: it is drawn anew as often as anybody likes. */
export interface Page {
  readonly title: string
  /** The line of keys; they may depend on what is shown. */
  readonly keys: string
  readonly help: readonly string[]
  /** Whether it is shown to somebody who has not said the password. */
  readonly open: boolean
  draw(canvas: Canvas): void
  press(key: Key): Promise<void> | void
  /** It is shown now. */
  enter(): Promise<void> | void
  /** Some seconds have passed while it was shown. */
  tick?(): Promise<void> | void
  /** ESC: true where there was something to go back from. */
  back?(): boolean
}
