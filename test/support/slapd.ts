import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { Server } from 'node:net'
import { join } from 'node:path'
import { installed, must, run } from '#test/support/run.ts'
import { zimbraSchema } from '#test/support/slapd-schema.ts'
import { freePorts } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

/** Why a private slapd cannot be had here; undefined where it can. */
export function slapdLacks(): string | undefined {
  if (!installed('slapd') || !existsSync('/usr/lib/ldap')) return 'slapd is not installed'
  if (!installed('ldapmodify')) return 'ldap-utils is not installed'
  return undefined
}

/** As in Zimbra: the account that may read and write all of it. */
export const ADMIN_DN = 'uid=zimbra,cn=admins,cn=zimbra'
export const ADMIN_PASSWORD = 'the-admin-password'

export interface SlapdOptions {
  /** A folder of the test's own. */
  readonly folder: string
  /** What it is filled with before it starts. */
  readonly ldif?: string
  /** Follows another slapd (syncrepl, refreshAndPersist). */
  readonly providerPort?: number
  /** One of two that both take writes and follow each other (multi-provider replication, slapd.conf(5)). */
  readonly pair?: { readonly serverId: 1 | 2; readonly port: number; readonly peerPort: number }
  /** PEM files: StartTLS is offered then, and `ldaps` has a port of its own. */
  readonly tls?: { readonly certificateFile: string; readonly keyFile: string }
}

/** Debian's slapd as Zimbra sets it up: suffix "", dynamic groups, a schema of the attribute tables. */
export class Slapd {
  readonly port: number
  readonly ldapsPort: number
  readonly folder: string
  readonly #hasTls: boolean
  #process: ChildProcess | undefined
  #keeper: Server | undefined
  #output = ''

  private constructor(options: SlapdOptions, ports: readonly [number, number]) {
    this.folder = options.folder
    ;[this.port, this.ldapsPort] = ports
    this.#hasTls = options.tls !== undefined
  }

  static async start(options: SlapdOptions): Promise<Slapd> {
    const [free = 0, ldapsPort = 0] = await freePorts(2)
    const port = options.pair?.port ?? free
    const slapd = new Slapd(options, [port, ldapsPort])
    mkdirSync(join(options.folder, 'db'), { recursive: true })
    writeFileSync(join(options.folder, 'zimbra.schema'), zimbraSchema())
    writeFileSync(slapd.#config, slapdConf(options))
    if (options.ldif !== undefined) await slapd.load(options.ldif)
    await slapd.startAgain()
    return slapd
  }

  /** Two that follow each other; the first is filled, and the second is once it has read the first. */
  static async startPair(
    folders: readonly [string, string],
    ldif: string,
  ): Promise<{ readonly first: Slapd; readonly second: Slapd }> {
    const [a = 0, b = 0] = await freePorts(2)
    const [folder, other] = folders
    const first = await Slapd.start({ folder, ldif, pair: { serverId: 1, port: a, peerPort: b } })
    const second = await Slapd.start({ folder: other, pair: { serverId: 2, port: b, peerPort: a } })
    return { first, second }
  }

  get #config(): string {
    return join(this.folder, 'slapd.conf')
  }

  get url(): string {
    return `ldap://127.0.0.1:${this.port}`
  }

  get pid(): number {
    return this.#process?.pid ?? 0
  }

