import type { Appliance } from '#src/console/appliance.ts'
import type { Desk, Page } from '#src/console/desk.ts'
import { dnsLines, ldapLines, reachLines, testMail } from '#src/console/diagnose.ts'
import type { Canvas } from '#src/console/grid.ts'
import type { Key } from '#src/console/keys.ts'
import { Pager } from '#src/console/pager.ts'
import { pingLines } from '#src/console/ping.ts'
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
    'p  ping a host: whether it answers, and how fast',
    'r  reach a host and port over TCP (a mail server, a directory): how fast, what it says',
    'd  what the DNS tells others: addresses of this host, whether they lead back to it (PTR), where mail for its domain goes (MX), and who may send in its name (SPF, DKIM, DMARC)',
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
      '  p   ping a host',
      '  r   reach a host and port over TCP',
      '  d   names in the DNS: this host, its addresses, where its mail goes',
      '  l   directory servers',
      '  m   a test mail, and the way that it takes',
    ])
  }

  readonly keys = 'p ping  r reach host:port  d DNS  l LDAP  m test mail  ? help'

  enter(): void {
    // What was found out last stays.
  }

  draw(canvas: Canvas): void {
    this.#pager.draw(canvas)
  }

  async press(key: Key): Promise<void> {
    if (this.#pager.press(key) || key.kind !== 'char') return
    const { config } = this.#deps.appliance
    if (key.char === 'd') await this.#show('asking the DNS', (signal) => dnsLines(config, signal))
    else if (key.char === 'l') await this.#show('asking the directory', (signal) => ldapLines(config, signal))
    else if (key.char === 'r') await this.#of('Host and port:', 'connecting', reachLines)
    else if (key.char === 'p')
      await this.#of('Ping which host:', 'pinging', (text, signal) => pingLines(text, signal))
    else if (key.char === 'm') await this.#mail()
  }

  /** A test of something that is asked for; what was meant last stands there. */
  async #of(
    question: string,
    what: string,
    test: (text: string, signal: AbortSignal) => Promise<readonly string[]>,
  ): Promise<void> {
    const text = await this.#deps.desk.ask(question, { initial: this.#target })
    if (text === undefined || text.trim() === '') return
    this.#target = text
    await this.#show(what, (signal) => test(text, signal))
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
    if (lines !== undefined) this.#pager.set(lines.flatMap((line) => wrap(line, WIDTH, '    ')))
  }
}
