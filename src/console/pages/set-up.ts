import { networkInterfaces } from 'node:os'
import type { ImageCommand } from '#src/admin/image-commands.ts'
import { passwordProblem } from '#src/admin/console-password.ts'
import type { ConsolePassword } from '#src/admin/console-password.ts'
import { errorText } from '#src/base/fault.ts'
import type { AskOptions, Desk, Page } from '#src/console/desk.ts'
import type { Canvas } from '#src/console/grid.ts'
import type { Image } from '#src/console/image.ts'
import { textOf } from '#src/console/image.ts'
import type { Key } from '#src/console/keys.ts'
import { wrap } from '#src/console/text.ts'
import { networkText } from './status.ts'

export interface SetUpDeps {
  readonly image: Image
  readonly desk: Desk
  readonly password: Pick<ConsolePassword, 'isSet' | 'set'>
  /** What became of provisioning files. */
  readonly remarks: () => readonly string[]
}

/** What was answered to one question, or several that belong together. */
type Answered =
  | {
      readonly kind: 'set'
      readonly command: ImageCommand
      readonly words: readonly string[]
      readonly shown: string
    }
  | { readonly kind: 'left' }
  | { readonly kind: 'stopped' }

type Ask = (question: string, options?: AskOptions) => Promise<string | undefined>

interface Step {
  readonly name: string
  readonly unset: string
  readonly ask: (ask: Ask) => Promise<Answered>
}

const LEFT: Answered = { kind: 'left' }
const STOPPED: Answered = { kind: 'stopped' }

const STEPS: readonly Step[] = [
  {
    name: 'Name',
    unset: 'postern',
    ask: (ask) => asked(ask, 'Whole name (mx1.example.com):', 'hostname-set'),
  },
  { name: 'Address', unset: 'DHCP on each interface', ask: askAddress },
  {
    name: 'Resolvers',
    unset: 'the servers of each domain',
    ask: (ask) => asked(ask, 'Resolvers to ask (addresses, or empty):', 'dns-set'),
  },
  {
    name: 'Time',
    unset: "Debian's pool",
    ask: (ask) => asked(ask, 'Time servers (or empty):', 'time-set'),
  },
  { name: 'Directory', unset: 'embedded', ask: askLdap },
  {
    name: 'Mail goes to',
    unset: 'embedded mailboxes',
    ask: (ask) => asked(ask, 'LMTP server (host:port, or empty):', 'mail-set'),
  },
]

/** The set-up of an appliance image that nobody has told anything yet: question by question, the password opens it. */
export class SetUpPage implements Page {
  readonly title = 'Set-up'
  readonly open = true
  readonly keys = 'Enter begins  ESC status  ? help'
  readonly help = [
    'A new box serves nobody before this console has a password of its own. Enter asks for the password, the name of',
    'the box, its address, resolvers, time servers, the directory (LDAP), and where mail goes, one after another.',
    '',
    'An empty answer leaves a thing as it is. ESC at a question stops; what was answered before it is kept, but not the',
    'password: that is set at the end, and opens the box.',
    '',
    'Instead of answering, plug in a USB stick (FAT, label POSTERN) with a file postern.provision: docs/first-boot.md.',
    'More can be said there: authorities of LDAP servers, SNMP, the HTTP interface.',
  ]
  readonly #deps: SetUpDeps
  readonly #answers = new Map<string, string>()
  #trouble = ''

  constructor(deps: SetUpDeps) {
    this.#deps = deps
  }

  enter(): void {
    this.#trouble = ''
  }

  draw(canvas: Canvas): void {
    canvas.put(0, 1, 'This box is not set up. Nothing listens to the network before this console')
    canvas.put(1, 1, 'has a password. Enter asks for it, and for what stands below.')
    for (const [at, { name, unset }] of STEPS.entries())
      canvas.put(3 + at, 3, `${name.padEnd(14)}${this.#answers.get(name) ?? `(${unset})`}`)
    canvas.put(10, 1, `Now: ${networkText()}`)
    canvas.put(12, 1, 'Or plug in a USB stick (FAT, label POSTERN) with a file postern.provision.')
    const told = this.#trouble === '' ? this.#deps.remarks() : [this.#trouble]
    const lines = told.flatMap((text) =>
      wrap(text, canvas.columns - 4).map((line, at) => `${at === 0 ? '!' : ' '} ${line}`),
    )
    for (const [at, line] of lines.entries()) canvas.put(14 + at, 1, line)
  }