  /** Fills the database while it does not run. */
  async load(ldif: string): Promise<void> {
    const file = join(this.folder, 'load.ldif')
    writeFileSync(file, ldif)
    await must('/usr/sbin/slapadd', ['-q', '-w', '-S', '1', '-f', this.#config, '-l', file])
  }

  /** Starts it, after it ended or was killed. */
  async startAgain(): Promise<void> {
    await this.#release()
    const urls = [
      `ldap://127.0.0.1:${this.port}`,
      ...(this.#hasTls ? [`ldaps://127.0.0.1:${this.ldapsPort}`] : []),
    ]
    // -d keeps it in the foreground; 0 says nothing but what is fatal.
    const child = spawn('/usr/sbin/slapd', ['-d', '0', '-h', urls.join(' '), '-f', this.#config], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text
    })
    this.#process = child
    await until('slapd listens', async () => child.exitCode !== null || (await listens(this.port)))
    if (child.exitCode !== null) throw new Error(`slapd ended with ${child.exitCode}: ${this.#output}`)
  }

  /** Applies changes in LDIF, as ldapmodify does; throws with what the server said. */
  async modify(ldif: string): Promise<void> {
    const ran = await run('ldapmodify', [...this.#admin(), '-c'], { input: ldif })
    if (ran.code !== 0) throw new Error(`ldapmodify: exit ${ran.code}: ${ran.stderr}`)
  }

  /** What ldapsearch prints, without comments and folding. */
  async search(...words: readonly string[]): Promise<string> {
    return await must('ldapsearch', [...this.#admin(), '-LLL', '-o', 'ldif-wrap=no', ...words])
  }

  /** Whether an entry matches; a replica that is not filled yet has not even the base. */
  async holds(base: string, filter: string): Promise<boolean> {
    const ran = await run('ldapsearch', [...this.#admin(), '-LLL', '-b', base, filter, '1.1'])
    return ran.code === 0 && ran.stdout.includes('dn:')
  }

  #admin(): string[] {
    return ['-x', '-H', this.url, '-D', ADMIN_DN, '-w', ADMIN_PASSWORD]
  }

  /**
   * kill -9, or another signal, and waits until it is gone. Its port is kept, and closes every connection: another slapd of another test
   * must not be taken for this one.
   */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.#end(signal)
    const keeper = createServer((socket) => socket.destroy())
    keeper.listen(this.port, '127.0.0.1')
    await once(keeper, 'listening')
    this.#keeper = keeper
  }

  async #release(): Promise<void> {
    const keeper = this.#keeper
    this.#keeper = undefined
    if (keeper === undefined) return
    const closed = once(keeper, 'close')
    keeper.close()
    await closed
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end('SIGTERM')
    await this.#release()
  }
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    // Not yet: `until` asks again.
    return false
  } finally {
    socket.destroy()
  }
}

function slapdConf({ folder, providerPort, pair, tls }: SlapdOptions): string {
  const followed = pair?.peerPort ?? providerPort
  const schemas = ['core', 'cosine', 'inetorgperson', 'dyngroup'].map(
    (name) => `include /etc/ldap/schema/${name}.schema`,
  )
  return `
${schemas.join('\n')}
include ${folder}/zimbra.schema
pidfile ${folder}/slapd.pid
argsfile ${folder}/slapd.args
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
moduleload dynlist
moduleload pw-sha2
serverID ${pair?.serverId ?? (providerPort === undefined ? 1 : 2)}
threads 4
sizelimit unlimited
${tls === undefined ? '' : `TLSCertificateFile ${tls.certificateFile}\nTLSCertificateKeyFile ${tls.keyFile}\n`}
database mdb
suffix ""
rootdn "${ADMIN_DN}"
rootpw ${ADMIN_PASSWORD}
directory ${folder}/db
maxsize 2147483648
dbnosync
index objectClass,entryUUID,entryCSN,uid,mail eq
index zimbraMailDeliveryAddress,zimbraMailAlias,zimbraMailCatchAllAddress,zimbraDomainName,zimbraId eq
index zimbraMemberOf,zimbraOldMailAddress,zimbraAllowFromAddress eq
${
  followed === undefined
    ? ''
    : `syncrepl rid=101 provider=ldap://127.0.0.1:${followed} type=refreshAndPersist retry="1 +" searchbase=""
  bindmethod=simple binddn="${ADMIN_DN}" credentials=${ADMIN_PASSWORD}
${pair === undefined ? `updateref ldap://127.0.0.1:${followed}` : 'multiprovider on'}
`
}
overlay syncprov
syncprov-checkpoint 1 1
overlay dynlist
dynlist-attrset groupOfURLs memberURL member
`
}
