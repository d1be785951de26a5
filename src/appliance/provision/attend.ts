import type { Runner } from '#src/appliance/run.ts'
import { whyFailed } from '#src/appliance/run.ts'
import type { Concern } from './render.ts'

const SYSTEMCTL = '/usr/bin/systemctl'

/**
 * What has to be done where something has changed. A unit whose condition does not hold (the console has no password,
 * nobody may ask over SNMP) is ended by its restart and not started again. Postern is not waited for: it finishes what
 * is under way first.
 */
const ACTIONS: Readonly<Record<Concern, readonly string[] | undefined>> = {
  network: ['reload', 'systemd-networkd.service'],
  unbound: ['restart', 'unbound.service'],
  chrony: ['restart', 'chrony.service'],
  snmpd: ['restart', 'snmpd.service'],
  firewall: ['reload-or-restart', 'postern-firewall.service'],
  postern: ['--no-block', 'restart', 'postern.service'],
  directory: ['--no-block', 'try-reload-or-restart', 'postern.service'],
  // The name by which mail knows us is read when Postern starts.
  hostname: ['--no-block', 'try-restart', 'postern.service'],
  nobody: undefined,
}

/** In this order: a name server is reached by the network, and asked by all that come after. */
const ORDER: readonly Concern[] = [
  'network',
  'firewall',
  'unbound',
  'chrony',
  'snmpd',
  'hostname',
  'directory',
  'postern',
]

/** What waits for the console to have a password. */
const OPENING = ['--no-block', 'start', 'postern.socket', 'postern.service', 'snmpd.service']

/** Has the units look at what concerns them; a sentence for each that did not. */
export async function attendTo(
  run: Runner,
  concerns: ReadonlySet<Concern>,
  opening: boolean,
): Promise<readonly string[]> {
  const skipped = concerns.has('postern') || opening ? new Set(['hostname', 'directory']) : new Set()
  const wanted = ORDER.filter((one) => concerns.has(one) && !skipped.has(one)).flatMap((one) => {
    const action = ACTIONS[one]
    return action === undefined ? [] : [action]
  })
  const troubles: string[] = []
  for (const words of [...wanted, ...(opening ? [OPENING] : [])]) {
    const ran = await run(SYSTEMCTL, words)
    if (ran.code !== 0)
      troubles.push(`systemctl ${words.join(' ')} did not work: ${whyFailed('systemctl', ran)}`)
  }
  return troubles
}