  async press(key: Key): Promise<void> {
    if (key.kind !== 'enter') return
    const { desk } = this.#deps
    const finished = await this.#lead()
    if (finished === undefined) desk.say('Stopped: the box is not open yet. Enter begins again.')
  }

  /** undefined where it was stopped. */
  async #lead(): Promise<true | undefined> {
    this.#trouble = ''
    const password = await this.#askPassword()
    if (password === undefined) return undefined
    for (const step of STEPS) {
      if (!(await this.#take(step))) return undefined
    }
    return await this.#open(password)
  }

  async #askPassword(): Promise<string | undefined> {
    const { desk } = this.#deps
    for (;;) {
      const first = await desk.ask('Password of this console:', { secret: true })
      if (first === undefined) return undefined
      this.#trouble = passwordProblem(first)
      if (this.#trouble !== '') continue
      const second = await desk.ask('Once more:', { secret: true })
      if (second === undefined || second === first) return second
      this.#trouble = 'The two were not the same.'
    }
  }

  /** Asks until the helper takes it; false where it was stopped. */
  async #take({ name, ask }: Step): Promise<boolean> {
    const { desk, image } = this.#deps
    for (;;) {
      const answer = await ask((question, options) => desk.ask(question, options))
      if (answer.kind === 'stopped') return false
      if (answer.kind === 'left') return true
      const { command, words, shown } = answer
      const done = await desk.work('setting', async () => {
        try {
          await image.ask(command, words)
          return ''
        } catch (error) {
          return errorText(error)
        }
      })
      // Given up with ESC.
      if (done === undefined) return false
      this.#trouble = done
      if (done !== '') continue
      this.#answers.set(name, shown)
      return true
    }
  }

  async #open(password: string): Promise<true | undefined> {
    const { desk, image, password: kept } = this.#deps
    if (!(await desk.confirm('Set the password, and open the box to the network?'))) return undefined
    const answer = await desk.work('opening', async () => {
      await kept.set(password)
      return await image.ask('setup-done')
    })
    if (answer !== undefined) desk.say(textOf(answer, 'The box is set up.'))
    return true
  }
}

/** One question whose answer is words parted by blanks or commas. */
async function asked(ask: Ask, question: string, command: ImageCommand): Promise<Answered> {
  const text = await ask(question)
  if (text === undefined) return STOPPED
  const words = text.split(/[,\s]+/).filter((word) => word !== '')
  return words.length === 0 ? LEFT : { kind: 'set', command, words, shown: words.join(', ') }
}

async function askAddress(ask: Ask): Promise<Answered> {
  const first = Object.keys(networkInterfaces()).find((name) => name !== 'lo') ?? 'eth0'
  const name = await ask('Interface (empty: DHCP on each):', { initial: first })
  if (name === undefined) return STOPPED
  if (name.trim() === '') return LEFT
  const address = await ask('Address (192.0.2.5/24), or dhcp:', { initial: 'dhcp' })
  if (address === undefined) return STOPPED
  const router = address.trim() === 'dhcp' ? '' : await ask('Router (empty for none):')
  if (router === undefined) return STOPPED
  const words = [name, ...address.split(/[,\s]+/), ...router.split(/[,\s]+/)].filter((word) => word !== '')
  return { kind: 'set', command: 'network-set', words, shown: words.join(' ') }
}

/** `-` stands for none. */
async function askLdap(ask: Ask): Promise<Answered> {
  const text = await ask('LDAP servers (ldap://host, or empty):')
  if (text === undefined) return STOPPED
  const urls = text.split(/[,\s]+/).filter((url) => url !== '')
  if (urls.length === 0) return LEFT
  const tls = urls.some((url) => /^ldap:/i.test(url))
    ? await ask('StartTLS (yes or no):', { initial: 'yes' })
    : 'yes'
  if (tls === undefined) return STOPPED
  const name = await ask('Bind as (a DN; empty: nobody):')
  if (name === undefined) return STOPPED
  const password = name === '' ? '-' : await ask('Its password:', { secret: true })
  if (password === undefined) return STOPPED
  const words = [urls.join(','), name === '' ? '-' : name, password, tls.trim().toLowerCase()]
  return { kind: 'set', command: 'ldap-set', words, shown: urls.join(', ') }
}
