import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { createSocket } from 'node:dgram'
import { installed, run } from '#test/support/run.ts'
import { freePorts } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'
import { wireName, words } from '#test/support/dns-wire.ts'

/** Why a validating resolver cannot be had here; undefined where it can. */
export function unboundLacks(): string | undefined {
  if (!installed('unbound')) return 'unbound is not installed'
  if (!installed('ldns-signzone') || !installed('ldns-keygen')) return 'ldnsutils is not installed'
  return undefined
}

/** A zone that unbound has from a file. */
export interface TestZone {
  readonly name: string
  /** Records in the words of a zone file, without SOA and NS. */
  readonly records: string
  /** Signed with a key that unbound trusts. */
  readonly signed: boolean
  /** Changes the zone file after it was signed. */
  readonly spoil?: (text: string) => string
}

/** Debian's unbound as the validating resolver of zones of the test's own; it asks nobody else. */
export class Unbound implements AsyncDisposable {
  readonly port: number
  readonly #stop: () => Promise<void>

  private constructor(port: number, stop: () => Promise<void>) {
    this.port = port
    this.#stop = stop
  }

  static async start(folder: string, zones: readonly TestZone[]): Promise<Unbound> {
    const [port = 0] = await freePorts(1)
    const anchors: string[] = []
    const sections: string[] = []
    for (const zone of zones) {
      const place = join(folder, zone.name)
      mkdirSync(place)
      const { file, anchor } = await zoneFile(place, zone)
      if (anchor !== undefined) anchors.push(anchor)
      sections.push(authZone(zone.name, file))
    }
    const config = join(folder, 'unbound.conf')
    writeFileSync(config, unboundConf(folder, port, anchors) + sections.join(''))
    const child = spawn('/usr/sbin/unbound', ['-d', '-c', config], { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    const gone = once(child, 'exit')
    await until('unbound answers', async () => child.exitCode !== null || (await answers(port)))
    if (child.exitCode !== null) throw new Error(`unbound ended with ${child.exitCode}: ${said}`)
    return new Unbound(port, async () => {
      child.kill('SIGTERM')
      await gone
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop()
  }
}

async function zoneFile(
  place: string,
  zone: TestZone,
): Promise<{ readonly file: string; readonly anchor: string | undefined }> {
  const file = join(place, 'zone')
  const soa = `${zone.name}. 300 IN SOA ns.${zone.name}. root.${zone.name}. 1 3600 600 86400 60`
  writeFileSync(
    file,
    `${soa}\n${zone.name}. 300 IN NS ns.${zone.name}.\nns.${zone.name}. 300 IN A 192.0.2.53\n${zone.records}\n`,
  )
  if (!zone.signed) return { file, anchor: undefined }
  const key = (await inFolder(place, 'ldns-keygen', ['-a', 'ECDSAP256SHA256', '-k', `${zone.name}.`])).trim()
  // Signatures from yesterday on: the clocks of two programs need not agree to the second.
  await inFolder(place, 'ldns-signzone', [
    '-n',
    '-i',
    stamp(-86_400),
    '-e',
    stamp(30 * 86_400),
    '-f',
    'signed',
    'zone',
    key,
  ])
  const signed = join(place, 'signed')
  if (zone.spoil !== undefined) writeFileSync(signed, zone.spoil(readFileSync(signed, 'utf8')))
  return { file: signed, anchor: join(place, `${key}.ds`) }
}

async function inFolder(cwd: string, program: string, args: readonly string[]): Promise<string> {
  const ran = await run(program, args, { cwd })
  if (ran.code !== 0) throw new Error(`${program}: exit ${ran.code}: ${ran.stderr}`)
  return ran.stdout
}

/** YYYYMMDDHHMMSS, so many seconds from now. */
function stamp(seconds: number): string {
  return new Date(Date.now() + 1000 * seconds).toISOString().replaceAll(/\D/g, '').slice(0, 14)
}

function authZone(name: string, file: string): string {
  return `
auth-zone:
  name: "${name}."
  zonefile: "${file}"
  for-downstream: no
  for-upstream: yes
  fallback-enabled: no
`
}

function unboundConf(folder: string, port: number, anchors: readonly string[]): string {
  return `
server:
  interface: 127.0.0.1@${port}
  directory: "${folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  num-threads: 1
  module-config: "validator iterator"
  ede: yes
  qname-minimisation: no
  domain-insecure: "plain.test"
  local-zone: "test." nodefault
${anchors.map((file) => `  trust-anchor-file: "${file}"`).join('\n')}
remote-control:
  control-enable: no
`
}

/** Whether anything comes back for a question. */
async function answers(port: number): Promise<boolean> {
  const socket = createSocket('udp4')
  const { promise, resolve } = Promise.withResolvers<boolean>()
  socket.on('message', () => {
    resolve(true)
  })
  socket.on('error', () => {
    resolve(false)
  })
  socket.connect(port, '127.0.0.1', () => {
    socket.send(Buffer.concat([words(1, 0x0100, 1, 0, 0, 0), wireName('localhost'), words(1, 1)]))
  })
  const timer = setTimeout(() => {
    resolve(false)
  }, 200)
  const came = await promise
  clearTimeout(timer)
  socket.close()
  return came
}
