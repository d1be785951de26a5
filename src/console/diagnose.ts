import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { ownAddress, submit } from '#src/admin/submit-client.ts'
import { currentSettings } from '#src/admin/current-settings.ts'
import { CommandError } from '#src/admin/command-error.ts'
import { resolversOf } from '#src/admin/resolvers.ts'
import { lifeText } from '#src/admin/trace-format.ts'
import { errorText } from '#src/base/fault.ts'
import { parseHostPort } from '#src/config/config.ts'
import type { Config, HostPort } from '#src/config/config.ts'
import { probeLdap } from '#src/directory/ldap/probe.ts'
import type { Answer as DnsAnswer } from '#src/dns/records.ts'
import type { Resolver } from '#src/dns/resolver.ts'
import { reverseName } from '#src/dns/self-test.ts'
import { mailDate } from '#src/mail/date.ts'
import { isRecord } from '#src/net/frames.ts'
import type { Appliance } from './appliance.ts'

/** A host that does not answer a connection within this is not there. */
const CONNECT_MS = 10_000
/** How long a test mail is followed. */
const FOLLOW_MS = 30_000
const FOLLOW_POLL_MS = 500

/** What is asked of the names of this host: those of its own addresses, and its mail domain's. */
export async function dnsLines(config: Config, signal: AbortSignal): Promise<readonly string[]> {
  const { settings } = currentSettings(config)
  const { text, resolver: make } = resolversOf(config)
  const resolver = make()
  const asked: Asked = { resolver, host: settings.myHostname, signal }
  const { host } = asked
  const domain = settings.defaultDomain === '' ? config.directory.firstDomain : settings.defaultDomain
  const addresses = await addressesOf(asked)
  const lines = [`Resolvers: ${text}`, '', `This host is called ${host}:`, ...addresses.lines]
  for (const address of addresses.found) lines.push(...(await backLines(asked, address)))
  if (addresses.found.length === 0)
    lines.push('  WRONG: others cannot look it up, and many refuse mail from such a host.')
  const mx = await resolver.lookup(domain, 'MX', signal)
  lines.push(
    '',
    `Mail for ${domain} goes to:`,
    ...answerLines('MX', mx, ({ preference, host: to }) => `${preference} ${to}`),
  )
  if (mx.kind === 'found') {
    const isOurs = mx.records.some((record) => record.host === host.toLowerCase())
    lines.push(isOurs ? '  right: this host is among them' : '  note: this host is not among them')
  }
  return lines
}

interface Asked {
  readonly resolver: Resolver
  readonly host: string
  readonly signal: AbortSignal
}

async function addressesOf({
  resolver,
  host,
  signal,
}: Asked): Promise<{ readonly lines: readonly string[]; readonly found: readonly string[] }> {
  const lines: string[] = []
  const found: string[] = []
  for (const type of ['A', 'AAAA'] as const) {
    const answer = await resolver.lookup(host, type, signal)
    lines.push(...answerLines(type, answer, (address) => address))
    if (answer.kind === 'found') found.push(...answer.records)
  }
  return { lines, found }
}

/** RFC 1912 section 2.1: the name of an address should lead back to it; servers that take mail look. */
async function backLines({ resolver, host, signal }: Asked, address: string): Promise<readonly string[]> {
  const answer = await resolver.lookup(reverseName(address), 'PTR', signal)
  const lines = answerLines(`PTR ${address}`, answer, (name) => name)
  if (answer.kind !== 'found') return lines
  return answer.records.some((name) => name === host.toLowerCase())
    ? [...lines, '  right: the address leads back to this host']
    : [...lines, '  WRONG: the address leads to another name; many refuse mail then']
}

function answerLines<T>(type: string, answer: DnsAnswer<T>, shown: (record: T) => string): readonly string[] {
  switch (answer.kind) {
    case 'found': {
      const proven = answer.secure ? ', proven by DNSSEC' : ''
      return answer.records.map((record) => `  ${type}  ${shown(record)}${proven}`)
    }
    case 'none':
      return [`  ${type}  none (${answer.why === 'nxdomain' ? 'there is no such name' : 'no such record'})`]
    case 'unknown':
      return [`  ${type}  NOT KNOWN: ${answer.cause} ${answer.detail}`]
  }
}

