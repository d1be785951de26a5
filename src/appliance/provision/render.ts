import { dirname } from 'node:path'
import { pemBlocks } from './read-values.ts'
import { chronySources, networkFile, networkFileName, unboundConf } from './render-network.ts'
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

/** Made at each start, and found from the image's own settings (image/overlay/etc). */
const RUN = '/run/postern-image'
/** What only we make; what lies there from earlier settings goes. */
const FOLDERS = ['made', 'unbound.d', 'chrony.d', 'firewall.d', 'firewall-open.d', 'update-keys'].map(
  (name) => `${RUN}/${name}`,
)
const NETWORK = '/run/systemd/network'

/** Whether a file is one that we make, whatever the settings are; and the folders in which such files are. */
export function isMade(path: string): boolean {
  return FOLDERS.includes(dirname(path)) || (dirname(path) === NETWORK && /\/\d\d-postern-/.test(path))
}

export const MADE_FOLDERS: readonly string[] = [...FOLDERS, NETWORK]

const ZONES = '/usr/share/zoneinfo'

/** In the runtime folder of Debian's snmpd. */
const AGENTX = '/run/agentx/master'

const PLACES = { folder: `${RUN}/made`, dataFolder: '/var/lib/postern', agentx: AGENTX }

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
  [/\/unbound\.d\//, 'unbound'],
  [/\/chrony\.d\//, 'chrony'],
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
  const snmpd = isOpen ? snmpdText(settings, AGENTX) : undefined
  return [
    ...settings.network.map((one) => text(`${NETWORK}/${networkFileName(one)}`, networkFile(one))),
    text(`${RUN}/postern.toml`, posternToml(settings, isOpen, PLACES)),
    made('made/hostname', `${system.hostname === '' ? 'postern' : system.hostname}\n`),
    {
      ...made('made/localtime', `${ZONES}/${system.timezone === '' ? 'UTC' : system.timezone}`),
      what: 'link',
    },
    made('unbound.d/50-provision.conf', unboundConf(dns)),
    made('chrony.d/50-provision.sources', chronySources(time)),
    made('firewall.d/50-provision.nft', firewallRules(settings)),
    // Without it the firewall of the image lets nobody begin anything.
    ...(isOpen ? [made('firewall-open.d/50-open.nft', 'flush chain inet postern gate\n')] : []),
    ...(ldap === undefined || ldap.ca === '' ? [] : [made('made/ldap-ca.pem', ldap.ca)]),
    ...(ldap === undefined || ldap.password === ''
      ? []
      : [secret('made/ldap-password', `${ldap.password}\n`)]),
    ...(health.token === '' ? [] : [secret('made/health-token', `${health.token}\n`)]),
    ...(snmpd === undefined ? [] : [{ ...made('made/snmpd.conf', snmpd), reader: 'root' as const }]),
    ...pemBlocks(update.keys, 'PUBLIC KEY').map((key, at) =>
      made(`update-keys/provisioned-${at + 1}.pem`, `${key}\n`),
    ),
  ]
}

function made(name: string, content: string): Rendered {
  return text(`${RUN}/${name}`, content)
}

function text(path: string, content: string): Rendered {
  return { path, what: 'text', text: content, reader: 'all' }
}

function secret(name: string, content: string): Rendered {
  return { ...made(name, content), reader: 'postern' }
}
