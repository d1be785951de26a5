import type { Config, Listener } from '#src/config/config.ts'
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
  const [first] = config.listeners
  const lmtp = config.lmtpServer
  const where = config.listeners.map((one) => shown(one.address, one.port)).join(', ')
  const goes =
    lmtp === undefined
      ? `to the embedded mailbox store (LMTP on ${shown(config.mailbox.address, config.mailbox.port)}), since no LMTP server is set`
      : `to the LMTP server ${shown(lmtp.host, lmtp.port)}`
  const url = `smtp://${shown(reachable(first), first?.port ?? 0)}`
  const to = `alice@${config.directory.firstDomain}`
  return `
Postern ${facts.version} runs.
  SMTP       ${where}  (${facts.workers} ${facts.workers === 1 ? 'process' : 'processes'})
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

function shown(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** An address to connect to: "all addresses" is none. */
function reachable(listener: Listener | undefined): string {
  if (listener === undefined || listener.address === '0.0.0.0') return '127.0.0.1'
  return listener.address === '::' ? '::1' : listener.address
}

function quoted(path: string): string {
  return /[^\w@%+=:,./-]/.test(path) ? `'${path.replaceAll("'", "'\\''")}'` : path
}
