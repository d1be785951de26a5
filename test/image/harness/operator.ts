import type { Machine } from './machine.ts'
import { PASSWORD } from './provision.ts'

/** Whoever sits at the serial line: presses keys and reads what the terminal shows. */
export class Operator {
  readonly #machine: Machine

  constructor(machine: Machine) {
    this.#machine = machine
  }

  /** Goes to a page by its digit; says the password where the console asks for it. */
  async page(digit: string, title: string): Promise<string> {
    const { shows, press } = this.#hands
    await shows(/Postern +\w+/)
    press(digit)
    const screen = await shows(new RegExp(`Postern +${title}|Password of the console:`))
    if (screen.includes('Password of the console:')) {
      press(`${PASSWORD}\r`)
      return await shows(new RegExp(`Postern +${title}`))
    }
    return screen
  }

  /** Page 7: begins an update from an address. */
  async fromAddress(address: string): Promise<void> {
    const { shows, press } = this.#hands
    await this.page('7', 'Update')
    press('u')
    await shows(/File or address of the update:/)
    press(`\u0015${address}\r`)
    await shows(/Update from .*\?/)
    press('y')
  }

  /** The same, from the stick that is plugged in. */
  async fromStick(name: string): Promise<void> {
    const { shows, press } = this.#hands
    await this.page('7', 'Update')
    press('s')
    await shows(new RegExp(String.raw`Update from ${name} of the stick\?`))
    press('y')
    await shows(/An update is under way/)
  }

  /** Page 2: the messages that words mean, all of them; `key` is what is done to them. */
  async queue(words: string, key: string, done: RegExp): Promise<void> {
    const { shows, press } = this.#hands
    await this.page('2', 'Queues')
    press('/')
    await shows(/Which \(from:/)
    // Ctrl-U: what stands there from the last time goes.
    press(`\u0015${words}\r`)
    await shows(/Queue all:/)
    press('A')
    await shows(/ALL THAT ARE MEANT/)
    press(key)
    await shows(/ALL messages .*\?/)
    press('y')
    await shows(done)
  }

  /** Page 9: a factory reset; `word` is what is typed to the last question. */
  async factoryReset(what: string, word: string): Promise<void> {
    const { shows, press } = this.#hands
    await this.page('9', 'Power')
    press('f')
    await shows(/ALL SETTINGS ARE LOST\. Go on\?/)
    press('y')
    await shows(/"keep" it, or "wipe" it\?/)
    press(`\u0015${what}\r`)
    await shows(/Type RESET:/)
    press(`${word}\r`)
  }

  /** Until the terminal shows it. */
  async sees(pattern: RegExp): Promise<string> {
    return await this.#hands.shows(pattern)
  }

  get #hands() {
    const machine = this.#machine
    return {
      shows: (pattern: RegExp) => machine.shows(pattern),
      press: (keys: string) => machine.press(keys),
    }
  }
}
