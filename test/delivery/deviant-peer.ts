import { TLSSocket } from 'node:tls'
import { Conversation } from './fake-peer.ts'
import type { Script } from './fake-peer.ts'

/** Where a peer leaves the path. RCPT is the second of three recipients; dot and BDAT are the second reply in LMTP. */
export const POINTS = [
  'greeting',
  'EHLO',
  'STARTTLS',
  'EHLO in TLS',
  'AUTH',
  'MAIL',
  'RCPT',
  'DATA',
  'BDAT',
  'dot',
  'RSET',
  'QUIT',
] as const
export type Point = (typeof POINTS)[number]

/** What it does there. */
export const MANNERS = [
  '2xx and close',
  '3xx',
  '421',
  '4xx',
  '5xx',
  'garbage',
  'silence',
  'cut',
  'reset',
] as const
export type Manner = (typeof MANNERS)[number]

export interface Deviation {
  readonly at: Point
  readonly manner: Manner
  readonly protocol: 'smtp' | 'lmtp'
  readonly pipelining: boolean
  /** Key and certificate, where STARTTLS is offered; then AUTH is offered inside. */
  readonly tls?: { readonly key: string; readonly cert: string }
  readonly chunking?: boolean
  /** MAIL of the first message is refused, so that RSET comes before the second. */
  readonly refusesFirst?: boolean
}

/** A peer that does everything right but at one point, and there one thing. `heard` gets all commands. */
export function deviant(deviation: Deviation, heard: string[] = []): Script {
  const shared = { mails: 0 }
  return async (conversation) => {
    const session = new Session(deviation, heard, shared)
    if (await session.reply(conversation, 'greeting', '220 peer ready\r\n')) await session.serve(conversation)
  }
}

class Session {
  readonly #o: Deviation
  readonly #heard: string[]
  readonly #shared: { mails: number }
  #secured = false
  #hasMail = false
  #recipients = 0
  #accepted = 0

  // oxlint-disable-next-line no-useless-constructor -- it fills the private fields
  constructor(deviation: Deviation, heard: string[], shared: { mails: number }) {
    this.#o = deviation
    this.#heard = heard
    this.#shared = shared
  }

