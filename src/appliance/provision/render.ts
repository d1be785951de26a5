import { pemBlocks } from './read-values.ts'
import {
  ANY_BY_DHCP,
  chronyConf,
  networkFile,
  networkFileName,
  RESOLV_CONF,
  unboundConf,
} from './render-network.ts'
import { firewallRules, posternToml, snmpdText } from './render-postern.ts'
import type { Settings } from './settings.ts'

/** A file that is made from the settings. */
export interface Rendered {
  /** From the root of the file system. */
  readonly path: string
  /** What it holds, or where it leads. */
  readonly what: 'text' | 'link'
  readonly text: string
  /** Who reads it: everybody, root alone, or the user that Postern runs as alone. */
  readonly reader: 'all' | 'root' | 'postern'
}

/** Everything made at each start lies here; links in /etc of the image lead to it. */
export const MADE = '/run/postern-image/etc'
/** systemd.network(5) files that are made at each start. */
export const NETWORK = '/run/systemd/network'
/** The keys of the root zone, from Debian's package dns-root-data. */
const ROOT_KEY = '/usr/share/dns/root.key'
const ZONES = '/usr/share/zoneinfo'

const PLACES = {
  folder: MADE,
  dataFolder: '/var/lib/postern',
  // The runtime folder of Debian's snmpd.
  agentx: '/run/agentx/master',
}

/** Whom a file concerns when it has changed. */
export type Concern =
  | 'network'
  | 'unbound'
  | 'chrony'
  | 'snmpd'
  | 'postern'
  | 'directory'
  | 'firewall'
  | 'hostname'
  | 'nobody'

const CONCERNS: readonly (readonly [RegExp, Concern])[] = [
  [/\.network$/, 'network'],
  [/\/hostname$/, 'hostname'],
  [/\/unbound\.conf$/, 'unbound'],
  [/\/chrony\.conf$/, 'chrony'],
  [/\/snmpd\.conf$/, 'snmpd'],
  [/\.nft$/, 'firewall'],
  [/\/ldap-(?:ca\.pem|password)$/, 'directory'],
  [/\/(?:postern\.toml|health-token|localtime)$/, 'postern'],
]

export function concernOf(path: string): Concern {
  return CONCERNS.find(([pattern]) => pattern.test(path))?.[1] ?? 'nobody'
}

/** All files that the settings make. `isOpen`: whether the console has a password, so that the network may be served. Pure. */
export function render(settings: Settings, isOpen: boolean): readonly Rendered[] {
  const { system, ldap, health, dns, time, update } = settings
  const snmpd = isOpen ? snmpdText(settings, PLACES.agentx) : undefined
  return [
    ...networkFiles(settings, isOpen),
    made('hostname', `${system.hostname === '' ? 'postern' : system.hostname}\n`),
    { ...made('localtime', `${ZONES}/${system.timezone === '' ? 'UTC' : system.timezone}`), what: 'link' },
    made('resolv.conf', RESOLV_CONF),
    made('unbound.conf', unboundConf(dns, ROOT_KEY)),
    made('chrony.conf', chronyConf(time)),
    made('postern.toml', posternToml(settings, isOpen, PLACES)),
    made('firewall.d/50-provision.nft', firewallRules(settings)),
    // Without it the firewall of the image lets nobody begin anything.
    ...(isOpen ? [made('firewall-open.d/50-open.nft', 'flush chain inet postern gate\n')] : []),
    ...(ldap === undefined || ldap.ca === '' ? [] : [made('ldap-ca.pem', ldap.ca)]),
    ...(ldap === undefined || ldap.password === '' ? [] : [secret('ldap-password', `${ldap.password}\n`)]),
    ...(health.token === '' ? [] : [secret('health-token', `${health.token}\n`)]),
    ...(snmpd === undefined ? [] : [{ ...made('snmpd.conf', snmpd), reader: 'root' as const }]),
    ...(update.url === '' ? [] : [made('update-url', `${update.url}\n`)]),
    ...pemBlocks(update.keys, 'PUBLIC KEY').map((key, at) =>
      made(`update-keys/provisioned-${at + 1}.pem`, `${key}\n`),
    ),
  ]
}

/** Without a word on the network there is none before the box is open: then every interface is asked by DHCP. */
function networkFiles({ network }: Settings, isOpen: boolean): readonly Rendered[] {
  const shown = network.length === 0 && isOpen ? [ANY_BY_DHCP] : network
  return shown.map((one) => ({
    path: `${NETWORK}/${networkFileName(one)}`,
    what: 'text',
    text: networkFile(one),
    reader: 'all',
  }))
}

function made(name: string, text: string): Rendered {
  return { path: `${MADE}/${name}`, what: 'text', text, reader: 'all' }
}

function secret(name: string, text: string): Rendered {
  return { ...made(name, text), reader: 'postern' }
}
