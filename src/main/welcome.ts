import type { Config } from '#src/config/config.ts'
import type { Address, Service } from '#src/config/listeners.ts'
import type { Paths } from '#src/config/paths.ts'

export interface WelcomeFacts {
  readonly config: Config
  readonly paths: Paths
  readonly workers: number
  readonly version: string
  /** Whether a terminal is there to press Ctrl-C at. */
  readonly foreground: boolean
}

/** What is printed once everything runs: where it listens, where mail goes, and how to send the first one. */
export function welcomeText(facts: WelcomeFacts): string {
  const { config, paths } = facts
  const first = config.listeners.find((one) => one.service === 'smtp') ?? config.listeners[0]
  const lmtp = config.lmtpServer
  const at = (service: Service) =>
    config.listeners
      .filter((one) => one.service === service)
      .map((one) => shown(one.address, one.port))
      .join(', ')
  const goes =
    lmtp === undefined
      ? `to the embedded mailbox store (LMTP on ${shown(config.mailbox.address, config.mailbox.port)}), since no LMTP server is set`
      : `to the LMTP server ${shown(lmtp.host, lmtp.port)}`
  const url = `smtp://${shown(reachable(first), first?.port ?? 0)}`
  const to = `alice@${config.directory.firstDomain}`
  return `
Postern ${facts.version} runs.
${listening(at)}  smtpd      ${facts.workers} ${facts.workers === 1 ? 'process' : 'processes'}
  Mail goes  ${goes}
  Data       ${paths.data}
  Settings   ${config.file === '' ? 'all defaults: there is no postern.toml here' : config.file}

A first mail:
  printf 'Subject: Hello\\r\\n\\r\\nThe first one.\\r\\n' | curl -sS ${url} --mail-from me@${config.directory.firstDomain} --mail-rcpt ${to} -T -

Then look:
  bin/postern mailq        what is in the queue
  bin/postern status       what runs
${lmtp === undefined ? `  find ${quoted(paths.mailboxes)} -type f    what has arrived (Maildir)\n` : ''}
${facts.foreground ? 'Ctrl-C stops it.' : 'bin/postern stop ends it.'}
`
}

const TITLES = { smtp: 'SMTP', submission: 'Submission', submissions: 'with TLS' } as const

/** A line for each service that is listened for. */
function listening(at: (service: Service) => string): string {
  const services: readonly Service[] = ['smtp', 'submission', 'submissions']
  return services
    .filter((service) => at(service) !== '')
    .map((service) => `  ${TITLES[service].padEnd(10)} ${at(service)}\n`)
    .join('')
}

function shown(host: string, port: number): string {
  if (port === 0) return host
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** An address to connect to: "all addresses" is none. */
function reachable(listener: Address | undefined): string {
  if (listener === undefined || listener.address === '0.0.0.0') return '127.0.0.1'
  return listener.address === '::' ? '::1' : listener.address
}

function quoted(path: string): string {
  return /[^\w@%+=:,./-]/.test(path) ? `'${path.replaceAll("'", "'\\''")}'` : path
}
