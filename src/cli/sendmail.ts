import { connect } from 'node:net'
import { userInfo } from 'node:os'
import { errorCode } from '#src/base/fault.ts'
import type { Config } from '#src/config/config.ts'
import { encodeXtext } from '#src/mail/xtext.ts'
import { getopt, lastOf } from './getopt.ts'
import type { Given } from './getopt.ts'
import { composed } from './sendmail-message.ts'
import { headerAddresses } from './header-addresses.ts'
import { print } from './output.ts'
import { mailqTool, postqueue } from './postqueue.ts'
import { ownNames } from './own-names.ts'
import { relayDialogue } from './smtp-relay.ts'
import { ownAddress, submit } from '#src/admin/submit-client.ts'
import type { Refusal, Submission, SubmitReply, Submitted } from '#src/admin/submit-client.ts'
import { runTool, toolConfig, ToolError } from './tool.ts'

/** sysexits.h. */
const EX = { usage: 64, dataError: 65, noUser: 67, unavailable: 69, tempFail: 75 } as const

/** Options of sendmail(1), Postfix's; those that mean nothing here are read over. */
const OPTIONS = 'A:B:C:F:GIL:N:O:R:UV:X:b:f:h:imno:p:q:r:tv'

/** More than any message_size_limit: what is longer is refused by the server anyway. */
const MESSAGE_BYTES_MAX = 1024 * 1024 * 1024

/** `sendmail` of Postfix: hands a message to the SMTP server of this box, or shows or flushes the queue. */
export function sendmail(args: readonly string[]): Promise<number> {
  return runTool('sendmail', () => run(args), EX.unavailable)
}

/** `newaliases` of Postfix: aliases are entries of the directory, so there is nothing to be done, and it is done. */
export function newaliases(): Promise<number> {
  return Promise.resolve(0)
}

async function run(args: readonly string[]): Promise<number> {
  // A lone -q has no value; getopt(3) as Postfix uses it would want one.
  if (args.length === 1 && args[0] === '-q') return await postqueue(['-f'])
  const given = getopt(args, OPTIONS)
  if (typeof given === 'string') throw new ToolError(given, EX.usage)
  const queueRun = lastOf(given, 'q')
  if (queueRun !== undefined) return await runQueue(queueRun)
  const mode = lastOf(given, 'b') ?? 'm'
  if (mode === 'p') return await mailqTool([])
  if (mode === 'i') return await newaliases()
  const config = toolConfig(lastOf(given, 'C'))
  if (mode === 's') return await speakSmtp(config)
  if (mode === 'v') return await verify(given, config)
  if (mode !== 'm') throw new ToolError(`unsupported: -b${mode}`, EX.usage)
  return await sendMessage(given, config)
}

/** -qIid, -qRsite; with a time it would be a daemon, which master is. */
function runQueue(value: string): Promise<number> {
  if (value.startsWith('I')) return postqueue(['-i', value.slice(1)])
  if (value.startsWith('R')) return postqueue(['-s', value.slice(1)])
  throw new ToolError(`-q${value}: the queue is run by the appliance itself`, EX.usage)
}

/** -bs: the dialogue of standard input and output is one with the SMTP server. */
async function speakSmtp(config: Config): Promise<number> {
  const socket = connect(ownAddress(listenerOf(config)))
  try {
    await relayDialogue(process.stdin, socket, process.stdout)
  } catch (error) {
    if (isAway(error)) throw new ToolError(AWAY, EX.tempFail)
    throw error
  }
  return 0
}

function listenerOf(config: Config) {
  // The others take nothing from somebody without a password.
  const listener = config.listeners.find(({ service }) => service === 'smtp')
  if (listener === undefined) throw new ToolError('no listener has the service smtp', EX.unavailable)
  return listener
}

const AWAY = 'the mail system is down; try again later'

function isAway(error: unknown): boolean {
  return ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOENT'].includes(errorCode(error))
}

async function sendMessage(given: Given, config: Config): Promise<number> {
  const fromHeader = lastOf(given, 't') !== undefined
  if (given.words.length === 0 && !fromHeader) {
    const text = 'Recipient addresses must be specified on the command line or via the -t option'
    throw new ToolError(text, EX.usage)
  }
  const { hostname, origin } = ownNames(config)
  const sender = senderOf(given, origin)
  const ignoreDots = given.options.some(
    ({ letter, value }) => letter === 'i' || (letter === 'o' && value === 'i'),
  )
  const message = composed(await readAll(ignoreDots), {
    sender,
    fullName: lastOf(given, 'F') ?? process.env['NAME'] ?? '',
    takeRecipients: fromHeader,
  })
  const recipients = [...new Set([...given.words.flatMap(named), ...message.recipients])].map((address) =>
    qualified(address, origin),
  )
  if (recipients.length === 0)
    throw new ToolError('No recipient addresses found in message header', EX.dataError)
  for (const address of [sender, ...recipients]) checkAddress(address)
  const submitted = await handOver(config, {
    helo: hostname,
    sender,
    recipients,
    message: message.bytes,
    mailParameters: mailParameters(given, [sender, ...recipients], message.bytes),
    rcptParameters: notifyParameter(given),
  })
  return exitCode(submitted)
}

