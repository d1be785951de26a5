import { spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { answers } from '#test/support/answers.ts'
import { installed, must } from '#test/support/run.ts'
import { until } from '#test/support/wait.ts'

/** Why a private Dovecot cannot be had here; undefined where it can. */
export function dovecotLacks(): string | undefined {
  if (process.getuid?.() !== 0) return 'Dovecot needs root to start'
  if (!installed('dovecot') || !existsSync('/usr/lib/dovecot/lmtp')) return 'dovecot-lmtpd is not installed'
  return undefined
}

/** Debian's Dovecot as the mailbox server: LMTP in, Maildir under `folder`/mail/<address>/. */
export class Dovecot {
  readonly port: number
  readonly mail: string
  readonly #process: ChildProcess

  private constructor(port: number, mail: string, child: ChildProcess) {
    this.port = port
    this.mail = mail
    this.#process = child
  }

  /** `tls`: offers STARTTLS, with a certificate of its own for 127.0.0.1. */
  static async start(folder: string, port: number, tls = false): Promise<Dovecot> {
    chmodSync(folder, 0o755)
    const mail = join(folder, 'mail')
    mkdirSync(mail)
    // Dovecot refuses to touch mail as root; nobody's files these are.
    await must('chown', ['nobody:nogroup', mail])
    const config = join(folder, 'dovecot.conf')
    if (tls) await makeCertificate(folder)
    writeFileSync(config, dovecotConf(folder, port, tls))
    const child = spawn('/usr/sbin/dovecot', ['-F', '-c', config], { stdio: 'ignore' })
    await until('Dovecot listens', () => child.exitCode !== null || answers(port))
    if (child.exitCode !== null) throw new Error(`dovecot ended with ${child.exitCode}; see ${folder}/log`)
    return new Dovecot(port, mail, child)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null) return
    const gone = once(this.#process, 'exit')
    this.#process.kill('SIGTERM')
    await gone
  }
}

async function makeCertificate(folder: string): Promise<void> {
  const key = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  const files = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')]
  await must('openssl', [...key, '-subj', '/CN=store', '-addext', 'subjectAltName=IP:127.0.0.1', ...files])
}

function dovecotConf(folder: string, port: number, tls: boolean): string {
  return `
base_dir = ${folder}/run
state_dir = ${folder}/state
log_path = ${folder}/log
protocols = lmtp
${tls ? `ssl = required\nssl_cert = <${folder}/cert.pem\nssl_key = <${folder}/key.pem` : 'ssl = no'}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:${folder}/mail/%u
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=${folder}/mail/%u
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${port}
  }
}
service stats {
  client_limit = 200
}
`
}
