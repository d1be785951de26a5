import type { Clock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import type { AskOptions, Desk, Page } from './desk.ts'
import type { Frame } from './diff.ts'
import { frame } from './frame.ts'
import type { Around, Foot } from './frame.ts'
import { boundedSize, VT100 } from './grid.ts'
import type { Size } from './grid.ts'
import type { Key } from './keys.ts'
import { Pager } from './pager.ts'
import type { LoginVerdict } from '#src/admin/console-password.ts'
import { age } from '#src/admin/durations.ts'
import { minute, wrapHelp } from './text.ts'

/** What the frame around every page tells. */
export interface Sight {
  readonly hostname: string
  /** '' where all is well. */
  readonly trouble: string
}

export interface AppOptions {
  /** By their digits, the first is where everybody begins. */
  readonly pages: (desk: Desk) => readonly Page[]
  readonly menu: string
  readonly clock: Clock
  readonly sight: () => Sight
  readonly password: {
    readonly isSet: boolean
    check(password: string): Promise<LoginVerdict>
  }
  /** Nobody has pressed a key for so long: whoever it was is taken for gone. 0: never. */
  readonly idleMs: number
  /** Something is to be shown. */
  readonly onFrame: (frame: Frame) => void
  /** Nothing is known of what the terminal shows. */
  readonly onForget: () => void
  readonly onLeave: () => void
}

/** How long something may be worked on before it is given up for good. */
const WORK_MS = 180_000
/** Keys that are kept while something is worked on. */
const AHEAD_MAX = 32
/** Of an answer to a question. */
const ANSWER_CHARS_MAX = 500

const COMMON_HELP = [
  '',
  'On every page:',
  '1 to 9  go to another page',
  'ESC     goes back; Ctrl-L draws all anew; ? is this help',
  'q       logs out, or ends the console where nobody has logged in',
  'Arrows, Page Up and Page Down move; so do Ctrl-P, Ctrl-N, Ctrl-B and Ctrl-F.',
  'Nothing is changed before a question is answered with y.',
]

interface Dialog {
  readonly question: string
  readonly secret: boolean
  /** One key decides. */
  readonly short: boolean
  typed: string
  readonly answer: (text: string | undefined) => void
}

/** Leads: which page is shown, who may do what, what is asked. It knows no terminal. */
export class App {
  readonly #o: AppOptions
  readonly #pages: readonly Page[]
  #page: Page
  #size: Size = VT100
  #said = ''
  #dialog: Dialog | undefined
  #job: { readonly what: string; readonly abort: AbortController } | undefined
  #help: Pager | undefined
  #loggedIn = false
  #pressedMs: number
  #ticking = false
  /** A key is being answered. */
  #leading = false
  readonly #ahead: Key[] = []

  constructor(options: AppOptions) {
    this.#o = options
    this.#pages = options.pages(this.#desk())
    const [first] = this.#pages
    if (first === undefined) throw new Error('a console has a page')
    this.#page = first
    this.#pressedMs = options.clock.monotonicMs()
  }

  async start(): Promise<void> {
    await this.#guarded(() => this.#page.enter())
  }

  resize(size: Size): void {
    this.#size = boundedSize(size)
    this.#o.onForget()
    this.redraw()
  }

  redraw(): void {
    this.#o.onFrame(frame(this.#size, this.#around(), (canvas) => (this.#help ?? this.#page).draw(canvas)))
  }

  /** Some seconds have passed. */
  async tick(): Promise<void> {
    this.#logOutIdle()
    if (!this.#ticking && this.#job === undefined) {
      this.#ticking = true
      await this.#guarded(() => this.#page.tick?.())
      this.#ticking = false
    }
    this.redraw()
  }

  /** Resolves when what the key has set off is done; other keys may come before. */
  async press(key: Key): Promise<void> {
    this.#pressedMs = this.#o.clock.monotonicMs()
    if (key.kind === 'size') {
      this.resize(key)
      return
    }
    if (key.kind === 'redraw') this.#o.onForget()
    else if (this.#dialog !== undefined) this.#type(this.#dialog, key)
    else if (this.#job !== undefined && (key.kind === 'escape' || key.kind === 'interrupt')) {
      this.#ahead.length = 0
      this.#job.abort.abort(new Error('given up'))
    } else if (this.#leading) this.#typeAhead(key)
    else await this.#leadAll(key)
    this.redraw()
  }

  /** Whoever types faster than the pages come is not ignored. */
  #typeAhead(key: Key): void {
    if (this.#ahead.length < AHEAD_MAX) this.#ahead.push(key)
  }

  async #leadAll(first: Key): Promise<void> {
    this.#leading = true
    for (let key: Key | undefined = first; key !== undefined; key = this.#ahead.shift()) {
      const next = key
      this.#said = ''
      await this.#guarded(() => this.#lead(next))
    }
    this.#leading = false
  }

  async #lead(key: Key): Promise<void> {
    if (this.#help !== undefined) {
      if (!this.#help.press(key)) this.#help = undefined
      return
    }
    if (key.kind === 'interrupt') this.#o.onLeave()
    else if (key.kind === 'escape') await this.#goBack()
    else if (key.kind !== 'char') await this.#page.press(key)
    else if (key.char === '?') this.#showHelp()
    else if (key.char === 'q') await this.#quit()
    else if (/^[1-9]$/.test(key.char)) await this.#go(this.#pages[Number(key.char) - 1])
    else await this.#page.press(key)
  }

  #showHelp(): void {
    const help = new Pager()
    const width = this.#size.columns - 2
    help.set(wrapHelp([...this.#page.help, ...COMMON_HELP], width))
    this.#help = help
  }

  async #goBack(): Promise<void> {
    if (this.#page.back?.() !== true) await this.#go(this.#pages[0])
  }

  async #go(page: Page | undefined): Promise<void> {
    if (page === undefined || (!page.open && !(await this.#login()))) return
    this.#page = page
    this.redraw()
    await page.enter()
  }

  async #quit(): Promise<void> {
    if (!this.#loggedIn) {
      this.#o.onLeave()
      return
    }
    await this.#logOut('Logged out.')
  }

  async #logOut(text: string): Promise<void> {
    this.#loggedIn = false
    this.#help = undefined
    await this.#go(this.#pages[0])
    this.#said = text
  }

  #logOutIdle(): void {
    const idleMs = this.#o.clock.monotonicMs() - this.#pressedMs
    if (this.#o.idleMs === 0 || idleMs < this.#o.idleMs) return
    if (!this.#loggedIn && this.#dialog === undefined) return
    this.#close(undefined)
    void this.#guarded(() => this.#logOut('Logged out: no key was pressed for long.'))
  }

  async #login(): Promise<boolean> {
    if (this.#loggedIn || !this.#o.password.isSet) return true
    const given = await this.#ask('Password of the console:', { secret: true })
    if (given === undefined) return false
    const verdict = await this.#work('checking', () => this.#o.password.check(given))
    if (verdict === undefined) return false
    if (verdict.kind === 'right') this.#loggedIn = true
    else if (verdict.kind === 'wrong')
      this.#said = `That is not the password; ${verdict.left} ${verdict.left === 1 ? 'try is' : 'tries are'} left.`
    else this.#said = `Too many wrong passwords: the console is locked for ${age(verdict.forMs)}.`
    return verdict.kind === 'right'
  }

  #ask(question: string, { initial = '', secret = false }: AskOptions = {}): Promise<string | undefined> {
    return this.#open({ question, secret, short: false, typed: initial })
  }

  async #confirm(question: string): Promise<boolean> {
    return (await this.#open({ question, secret: false, short: true, typed: '' })) === 'y'
  }

  #open(dialog: Omit<Dialog, 'answer'>): Promise<string | undefined> {
    // Two questions at once nobody can answer: the older one is given up.
    this.#close(undefined)
    // Nor may a key that was meant for something else answer it.
    this.#ahead.length = 0
    const { promise, resolve } = Promise.withResolvers<string | undefined>()
    this.#dialog = { ...dialog, answer: resolve }
    this.redraw()
    return promise
  }

  #close(answer: string | undefined): void {
    const dialog = this.#dialog
    this.#dialog = undefined
    dialog?.answer(answer)
  }

  #type(dialog: Dialog, key: Key): void {
    if (key.kind === 'escape' || key.kind === 'interrupt') this.#close(undefined)
    else if (dialog.short) this.#close(key.kind === 'char' ? key.char.toLowerCase() : undefined)
    else if (key.kind === 'enter') this.#close(dialog.typed)
    else if (key.kind === 'backspace') dialog.typed = dialog.typed.slice(0, -1)
    else if (key.kind === 'clear') dialog.typed = ''
    else if (key.kind === 'char' && dialog.typed.length < ANSWER_CHARS_MAX) dialog.typed += key.char
  }

  async #work<T>(what: string, job: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
    const abort = new AbortController()
    this.#job = { what, abort }
    const signal = AbortSignal.any([abort.signal, AbortSignal.timeout(WORK_MS)])
    const gone = Promise.withResolvers<never>()
    const giveUp = (): void => gone.reject(signal.reason)
    signal.addEventListener('abort', giveUp, { once: true })
    this.redraw()
    try {
      return await Promise.race([job(signal), gone.promise])
    } catch (error) {
      this.#said = `${what}: ${errorText(error)}`
      return undefined
    } finally {
      signal.removeEventListener('abort', giveUp)
      this.#job = undefined
      this.redraw()
    }
  }

  async #guarded(work: () => Promise<void> | void): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#said = errorText(error)
    }
  }

  #around(): Around {
    const { hostname, trouble } = this.#o.sight()
    return {
      title: this.#help === undefined ? this.#page.title : `${this.#page.title}: help`,
      hostname,
      trouble,
      time: minute(this.#o.clock.nowMs()),
      keys: this.#help === undefined ? this.#page.keys : 'any other key goes back',
      menu: this.#o.menu,
      foot: this.#foot(),
    }
  }

  #foot(): Foot {
    if (this.#dialog !== undefined) {
      const { question, typed, secret, short } = this.#dialog
      if (short) return { kind: 'confirmed', question }
      return { kind: 'asked', question, typed, secret }
    }
    if (this.#job !== undefined) return { kind: 'said', text: `${this.#job.what}... (ESC gives up)` }
    return this.#said === '' ? { kind: 'nothing' } : { kind: 'said', text: this.#said }
  }

  #desk(): Desk {
    return {
      ask: (question, options) => this.#ask(question, options),
      confirm: (question) => this.#confirm(question),
      say: (text) => {
        this.#said = text
      },
      work: (what, job) => this.#work(what, job),
      login: () => this.#login(),
      redraw: () => this.redraw(),
    }
  }
}
