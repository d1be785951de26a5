import { isIP } from 'node:net'
import { snmpdConf } from '#src/admin/snmpd-conf.ts'
import type { SnmpTarget } from '#src/admin/snmpd-conf.ts'
import { parseHostPort } from '#src/config/config.ts'
import { isLoopback, parseListen } from '#src/config/health.ts'
import type { Address } from '#src/config/listeners.ts'
import { lines, MADE_HERE } from './render-network.ts'
import type { SnmpSettings } from './read-watching.ts'
import { SNMP_PORT, TRAP_PORT } from './read-watching.ts'
import type { Settings } from './settings.ts'

/** Where what is made lies, below /run, and who reads it besides root. */
export interface Places {
  /** Holds ldap-ca.pem, ldap-password and health-token. */
  readonly folder: string
  readonly dataFolder: string
  /** The socket on which snmpd waits for our rows. */
  readonly agentx: string
}

const PORTS = [25, 465, 587]

/**
 * postern.toml. While the console has no password (`isOpen` false) it lets Postern take mail from this machine alone,
 * at ports that systemd does not open.
 */
export function posternToml(
  settings: Settings,
  isOpen: boolean,
  { folder, dataFolder, agentx }: Places,
): string {
  const { ldap, mail } = settings
  const listeners = isOpen
    ? PORTS.map((port) => ['::', port] as const)
    : PORTS.map((port) => ['127.0.0.1', port + 2000] as const)
  return lines([
    MADE_HERE,
    `data = ${quoted(dataFolder)}`,
    ...listeners.flatMap(([address, port]) => [
      '',
      '[[listener]]',
      `address = ${quoted(address)}`,
      `port = ${port}`,
    ]),
    ...section('lmtp', mail.lmtp === '' ? [] : [`server = ${quoted(mail.lmtp)}`]),
    ...section('directory', [
      ...(mail.domain === '' ? [] : [`domain = ${quoted(mail.domain)}`]),
      ...(ldap === undefined ? [] : ldapLines(ldap, folder)),
    ]),
    ...section('health', isOpen ? healthLines(settings, folder) : []),
    ...section('snmp', isOpen && isSnmpOn(settings.snmp) ? [`agentx = ${quoted(agentx)}`] : []),
    ...section('console', [`idle_logout = ${quoted(`${settings.console.idleMs / 1000}s`)}`]),
    // The journal has the readable form; the one for programs is a file.
    ...section('log', ['text = false', 'stdout = true']),
  ])
}

function ldapLines(ldap: NonNullable<Settings['ldap']>, folder: string): readonly string[] {
  const { urls, startTls, bindDn, password, ca, base, server } = ldap
  return [
    `urls = [${urls.map(quoted).join(', ')}]`,
    `starttls = ${startTls}`,
    ...(ca === '' ? [] : [`ca = ${quoted(`${folder}/ldap-ca.pem`)}`]),
    ...(bindDn === '' ? [] : [`bind_dn = ${quoted(bindDn)}`]),
    ...(password === '' ? [] : [`password_file = ${quoted(`${folder}/ldap-password`)}`]),
    ...(base === '' ? [] : [`base = ${quoted(base)}`]),
    ...(server === '' ? [] : [`server = ${quoted(server)}`]),
  ]
}

function healthLines({ health: { listen, token } }: Settings, folder: string): readonly string[] {
  return [
    ...(listen === undefined
      ? []
      : [`listen = ${quoted(addressText(listen))}`, `tls = ${!isLoopback(listen.address)}`]),
    ...(token === '' ? [] : [`token = ${quoted(`${folder}/health-token`)}`]),
  ]
}

function section(name: string, keys: readonly string[]): readonly string[] {
  return keys.length === 0 ? [] : ['', `[${name}]`, ...keys]
}

/** A string of TOML: what JSON escapes, TOML 1.0 reads. */
function quoted(text: string): string {
  return JSON.stringify(text)
}

function addressText({ address, port }: Address): string {
  return isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`
}

export function isSnmpOn({ users, community }: SnmpSettings): boolean {
  return users.length > 0 || community !== ''
}

const EVERYWHERE: readonly Address[] = [
  { address: '0.0.0.0', port: SNMP_PORT },
  { address: '::', port: SNMP_PORT },
]

function snmpAddresses({ listen }: SnmpSettings): readonly Address[] {
  const given = listen.flatMap((text) => parseListen(text, SNMP_PORT) ?? [])
  return given.length === 0 ? EVERYWHERE : given
}

/** snmpd.conf(5); undefined where nobody may ask. */
export function snmpdText({ snmp, system }: Settings, agentx: string): string | undefined {
  if (!isSnmpOn(snmp)) return undefined
  const made = snmpdConf({
    users: snmp.users.map(({ name, auth, priv }) => ({
      name,
      auth: { protocol: 'SHA-256', password: auth },
      priv: { protocol: 'AES', password: priv },
    })),
    v2c: snmp.community === '' ? [] : snmp.allow.map((source) => ({ community: snmp.community, source })),
    agentx,
    agentxOwner: { user: 'Debian-snmp', group: 'postern-health' },
    listen: snmpAddresses(snmp),
    targets: [...targetsOf(snmp, 'inform'), ...targetsOf(snmp, 'trap')],
    system: {
      ...(snmp.contact === '' ? {} : { contact: snmp.contact }),
      ...(snmp.location === '' ? {} : { location: snmp.location }),
      ...(system.hostname === '' ? {} : { name: system.hostname }),
    },
  })
  if (made.kind === 'conf') return made.text
  // What reading let through and this does not is a mistake of ours.
  throw new Error(`snmpd.conf was not made: ${made.problems.join(' ')}`)
}

function targetsOf({ users, informs, traps }: SnmpSettings, kind: SnmpTarget['kind']): readonly SnmpTarget[] {
  const user = users[0]?.name ?? ''
  return (kind === 'inform' ? informs : traps).flatMap((text) => {
    const target = parseHostPort(text, TRAP_PORT)
    return target === undefined ? [] : [{ ...target, kind, user }]
  })
}

/** Rules for firewall.d: what else than mail may come in. */
export function firewallRules({ health, snmp }: Settings): string {
  const rules = [
    ...(health.listen === undefined || isLoopback(health.listen.address)
      ? []
      : rulesFor(`tcp dport ${health.listen.port}`, health.allow)),
    ...(isSnmpOn(snmp)
      ? [
          ...new Set(
            snmpAddresses(snmp)
              .filter(({ address }) => !isLoopback(address))
              .map(({ port }) => port),
          ),
        ].flatMap((port) => rulesFor(`udp dport ${port}`, snmp.allow))
      : []),
  ]
  return lines([MADE_HERE, ...rules])
}

function rulesFor(what: string, allow: readonly string[]): readonly string[] {
  if (allow.length === 0) return [`add rule inet postern own ${what} accept`]
  return allow.map((network) => {
    const family = network.includes(':') ? 'ip6' : 'ip'
    return `add rule inet postern own ${family} saddr ${network} ${what} accept`
  })
}
