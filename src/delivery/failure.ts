import { replyLine, replyStatus } from './replies.ts'
import type { Arrival } from '#src/queue/ports.ts'
import type { PeerReply } from './replies.ts'

/**
 * What was being done when a dialogue broke, in Postfix's words: people search their logs for them.
 */
export type Stage =
  | 'greeting'
  | 'lhlo'
  | 'ehlo'
  | 'helo'
  | 'starttls'
  | 'auth'
  | 'rset'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'body'
  | 'dot'

const DOING: Readonly<Record<Stage, string>> = {
  greeting: 'receiving the initial server greeting',
  lhlo: 'performing the LHLO handshake',
  ehlo: 'performing the EHLO handshake',
  helo: 'performing the HELO handshake',
  starttls: 'receiving the STARTTLS response',
  auth: 'performing SASL authentication',
  rset: 'sending RSET',
  mail: 'sending MAIL FROM',
  rcpt: 'sending RCPT TO',
  data: 'sending DATA command',
  body: 'sending message body',
  dot: 'sending end of data -- message may be sent more than once',
}

/** What was refused: a stage's command, or the BDAT that stands for the body's. */
type Refused = Stage | 'bdat'

const COMMAND: Readonly<Record<Refused, string>> = {
  greeting: '',
  lhlo: 'LHLO',
  ehlo: 'EHLO',
  helo: 'HELO',
  starttls: 'STARTTLS',
  auth: 'AUTH',
  rset: 'RSET',
  mail: 'MAIL FROM',
  rcpt: 'RCPT TO',
  data: 'DATA',
  body: 'end of DATA',
  bdat: 'BDAT',
  dot: 'end of DATA',
}

/** How a dialogue can break without a reply. */
export type Break =
  /** The peer closed or reset the connection. */
  | 'lost'
  | 'timeout'
  /** Bytes that are no reply, a reply too long, or one where none was due. */
  | 'garbage'
  /** The body could not be read here. */
  | 'local'
  /** We are closing down. */
  | 'cancelled'

/** What became of one recipient, before it is known who logs it. */
export interface Result {
  readonly kind: 'sent' | 'deferred' | 'bounced'
  readonly dsn: string
  /** The peer's reply in one line, or our sentence. */
  readonly reply: string
  readonly source: 'remote' | 'local'
  /** As the log shows it: `host X said: … (in reply to RCPT TO command)`. */
  readonly logText: string
  /** It may be we who speak wrong, or the peer: class `protocol` of notify_classes. */
  readonly protocolError?: true
  /** Of 'sent': see queue/ports.ts. */
  readonly arrival?: Arrival
}

/** The peer as it stands in sentences: `host[address]`. */
export type PeerName = string

/** An outcome that is our own finding. */
export function localResult(kind: 'deferred' | 'bounced', dsn: string, sentence: string): Result {
  return { kind, dsn, reply: sentence, source: 'local', logText: sentence }
}

/** What a broken dialogue means for a recipient that has no answer yet: it is tried again. */
export function brokenResult(cause: Break, stage: Stage, peer: PeerName): Result {
  switch (cause) {
    case 'lost':
      return localResult('deferred', '4.4.2', `lost connection with ${peer} while ${DOING[stage]}`)
    case 'timeout':
      return localResult('deferred', '4.4.2', `conversation with ${peer} timed out while ${DOING[stage]}`)
    case 'garbage':
      return {
        ...localResult(
          'deferred',
          '4.5.0',
          `remote protocol error in reply from ${peer} while ${DOING[stage]}`,
        ),
        protocolError: true,
      }
    case 'local':
      return localResult('deferred', '4.3.0', `local data error while talking to ${peer}`)
    case 'cancelled':
      return localResult(
        'deferred',
        '4.3.2',
        `delivery to ${peer} was cut short: mail system is shutting down`,
      )
  }
}

/** The outcome that a reply means by its first digit (RFC 5321 section 4.2.1). 3yz never reaches this. */
export function repliedResult(reply: PeerReply, stage: Refused, peer: PeerName): Result {
  const text = replyLine(reply)
  const kind = reply.code < 300 ? 'sent' : reply.code < 500 ? 'deferred' : 'bounced'
  const logText =
    kind === 'sent' ? text : `host ${peer} said: ${text} (in reply to ${COMMAND[stage]} command)`
  return { kind, dsn: replyStatus(reply), reply: text, source: 'remote', logText, ...protocolError(reply) }
}

/**
 * Replies about syntax (RFC 5321 section 4.2.1, x0z) and parameters (555): either side has the protocol wrong. The
 * same codes as smtp(8) takes.
 */
function protocolError({ code }: PeerReply): Pick<Result, 'protocolError'> {
  return (code >= 500 && code < 510) || code === 555 ? { protocolError: true } : {}
}

/** A greeting or hello that turns us away. `kind` is decided by the caller. */
export function refusedResult(kind: 'deferred' | 'bounced', reply: PeerReply, peer: PeerName): Result {
  const text = replyLine(reply)
  const status = replyStatus(reply)
  // The class follows what we do: a 5xx greeting is tried again, so its status is 4.y.z (Postfix does the same).
  const dsn = kind === 'deferred' && !status.startsWith('4') ? `4${status.slice(1)}` : status
  const logText = `host ${peer} refused to talk to me: ${text}`
  return { kind, dsn, reply: text, source: 'remote', logText, ...protocolError(reply) }
}

/** What strerror(3) says, for the codes that a connection can meet. */
const SYSTEM_TEXT: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'Connection refused'],
  ['ECONNRESET', 'Connection reset by peer'],
  ['ETIMEDOUT', 'Connection timed out'],
  ['EHOSTUNREACH', 'No route to host'],
  ['ENETUNREACH', 'Network is unreachable'],
  ['EADDRNOTAVAIL', 'Cannot assign requested address'],
  ['EACCES', 'Permission denied'],
  ['EPERM', 'Operation not permitted'],
  ['EMFILE', 'Too many open files'],
  ['ENFILE', 'Too many open files in system'],
  ['ENOMEM', 'Cannot allocate memory'],
  ['ENOBUFS', 'No buffer space available'],
  ['EPIPE', 'Broken pipe'],
  ['ENOENT', 'No such file or directory'],
  ['ENOTSOCK', 'Socket operation on non-socket'],
])

export function systemText(code: string): string {
  return SYSTEM_TEXT.get(code) ?? (code === '' ? 'Unknown error' : code)
}