/** -bv: who of the recipients would be taken, and why not. Postfix mails that to the caller, who reads it here at once. */
async function verify(given: Given, config: Config): Promise<number> {
  const { hostname, origin } = ownNames(config)
  const recipients = given.words.flatMap(named).map((address) => qualified(address, origin))
  if (recipients.length === 0) throw new ToolError('-bv wants recipient addresses', EX.usage)
  const sender = senderOf(given, origin)
  for (const address of [sender, ...recipients]) checkAddress(address)
  const { refused, last } = await handOver(config, {
    helo: hostname,
    sender,
    recipients,
    message: undefined,
    mailParameters: mailParameters(given, [sender, ...recipients], Buffer.alloc(0)),
    rcptParameters: '',
  })
  const replies = new Map(refused.map(({ recipient, reply }) => [recipient, reply]))
  const lines = recipients.map((each) => {
    const reply = replies.get(each) ?? (last.code === 250 ? undefined : last)
    return `${each}... ${reply === undefined ? 'deliverable' : reply.text}\n`
  })
  await print(lines)
  if (last.code !== 250) return codeOf([last])
  return refused.length === 0 ? 0 : codeOf(refused.map(({ reply }) => reply))
}

/** In as many transactions as the server wants for all of the recipients. */
async function handOver(config: Config, submission: Submission): Promise<Submitted> {
  const refused: Refusal[] = []
  let taken: SubmitReply | undefined
  for (let { recipients } = submission; ;) {
    const done = await handOverSome(config, { ...submission, recipients })
    refused.push(...done.refused)
    if (done.last.code === 250) taken = done.last
    else if (!done.refused.some(({ reply }) => reply === done.last)) {
      // It is the message that is not wanted: who is left would fare no better. Where others have it, they are named.
      const known = new Set(done.refused.map(({ recipient }) => recipient))
      const untried = taken === undefined ? [] : recipients.filter((each) => !known.has(each))
      refused.push(...untried.map((recipient) => ({ recipient, reply: done.last })))
      return { refused, left: [], last: done.last }
    }
    if (done.left.length === 0) return { refused, left: [], last: taken ?? done.last }
    recipients = done.left
  }
}

async function handOverSome(config: Config, submission: Submission): Promise<Submitted> {
  try {
    return await submit(listenerOf(config), submission)
  } catch (error) {
    if (isAway(error)) throw new ToolError(AWAY, EX.tempFail)
    throw error
  }
}

/** -f and -r; else who calls. */
function senderOf(given: Given, domain: string): string {
  const text = lastOf(given, 'f') ?? lastOf(given, 'r')
  if (text === undefined) return qualified(userInfo().username, domain)
  if (/^(?:<>)?$/.test(text.trim())) return ''
  const [address = ''] = named(text)
  return qualified(address, domain)
}

/** The addresses of a word: `a@b`, but also `Ann <a@b>, c@d`, which Postfix's sendmail reads like a header. */
function named(text: string): readonly string[] {
  const addresses = headerAddresses(text)
  if (addresses.length === 0) throw new ToolError(`bad address: ${JSON.stringify(text)}`, EX.dataError)
  return addresses
}

function qualified(address: string, domain: string): string {
  return address.includes('@') ? address : `${address}@${domain}`
}

/** Nothing that would be another command, or a parameter, on its line. */
function checkAddress(address: string): void {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f<>]/.test(address) || address.length > 1000)
    throw new ToolError(`bad address: ${JSON.stringify(address)}`, EX.dataError)
}

function mailParameters(given: Given, addresses: readonly string[], message: Buffer): string {
  let text = ''
  // oxlint-disable-next-line no-control-regex -- beyond ASCII is what is looked for
  const beyondAscii = /[^\u0000-\u007f]/
  if (message.some((octet) => octet > 0x7f)) text += ' BODY=8BITMIME'
  if (addresses.some((address) => beyondAscii.test(address))) text += ' SMTPUTF8'
  const ret = lastOf(given, 'R')?.toUpperCase()
  if (ret !== undefined) {
    if (ret !== 'FULL' && ret !== 'HDRS') throw new ToolError('-R wants "full" or "hdrs"', EX.usage)
    text += ` RET=${ret}`
  }
  const envid = lastOf(given, 'V')
  if (envid !== undefined) text += ` ENVID=${encodeXtext(envid)}`
  return text
}

const NOTIFY = /^(?:never|(?:success|failure|delay)(?:,(?:success|failure|delay))*)$/i

function notifyParameter(given: Given): string {
  const notify = lastOf(given, 'N')
  if (notify === undefined) return ''
  if (!NOTIFY.test(notify))
    throw new ToolError('-N wants "never", or success, failure, delay with commas', EX.usage)
  return ` NOTIFY=${notify.toUpperCase()}`
}

/** Standard input, up to a line with nothing but a dot unless `ignoreDots`. */
async function readAll(ignoreDots: boolean): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of process.stdin) {
    const bytes = Buffer.from(chunk)
    length += bytes.length
    if (length > MESSAGE_BYTES_MAX) throw new ToolError('the message is too long', EX.dataError)
    chunks.push(bytes)
  }
  const whole = Buffer.concat(chunks)
  if (ignoreDots) return whole
  const dot = /^\.\r?$/m.exec(whole.toString('latin1'))
  return dot === null ? whole : whole.subarray(0, dot.index)
}

function exitCode({ refused, last }: Submitted): number {
  for (const { recipient, reply } of refused)
    process.stderr.write(`sendmail: <${recipient}>: ${reply.text}\n`)
  if (last.code === 250) return refused.length === 0 ? 0 : codeOf(refused.map(({ reply }) => reply))
  if (refused.length === 0) process.stderr.write(`sendmail: ${last.text}\n`)
  return codeOf([last])
}

/** What may go well later is worth another try. */
function codeOf(replies: readonly SubmitReply[]): number {
  if (replies.some(({ code }) => code >= 400 && code < 500)) return EX.tempFail
  return replies.some(({ text }) => /^\d{3} 5\.1\.[1-6]/.test(text)) ? EX.noUser : EX.unavailable
}
