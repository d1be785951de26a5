import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { answers } from '#test/support/answers.ts'
import { REPOSITORY } from '#test/support/appliance.ts'
import { must } from '#test/support/run.ts'
import { until } from '#test/support/wait.ts'

/** Where scripts/debian-packages.sh unpacks it: installed it would have to take Postfix's place. */
const PROGRAM = join(REPOSITORY, 'build', 'debian', 'opensmtpd', 'usr', 'sbin', 'smtpd')

/** Why a private OpenSMTPD cannot be had here; undefined where it can. */
export function openSmtpdLacks(): string | undefined {
  if (process.getuid?.() !== 0) return 'OpenSMTPD needs root to start'
  if (!existsSync(PROGRAM)) return 'opensmtpd is not unpacked in build/debian'
  // In a chroot whose root is no mount point, say.
  const tried = spawnSync('unshare', ['--mount', 'true'], { encoding: 'utf8' })
  return tried.status === 0 ? undefined : `it needs a mount namespace of its own: ${tried.stderr.trim()}`
}

export interface OpenSmtpdOptions {
  /** A folder of the test's own. */
  readonly folder: string
  readonly port: number
  /** Further words of its listener, such as `tls pki peer`: there is a key and certificate of that name. */
  readonly listener?: string
  /** A second listener. */
  readonly otherPort?: number
  /** Lines of smtpd.conf(5) before the listeners. */
  readonly before?: readonly string[]
  /** Actions and matches. */
  readonly rules: readonly string[]
}

/** Its queue, its socket and its users have fixed names: it sees folders and files of the test's own in their places. */
const IN_OWN_PLACES = `
set -eu
mount --bind "$1/spool" /var/spool
mount --bind "$1/lib" /var/lib
mount --bind "$1/run" /run
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/group" /etc/group
mount --bind "$1/resolv.conf" /etc/resolv.conf
exec "$2" -d -v -f "$1/smtpd.conf"
`

/** Debian's OpenSMTPD, in a mount namespace of its own: what the machine has is neither seen nor touched. */
export class OpenSmtpd {
  readonly port: number
  readonly #process: ChildProcess
  readonly #said: { text: string }

  private constructor(port: number, child: ChildProcess, said: { text: string }) {
    this.port = port
    this.#process = child
    this.#said = said
  }

  static async start(options: OpenSmtpdOptions): Promise<OpenSmtpd> {
    const { folder, port } = options
    for (const name of ['spool', 'lib/opensmtpd/empty', 'run'])
      mkdirSync(join(folder, name), { recursive: true, mode: 0o755 })
    addUsers(folder)
    // Names are not looked up: nobody answers there.
    writeFileSync(join(folder, 'resolv.conf'), 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n')
    await makeCertificate(folder)
    writeFileSync(join(folder, 'smtpd.conf'), configuration(options))
    const said = { text: '' }
    const args = ['--mount', 'sh', '-c', IN_OWN_PLACES, 'sh', folder, PROGRAM]
    const child = spawn('unshare', args, { stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said.text += text
    })
    await until('OpenSMTPD listens', () => child.exitCode !== null || answers(port))
    if (child.exitCode !== null) throw new Error(`smtpd ended with ${child.exitCode}: ${said.text}`)
    return new OpenSmtpd(port, child, said)
  }

  /** Its log. */
  log(): string {
    return this.#said.text
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null) return
    const gone = once(this.#process, 'exit')
    this.#process.kill('SIGTERM')
    await gone
  }
}

/** The machine's users and the two that Debian's package would add; only smtpd sees them. */
function addUsers(folder: string): void {
  const users = ['opensmtpd:x:64901:64901', 'opensmtpq:x:64902:64902']
  const passwd = users.map((user) => `${user}::/var/lib/opensmtpd/empty:/usr/sbin/nologin\n`)
  writeFileSync(join(folder, 'passwd'), readFileSync('/etc/passwd', 'utf8') + passwd.join(''))
  const group = ['opensmtpd:x:64901:\n', 'opensmtpq:x:64902:\n']
  writeFileSync(join(folder, 'group'), readFileSync('/etc/group', 'utf8') + group.join(''))
}

async function makeCertificate(folder: string): Promise<void> {
  const key = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2']
  await must('openssl', [
    ...key,
    '-subj',
    '/CN=peer.example',
    '-addext',
    'subjectAltName=DNS:peer.example',
    '-keyout',
    join(folder, 'key.pem'),
    '-out',
    join(folder, 'cert.pem'),
  ])
}

function configuration({ folder, port, otherPort, listener, before, rules }: OpenSmtpdOptions): string {
  const ports = otherPort === undefined ? [port] : [port, otherPort]
  return [
    `pki peer cert "${folder}/cert.pem"`,
    `pki peer key "${folder}/key.pem"`,
    ...(before ?? []),
    ...ports.map((each) => `listen on 127.0.0.1 port ${each} hostname peer.example ${listener ?? ''}`.trim()),
    ...rules,
    '',
  ].join('\n')
}
