import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { openGroup } from './cpu.ts'
import { BenchError, findProgram, freePort, must, run, untilGreeted } from './run-command.ts'
import { type Place, RECIPIENT_DOMAIN, type ServerUnderTest } from './server.ts'

/** Debian's master.cf as the package ships it; the file in /etc may have been changed. */
const MASTER_CF = '/usr/share/postfix/master.cf.dist'

/**
 * What a Postfix for much mail is given beside Debian's defaults. in_flow_delay makes each client wait a second
 * once more mail comes in than goes out; the others let it run as many processes and connections as it likes.
 */
const TUNED: Readonly<Record<string, string>> = {
  default_process_limit: '200',
  in_flow_delay: '0s',
  initial_destination_concurrency: '20',
  lmtp_destination_concurrency_limit: '40',
  lmtp_connection_cache_on_demand: 'yes',
  lmtp_connection_cache_destinations: 'static:all',
  smtpd_peername_lookup: 'no',
  max_use: '1000',
  qmgr_message_active_limit: '40000',
}

/**
 * What the bench needs and this machine lacks, as a sentence; undefined where all is there. The system's own
 * Postfix is not needed and never touched, only its programs: smtp-source is the client of every run.
 */
export function missing(withPostfix: boolean): string | undefined {
  const packages = []
  if (findProgram('postfix') === undefined || findProgram('smtp-source') === undefined)
    packages.push('postfix')
  if (findProgram('g++') === undefined) packages.push('g++')
  if (packages.length > 0) {
    const command = `DEBIAN_FRONTEND=noninteractive apt-get install --no-install-recommends ${packages.join(' ')}`
    return `The bench needs the Debian package${packages.length > 1 ? 's' : ''} ${packages.join(' and ')}: ${command}`
  }
  if (withPostfix && process.getuid?.() !== 0) {
    return 'Postfix can only be started by root: run the bench as root, or measure Postern alone with --only postern.'
  }
  return undefined
}

/** A private Postfix: its own configuration, queue, data folder, log and port; stopped and removed at the end. */
export async function startPostfix(
  name: 'postfix-default' | 'postfix-tuned',
  place: Place,
): Promise<ServerUnderTest> {
  const postfix = findProgram('postfix')
  if (postfix === undefined) throw new BenchError('postfix is not installed')
  const config = `${place.dir}/etc`
  const port = await freePort()
  for (const folder of ['etc', 'queue', 'data']) mkdirSync(`${place.dir}/${folder}`)
  await must(['chown', 'postfix', `${place.dir}/data`], 10_000)
  // Postfix's own daemons run as user postfix and must be able to pass.
  chmodSync(place.dir, 0o755)
  writeFileSync(`${config}/master.cf`, masterCf(readFileSync(MASTER_CF, 'utf8'), port))
  writeFileSync(`${config}/main.cf`, mainCf(place, name === 'postfix-tuned' ? TUNED : {}))

  const group = openGroup(name)
  const stop = async (): Promise<void> => {
    await run([postfix, '-c', config, 'stop'], 20_000)
    await group.close()
  }
  try {
    await must([...group.prefix, postfix, '-c', config, 'start'], 60_000)
    group.setRoot(Number(readFileSync(`${place.dir}/queue/pid/master.pid`, 'utf8')))
    await untilGreeted(port, 20_000)
  } catch (error) {
    await stop()
    throw error
  }
  return { name, port, group, version: await version(config), stop }
}

async function version(config: string): Promise<string> {
  return `Postfix ${await must(['postconf', '-c', config, '-h', 'mail_version'], 10_000)}`
}

/**
 * Debian's services with our port and outside of the chroot, whose files an init script would have to copy; so
 * this Postfix does a little less than Debian's. Delivery to pipes is left out.
 */
export function masterCf(shipped: string, port: number): string {
  const services = shipped
    .split('\n')
    .filter((line) => /^[a-z]/.test(line) && !/\spipe\s*$/.test(line))
    .map((line) => {
      const fields = line.split(/\s+/)
      const [name = '', type = ''] = fields
      fields[4] = 'n'
      if (name === 'smtp' && type === 'inet') fields[0] = `127.0.0.1:${port}`
      return fields.join(' ')
    })
  return `${services.join('\n')}\n`
}

function mainCf(place: Place, more: Readonly<Record<string, string>>): string {
  const settings: Record<string, string> = {
    compatibility_level: '3.6',
    queue_directory: `${place.dir}/queue`,
    data_directory: `${place.dir}/data`,
    maillog_file_prefixes: place.dir,
    maillog_file: `${place.dir}/postfix.log`,
    myhostname: 'postfix.bench.test',
    inet_interfaces: '127.0.0.1',
    inet_protocols: 'ipv4',
    mydestination: '',
    alias_maps: '',
    relay_domains: RECIPIENT_DOMAIN,
    relay_transport: `lmtp:inet:127.0.0.1:${place.sinkPort}`,
    biff: 'no',
    append_dot_mydomain: 'no',
    ...more,
  }
  if (Object.keys(place.env).length > 0) {
    // master(8) empties its environment but for these, and every daemon has it from master.
    const added = Object.entries(place.env).map(([key, value]) => `${key}=${value}`)
    settings['import_environment'] = ['MAIL_CONFIG', 'TZ', 'LANG=C', ...added].join(' ')
  }
  return Object.entries(settings)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join('')
}