/** Whether a TCP connection comes about, how fast, and what the other end says first. */
export async function reachLines(text: string, signal: AbortSignal): Promise<readonly string[]> {
  const target = parseHostPort(text.trim(), 25)
  if (target === undefined) throw new CommandError(`"${text}" is no host:port, such as mail.example.com:25`)
  const beganMs = performance.now()
  const said = await greeting(target, signal)
  const tookMs = Math.round(performance.now() - beganMs)
  return [`${target.host} port ${target.port}: ${said.text} (${tookMs} ms, ${said.address})`]
}

interface Said {
  readonly address: string
  readonly text: string
}

/** A server of mail says something first; others wait for us. */
const GREETING_MS = 3000
const GREETING_CHARS_MAX = 300

function greeting({ host, port }: HostPort, signal: AbortSignal): Promise<Said> {
  const { promise, resolve, reject } = Promise.withResolvers<Said>()
  const socket = connect({ host, port, signal })
  let address = ''
  const done = (text: string): void => {
    resolve({ address, text })
    socket.destroy()
  }
  const late = setTimeout(
    () => reject(new CommandError(`no connection within ${CONNECT_MS / 1000} s`)),
    CONNECT_MS,
  )
  let silent: NodeJS.Timeout | undefined
  socket.setEncoding('utf8')
  socket.once('connect', () => {
    clearTimeout(late)
    address = socket.remoteAddress ?? ''
    silent = setTimeout(() => done('connected; it says nothing by itself'), GREETING_MS)
  })
  socket.once('data', (text: string) =>
    done(`connected; it says: ${text.slice(0, GREETING_CHARS_MAX).trim()}`),
  )
  socket.once('end', () => done('connected; it closed at once'))
  socket.once('error', (error) => reject(new CommandError(`no connection: ${errorText(error)}`)))
  return promise.finally(() => {
    clearTimeout(late)
    clearTimeout(silent)
    socket.destroy()
  })
}

/** Each directory server: whether it is reached, trusted, and takes our name and password. */
export async function ldapLines(config: Config, signal: AbortSignal): Promise<readonly string[]> {
  const { ldap } = config.directory
  if (ldap === undefined) return ['The directory is embedded: there is no directory server to be asked.']
  const { startTls, caFile, connectTimeoutMs, searchTimeoutMs, bindDn, passwordFile } = ldap
  const lines: string[] = []
  for (const url of ldap.urls) {
    const beganMs = performance.now()
    const server = { url, startTls, caFile, connectTimeoutMs, searchTimeoutMs }
    const result = await probeLdap(server, { dn: bindDn, passwordFile }, signal)
    lines.push(`${url}: ${result} (${Math.round(performance.now() - beganMs)} ms)`)
  }
  return lines
}

/** Sends a mail through our own listener, and tells its way until it has left the queue or stays there. */
export async function testMail(
  appliance: Appliance,
  recipient: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { config } = appliance
  const { settings } = currentSettings(config)
  const listener = config.listeners.find(({ service }) => service === 'smtp')
  if (listener === undefined) throw new CommandError('no listener has the service smtp')
  const sender = `postmaster@${settings.myHostname}`
  const message = [
    `From: Postern console <${sender}>`,
    `To: <${recipient}>`,
    `Date: ${mailDate(Date.now())}`,
    'Subject: Test mail from the console of Postern',
    'Auto-Submitted: auto-generated',
    '',
    'Somebody at the console of this mail gateway wanted to see which way a mail takes.',
    '',
  ].join('\r\n')
  const { host, port } = ownAddress(listener)
  const { last } = await submit(listener, {
    helo: settings.myHostname,
    sender,
    recipients: [recipient],
    mailParameters: '',
    rcptParameters: '',
    message: Buffer.from(message),
  })
  const lines = [`${host} port ${port} answered: ${last.text}`]
  const [, id] = /queued as (\S+)/.exec(last.text) ?? []
  return id === undefined ? lines : [...lines, '', ...(await follow(appliance, id, signal))]
}

/** Its trace, as soon as something has become of it. */
async function follow(appliance: Appliance, id: string, signal: AbortSignal): Promise<readonly string[]> {
  const untilMs = performance.now() + FOLLOW_MS
  for (;;) {
    const life = await appliance.queue(async (queue) => {
      for await (const answer of queue.ask({ op: 'show', id })) return answer
      return {}
    })
    const trace = Array.isArray(life['trace']) ? life['trace'].filter(isRecord) : []
    const isTried = trace.some(({ event }) => event !== 'queued')
    if (isTried || performance.now() > untilMs)
      return lifeText(id, trace, life['message']).trimEnd().split('\n')
    await sleep(FOLLOW_POLL_MS, undefined, { signal })
  }
}
