import type { Appliance } from '#src/console/appliance.ts'
import type { Desk, Page } from '#src/console/desk.ts'
import { dnsLines, ldapLines, reachLines, testMail } from '#src/console/diagnose.ts'
import type { Canvas } from '#src/console/grid.ts'
import type { Key } from '#src/console/keys.ts'
import { Pager } from '#src/console/pager.ts'
import { wrap } from '#src/console/text.ts'
import { parseAddress } from '#src/mail/address.ts'

export interface TestsDeps {
  readonly appliance: Appliance
  readonly desk: Desk
}

const WIDTH = 79

/** What can be tried out. */
export class TestsPage implements Page {
  readonly title = 'Tests'
  readonly open = false
  readonly help = [
    'What can be tried out from this machine. Nothing of it changes anything but the mail of m.',
    '',
    'd  names: addresses of this host, whether they lead back to it, and where mail for its domain goes',
    'r  reach a host and port (a resolver, a router with a port, a mail server): how fast, what it says',
    'l  directory servers: reached, trusted, name and password taken',
    'm  a test mail through our own listener, and the way that it takes',
  ]
  readonly #deps: TestsDeps
  readonly #pager = new Pager()
  #target = ''

  constructor(deps: TestsDeps) {
    this.#deps = deps
    this.#pager.set([
      '',
      '  d   names in the DNS: this host, its addresses, where its mail goes',
      '  r   reach a host and port over TCP',
      '  l   directory servers',
      '  m   a test mail, and the way that it takes',
    ])
  }

  readonly keys = 'd DNS  r reach host:port  l LDAP  m test mail  ? help'

  enter(): void {
    // What was found out last stays.
  }

  draw(canvas: Canvas): void {
    this.#pager.draw(canvas)
  }

  async press(key: Key): Promise<void> {
    if (this.#pager.press(key) || key.kind !== 'char') return
    const { appliance, desk } = this.#deps
    const { config } = appliance
    if (key.char === 'd') await this.#show('asking the DNS', (signal) => dnsLines(config, signal))
    else if (key.char === 'l') await this.#show('asking the directory', (signal) => ldapLines(config, signal))
    else if (key.char === 'r') {
      const target = await desk.ask('Host and port:', { initial: this.#target })
      if (target === undefined || target.trim() === '') return
      this.#target = target
      await this.#show('connecting', (signal) => reachLines(target, signal))
    } else if (key.char === 'm') await this.#mail()
  }

  async #mail(): Promise<void> {
    const { appliance, desk } = this.#deps
    const text = await desk.ask('Test mail to:', {
      initial: `postmaster@${appliance.config.directory.firstDomain}`,
    })
    if (text === undefined) return
    const recipient = parseAddress(text.trim())
    if (recipient === undefined || recipient.domain === '') desk.say(`"${text}" is no address.`)
    else if (await desk.confirm(`Send a test mail to ${recipient.text}?`))
      await this.#show('sending', (signal) => testMail(appliance, recipient.text, signal))
  }

  async #show(what: string, test: (signal: AbortSignal) => Promise<readonly string[]>): Promise<void> {
    const lines = await this.#deps.desk.work(what, test)
    if (lines !== undefined) this.#pager.set(lines.flatMap((line) => wrap(line, WIDTH)))
  }
}
