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
import { selfTest } from '#src/dns/self-test.ts'
import type { Finding } from '#src/dns/self-test.ts'
import { mailDate } from '#src/mail/date.ts'
import { isRecord } from '#src/net/frames.ts'
import type { Appliance } from './appliance.ts'

/** A host that does not answer a connection within this is not there. */
const CONNECT_MS = 10_000
/** How long a test mail is followed. */
const FOLLOW_MS = 30_000
const FOLLOW_POLL_MS = 500

/**
 * What the DNS tells others of this host and its mail domain: its addresses, whether they lead back to it, where its
 * mail goes, and who may send in its name.
 */
export async function dnsLines(config: Config, signal: AbortSignal): Promise<readonly string[]> {
  const { settings } = currentSettings(config)
  const { text, resolver } = resolversOf(config)
  const host = settings.myHostname.toLowerCase()
  const domain = settings.defaultDomain === '' ? config.directory.firstDomain : settings.defaultDomain
  const findings = await selfTest(resolver(), { host, domains: [domain], selectors: [] }, signal)
  return [`Asked ${text} about ${host} and ${domain}:`, '', ...findings.map(findingLine)]
}

function findingLine({ check, name, state, text }: Finding): string {
  // What is to be mended stands out without colour.
  const word = state === 'right' ? 'right' : state.toUpperCase()
  return `${word.padEnd(8)} ${check.padEnd(6)} ${name}: ${text}`
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
