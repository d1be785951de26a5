import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { installed, must, run, type Ran } from '#test/support/run.ts'

/** Why a private Postfix cannot be had here; undefined where it can. */
export function postfixLacks(): string | undefined {
  if (process.getuid?.() !== 0) return 'Postfix needs root to start'
  if (!installed('postfix') || !existsSync('/usr/lib/postfix/sbin/master')) return 'postfix is not installed'
  return undefined
}

export interface PostfixOptions {
  /** A folder of the test's own. */
  readonly folder: string
  /** Where it takes mail. */
  readonly port: number
  /** Where it relays everything: us. */
  readonly relayPort: number
  /** Where to put a key and a certificate of its own, if it needs any. */
  readonly certificate?: string
  /** Further main.cf lines. */
  readonly settings?: readonly string[]
}

/** Debian's Postfix as a stranger that sends us mail: an instance of its own, not the machine's. */
export class Postfix {
  readonly port: number
  readonly #config: string
  readonly #log: string

  private constructor(options: PostfixOptions) {
    this.port = options.port
    this.#config = join(options.folder, 'etc')
    this.#log = join(options.folder, 'maillog')
  }

  static async start(options: PostfixOptions): Promise<Postfix> {
    const { folder } = options
    // Postfix's own user must be able to walk in.
    chmodSync(folder, 0o755)
    for (const name of ['etc', 'queue', 'data'])
      mkdirSync(join(folder, name), { mode: 0o755, recursive: true })
    await must('chown', ['postfix', join(folder, 'data')])
    writeFileSync(join(folder, 'etc', 'main.cf'), mainCf(options))
    writeFileSync(join(folder, 'etc', 'master.cf'), masterCf(options.port))
    if (options.certificate !== undefined) await selfSigned(options.certificate)
    const postfix = new Postfix(options)
    await must('postfix', ['-c', postfix.#config, 'start'])
    return postfix
  }

  /** One of its own tools: postqueue, postsuper, qshape. */
  tool(name: string, ...args: readonly string[]): Promise<Ran> {
    return run(name, ['-c', this.#config, ...args])
  }

  log(): string {
    return existsSync(this.#log) ? readFileSync(this.#log, 'utf8') : ''
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run('postfix', ['-c', this.#config, 'stop'])
  }
}

async function selfSigned(file: string): Promise<void> {
  const key = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  await must('openssl', [...key, '-subj', '/CN=sender.example', '-keyout', file, '-out', `${file}.crt`])
  appendFileSync(file, readFileSync(`${file}.crt`))
}

function mainCf(options: PostfixOptions): string {
  const { folder } = options
  return [
    'compatibility_level = 3.6',
    `queue_directory = ${folder}/queue`,
    `data_directory = ${folder}/data`,
    'command_directory = /usr/sbin',
    'daemon_directory = /usr/lib/postfix/sbin',
    'mail_owner = postfix',
    'setgid_group = postdrop',
    'myhostname = sender.example',
    'mydestination =',
    'mynetworks = 127.0.0.0/8',
    'inet_interfaces = 127.0.0.1',
    'inet_protocols = ipv4',
    `relayhost = [127.0.0.1]:${options.relayPort}`,
    'smtpd_relay_restrictions = permit_mynetworks, reject',
    'smtp_tls_security_level = may',
    'smtp_tls_loglevel = 1',
    'alias_maps =',
    'alias_database =',
    'smtpd_peername_lookup = no',
    'smtpd_client_connection_count_limit = 0',
    `maillog_file = ${folder}/maillog`,
    `maillog_file_prefixes = ${folder}`,
    ...(options.settings ?? []),
    '',
  ].join('\n')
}

function masterCf(port: number): string {
  return [
    `127.0.0.1:${port} inet n - n - - smtpd`,
    'cleanup unix n - n - 0 cleanup',
    'qmgr unix n - n 300 1 qmgr',
    'rewrite unix - - n - - trivial-rewrite',
    'bounce unix - - n - 0 bounce',
    'defer unix - - n - 0 bounce',
    'trace unix - - n - 0 bounce',
    'tlsmgr unix - - n 1000? 1 tlsmgr',
    'proxymap unix - - n - - proxymap',
    'showq unix n - n - - showq',
    'smtp unix - - n - - smtp',
    'relay unix - - n - - smtp',
    'lmtp unix - - n - - lmtp',
    'error unix - - n - - error',
    'retry unix - - n - - error',
    'discard unix - - n - - discard',
    'anvil unix - - n - 1 anvil',
    'scache unix - - n - 1 scache',
    'postlog unix-dgram n - n - 1 postlogd',
    '',
  ].join('\n')
}
