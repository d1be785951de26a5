import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { Address } from '#src/config/listeners.ts'

/** RFC 5321 section 4.5.3.2: how long a reply is waited for; ten minutes for the one to the end of the data. */
const REPLY_MS = 600_000

export interface SubmitReply {
  readonly code: number
  readonly text: string
}

export interface Submission {
  readonly helo: string
  /** '' is the null sender. */
  readonly sender: string
  readonly recipients: readonly string[]
  /** Of MAIL and of each RCPT, each with a space before it. */
  readonly mailParameters: string
  readonly rcptParameters: string
  /** The message, lines with CRLF, not dot-stuffed; undefined where it is only asked who would be taken. */
  readonly message: Buffer | undefined
}

export interface Refusal {
  readonly recipient: string
  readonly reply: SubmitReply
}

export interface Submitted {
  readonly refused: readonly Refusal[]
  /** Not asked for yet: they are for a transaction of their own. */
  readonly left: readonly string[]
  /** The reply that decided: to the end of the data, or to what was refused before it. */
  readonly last: SubmitReply
}

/** Of one session: a server slows down, and at last hangs up, where more is refused (smtpd_soft_error_limit). */
const REFUSED_MOST = 8

/** Where the SMTP server of this box is reached from this box. */
export function ownAddress({ address, port }: Address): { readonly host: string; readonly port: number } {
  const host = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address
  return { host, port }
}

/**
 * Hands a message over by SMTP, in one transaction, from `localAddress` where one is given. Rejects with a system error where nobody answers.
 */
export async function submit(
  listener: Address,
  submission: Submission,
  localAddress?: string,
): Promise<Submitted> {
  const own = ownAddress(listener)
  const socket = connect(localAddress === undefined ? own : { ...own, localAddress })
  try {
    return await dialogue(socket, submission)
  } finally {
    socket.destroy()
  }
}

async function dialogue(socket: Socket, submission: Submission): Promise<Submitted> {
  const replies = readReplies(socket)
  const next = async (): Promise<SubmitReply> => {
    const { value, done } = await replies.next()
    if (done === true) throw new Error('the SMTP server broke off')
    return value
  }
  const ask = (line: string): Promise<SubmitReply> => {
    socket.write(`${line}\r\n`)
    return next()
  }
  const greeting = await next()
  if (greeting.code !== 220) return failed(greeting)
  const hello = await ask(`EHLO ${submission.helo}`)
  if (hello.code !== 250) return failed(hello)
  const mail = await ask(`MAIL FROM:<${submission.sender}>${submission.mailParameters}`)
  if (mail.code !== 250) return failed(mail)
  const { refused, left, taken } = await named(submission, ask)
  const [first] = refused
  if (first !== undefined && taken === 0) return { refused, left, last: first.reply }
  if (submission.message === undefined) {
    socket.write('QUIT\r\n')
    return { refused, left, last: mail }
  }
  const data = await ask('DATA')
  if (data.code !== 354) return { refused, left, last: data }
  socket.write(dotStuffed(submission.message))
  const last = await ask('.')
  socket.write('QUIT\r\n')
  return { refused, left, last }
}

function failed(last: SubmitReply): Submitted {
  return { refused: [], left: [], last }
}

/** Names as many recipients as the server takes in one transaction (RFC 5321 section 4.5.3.1.10: 452). */
async function named(
  { recipients, rcptParameters }: Submission,
  ask: (line: string) => Promise<SubmitReply>,
): Promise<Pick<Submitted, 'refused' | 'left'> & { readonly taken: number }> {
  const refused: Refusal[] = []
  let taken = 0
  for (const [at, recipient] of recipients.entries()) {
    const reply = await ask(`RCPT TO:<${recipient}>${rcptParameters}`)
    if (reply.code === 250 || reply.code === 251) taken += 1
    else if (reply.code === 452 && taken > 0) return { refused, left: recipients.slice(at), taken }
    else refused.push({ recipient, reply })
    if (refused.length === REFUSED_MOST) return { refused, left: recipients.slice(at + 1), taken }
  }
  return { refused, left: [], taken }
}

/** RFC 5321 section 4.5.2; the message ends with its line. */
function dotStuffed(message: Buffer): Buffer {
  const text = message.toString('latin1').replaceAll(/^\./gm, '..')
  return Buffer.from(text === '' || text.endsWith('\r\n') ? text : `${text}\r\n`, 'latin1')
}

/** Replies with all their lines (RFC 5321 section 4.2.1). */
async function* readReplies(socket: Socket): AsyncGenerator<SubmitReply> {
  socket.setTimeout(REPLY_MS, () => socket.destroy(new Error('the SMTP server does not answer')))
  let text = ''
  for await (const line of createInterface({ input: socket, crlfDelay: Infinity })) {
    text += text === '' ? line : ` ${line.slice(4)}`
    if (/^\d{3}-/.test(line)) continue
    yield { code: Number(line.slice(0, 3)), text }
    text = ''
  }
}
