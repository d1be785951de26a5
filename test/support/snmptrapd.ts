import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MODULES, MONITOR, snmpEnvironment, startListening } from '#test/support/snmpd.ts'

/** Between the objects of one notification; in no text of ours. */
const BETWEEN = '~'

/** Debian's snmptrapd, which takes what MONITOR signs and knows our objects by name. */
export class Snmptrapd implements AsyncDisposable {
  readonly port: number
  readonly #stop: () => Promise<void>
  readonly #said: () => string

  private constructor(port: number, said: () => string, stop: () => Promise<void>) {
    this.port = port
    this.#said = said
    this.#stop = stop
  }

  static async start(folder: string, port: number): Promise<Snmptrapd> {
    const own = join(folder, 'snmptrapd')
    mkdirSync(join(own, 'state'), { recursive: true })
    const { name, auth, priv } = MONITOR
    const lines = [
      `createUser ${name} ${auth.protocol} ${quoted(auth.password)} ${priv.protocol} ${quoted(priv.password)}`,
      `authUser log ${name} priv`,
      '',
    ]
    writeFileSync(join(own, 'snmptrapd.conf'), lines.join('\n'), { mode: 0o600 })
    const format = `%V${BETWEEN}%v\\n`
    const args = ['-C', '-c', join(own, 'snmptrapd.conf'), '-f', '-Lo', '-n', '-OQ', '-F', format]
    let said = ''
    const words = [...args, `udp:127.0.0.1:${port}`]
    const child = await startListening('snmptrapd', words, snmpEnvironment(own, MODULES), (text) => {
      said += text
    })
    const gone = once(child, 'exit')
    const stop = async (): Promise<void> => {
      child.kill('SIGTERM')
      await gone
    }
    return new Snmptrapd(port, () => said, stop)
  }

  /**
   * Notifications of ours, as `posternAlarmRaised CODE KEY SEVERITY REASON`. One that was sent again, because the
   * acknowledgement came late, is the same and counts once.
   */
  get heard(): readonly string[] {
    const lines = this.#said().split('\n')
    return [...new Set(lines.filter((line) => line.includes('POSTERN-MIB::posternAlarm')))].map(shortened)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop()
  }
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`
}

function shortened(line: string): string {
  const objects = line.split(BETWEEN).map((object) => object.split(' = '))
  const valueOf = (name: string) =>
    (objects.find(([left]) => left?.includes(name))?.[1] ?? '').replace(/^POSTERN-MIB::/, '').trim()
  const names = [
    'snmpTrapOID',
    'posternAlarmCode',
    'posternAlarmKey',
    'posternAlarmSeverity',
    'posternAlarmReason',
  ]
  return names.map(valueOf).join(' ')
}
