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
  /** The message, lines with CRLF, not dot-stuffed. */
  readonly message: Buffer
}

export interface Submitted {
  readonly refused: readonly { readonly recipient: string; readonly reply: SubmitReply }[]
  /** The reply that decided: to the end of the data, or to what was refused before it. */
  readonly last: SubmitReply
}

/** Where the SMTP server of this box is reached from this box. */
export function ownAddress({ address, port }: Address): { readonly host: string; readonly port: number } {
  const host = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address
  return { host, port }
}

/**
 * Hands a message over by SMTP, from `localAddress` where one is given. Rejects with a system error where nobody answers.
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
  if (greeting.code !== 220) return { refused: [], last: greeting }
  const hello = await ask(`EHLO ${submission.helo}`)
  if (hello.code !== 250) return { refused: [], last: hello }
  const mail = await ask(`MAIL FROM:<${submission.sender}>${submission.mailParameters}`)
  if (mail.code !== 250) return { refused: [], last: mail }
  const refused: { recipient: string; reply: SubmitReply }[] = []
  for (const recipient of submission.recipients) {
    const reply = await ask(`RCPT TO:<${recipient}>${submission.rcptParameters}`)
    if (reply.code !== 250 && reply.code !== 251) refused.push({ recipient, reply })
  }
  const [first] = refused
  if (first !== undefined && refused.length === submission.recipients.length)
    return { refused, last: first.reply }
  const data = await ask('DATA')
  if (data.code !== 354) return { refused, last: data }
  socket.write(dotStuffed(submission.message))
  const last = await ask('.')
  socket.write('QUIT\r\n')
  return { refused, last }
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