  async serve(c: Conversation): Promise<void> {
    for (;;) {
      const line = await c.line()
      if (line === '') return
      this.#heard.push(line)
      if (line === 'STARTTLS') {
        if (await this.#startTls(c)) return
      } else if (!(await this.#answer(c, line))) return
    }
  }

  /** Says it, or does what this peer does here. Whether the dialogue goes on. */
  async reply(c: Conversation, point: Point, usual: string): Promise<boolean> {
    const { at, manner } = this.#o
    if (point !== at) {
      c.say(usual)
      return true
    }
    return await misbehave(c, manner, usual)
  }

  async #answer(c: Conversation, line: string): Promise<boolean> {
    switch (line.slice(0, 4)) {
      case 'EHLO':
      case 'LHLO':
        return await this.reply(c, this.#secured ? 'EHLO in TLS' : 'EHLO', this.#offer())
      case 'AUTH':
        return await this.reply(c, 'AUTH', '235 2.7.0 ok\r\n')
      case 'MAIL':
        return await this.#mail(c)
      case 'RCPT':
        return await this.#rcpt(c)
      case 'DATA':
        return await this.#data(c)
      case 'BDAT':
        return await this.#bdat(c, line)
      case 'RSET':
        return await this.reply(c, 'RSET', '250 2.0.0 ok\r\n')
      case 'QUIT':
        if (await this.reply(c, 'QUIT', '221 2.0.0 bye\r\n')) c.socket.end()
        return false
      default:
        c.say('250 2.0.0 ok\r\n')
        return true
    }
  }

  #offer(): string {
    const { tls, pipelining, chunking } = this.#o
    const words = [
      'peer',
      ...(pipelining ? ['PIPELINING'] : []),
      ...(chunking === true ? ['CHUNKING'] : []),
      ...(tls !== undefined && !this.#secured ? ['STARTTLS'] : []),
      ...(this.#secured ? ['AUTH PLAIN'] : []),
      'ENHANCEDSTATUSCODES',
    ]
    return words.map((word, i) => `250${i < words.length - 1 ? '-' : ' '}${word}\r\n`).join('')
  }

  /** Whether the dialogue went on inside TLS, and is over with it. */
  async #startTls(c: Conversation): Promise<boolean> {
    const { at, manner } = this.#o
    // What is plain must not be read any more once TLS bytes may come.
    if (at !== 'STARTTLS') c.socket.removeAllListeners('data')
    if (!(await this.reply(c, 'STARTTLS', '220 2.0.0 go\r\n'))) return true
    if (at === 'STARTTLS' && manner !== '2xx and close') return false
    const secure = new TLSSocket(c.socket.setEncoding(), { isServer: true, ...this.#o.tls })
    this.#secured = true
    await this.serve(new Conversation(secure, 0))
    return true
  }

  async #mail(c: Conversation): Promise<boolean> {
    this.#shared.mails += 1
    this.#recipients = 0
    this.#accepted = 0
    this.#hasMail = false
    if (this.#o.refusesFirst === true && this.#shared.mails === 1) {
      c.say('550 5.7.1 not this one\r\n')
      return true
    }
    const { at, manner } = this.#o
    this.#hasMail = at !== 'MAIL' || manner === '2xx and close'
    return await this.reply(c, 'MAIL', '250 2.1.0 ok\r\n')
  }

  async #rcpt(c: Conversation): Promise<boolean> {
    if (!this.#hasMail) {
      c.say('503 5.5.1 no MAIL\r\n')
      return true
    }
    this.#recipients += 1
    if (this.#recipients === 2 && this.#o.at === 'RCPT')
      return await this.reply(c, 'RCPT', '250 2.1.5 ok\r\n')
    this.#accepted += 1
    c.say('250 2.1.5 ok\r\n')
    return true
  }

  async #data(c: Conversation): Promise<boolean> {
    if (this.#accepted === 0) {
      c.say('503 5.5.1 no RCPT\r\n')
      return true
    }
    if (!(await this.reply(c, 'DATA', '354 go\r\n'))) return false
    if (this.#o.at === 'DATA') return true
    if ((await c.message()) === undefined) return false
    return await this.#taken(c, 'dot')
  }

  async #bdat(c: Conversation, line: string): Promise<boolean> {
    const [, length = '0', last] = line.split(' ')
    await c.bytes(Number(length))
    c.read(Number(length))
    if (last === 'LAST') return await this.#taken(c, 'BDAT')
    c.say('250 2.0.0 on\r\n')
    return true
  }

  /** One reply in SMTP; in LMTP one for each, of which the second is the odd one. */
  async #taken(c: Conversation, point: Point): Promise<boolean> {
    this.#hasMail = false
    const usual = '250 2.0.0 taken\r\n'
    if (this.#o.protocol === 'smtp') return await this.reply(c, point, usual)
    for (let n = 1; n <= this.#accepted; n += 1) {
      if (n !== 2) c.say(usual)
      else if (!(await this.reply(c, point, usual))) return false
    }
    return true
  }
}

async function misbehave(c: Conversation, manner: Manner, usual: string): Promise<boolean> {
  switch (manner) {
    case '2xx and close':
      c.say(usual)
      c.socket.end()
      return false
    case '3xx':
      c.say('350 what now\r\n')
      return true
    case '421':
      c.say('421 4.3.2 closing\r\n')
      c.socket.end()
      return false
    case '4xx':
      c.say('450 4.3.2 later\r\n')
      return true
    case '5xx':
      c.say('550 5.7.1 no\r\n')
      return true
    case 'garbage':
      c.say('what?\r\n')
      return true
    case 'silence':
      await c.closed()
      return false
    case 'cut':
      c.socket.end()
      return false
    case 'reset':
      if (c.socket instanceof TLSSocket) c.socket.destroy()
      else c.socket.resetAndDestroy()
      return false
  }
}
