import { isIP } from 'node:net'

/**
 * The settings of Debian's snmpd (Net-SNMP 5.9, snmpd.conf(5)), which speaks SNMP for us: version 3 with authentication
 * and privacy (RFC 3414), views (RFC 3415), and a socket for our own rows (AgentX, RFC 2741).
 */
export interface SnmpdOptions {
  /** At least one, or nobody can ask. All of them only read. */
  readonly users: readonly SnmpUser[]
  /** Communities of SNMPv2c, whose words everybody on the way can read: only where it is asked for. */
  readonly v2c?: readonly SnmpCommunity[]
  /** Where snmpd waits for us: the path of a Unix socket, or `tcp:127.0.0.1:705`; [snmp] agentx must say the same. */
  readonly agentx: string
  /** Who owns the Unix socket: snmpd's user, which must not be root, and our group; absent: whoever starts snmpd. */
  readonly agentxOwner?: { readonly user: string; readonly group: string }
  /** Where snmpd listens, over UDP. */
  readonly listen: readonly { readonly address: string; readonly port: number }[]
  /** Who is told of alarms. */
  readonly targets?: readonly SnmpTarget[]
  /** sysContact, sysLocation and sysName of RFC 3418. */
  readonly system?: { readonly contact?: string; readonly location?: string; readonly name?: string }
}

export interface SnmpUser {
  readonly name: string
  readonly auth: { readonly protocol: SnmpAuthProtocol; readonly password: string }
  readonly priv: { readonly protocol: SnmpPrivProtocol; readonly password: string }
}

export interface SnmpCommunity {
  readonly community: string
  /** Who may use it: an address or a network, `192.0.2.0/24`. */
  readonly source: string
}

export interface SnmpTarget {
  readonly host: string
  readonly port: number
  /** An inform is sent again until it is acknowledged; a trap is sent once. */
  readonly kind: 'trap' | 'inform'
  /** The name of one of the users, who signs it. */
  readonly user: string
}

/** MD5 and DES are not offered: both are broken. SHA is SHA-1, for monitors that know no other. */
export const SNMP_AUTH_PROTOCOLS = ['SHA-256', 'SHA-384', 'SHA-512', 'SHA-224', 'SHA'] as const
export const SNMP_PRIV_PROTOCOLS = ['AES', 'AES-192', 'AES-256'] as const
export type SnmpAuthProtocol = (typeof SNMP_AUTH_PROTOCOLS)[number]
export type SnmpPrivProtocol = (typeof SNMP_PRIV_PROTOCOLS)[number]

/**
 * What snmpd is started with beside its settings: its `mta_sendmail` answers for MTA-MIB and reads sendmail's queue, so
 * it must be off or our rows are never seen; `smux` is an older way to what AgentX is for.
 */
export const SNMPD_MODULES_OFF = '-smux,mta_sendmail'

export type SnmpdConf =
  | { readonly kind: 'conf'; readonly text: string }
  /** A sentence for each mistake. */
  | { readonly kind: 'wrong'; readonly problems: readonly string[] }

/** RFC 3414 section 11.2. */
export const SNMP_PASSWORD_CHARS_MIN = 8
/** snmpd cuts a line of its settings at 1024 octets or so; two passwords, quoted, have to fit. */
const PASSWORD_CHARS_MAX = 128
/** RFC 3414 section 5, usmUserName. */
const NAME_CHARS_MAX = 32
/** More people than look after one box. */
const USERS_MAX = 50
const LINES_MAX = 50
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/
/** Sent again every five seconds, five times: a monitor that is restarted still hears of it. */
const INFORM = '-Ci -t 5 -r 5 '
/** What can stand in quotes on one line. */
const PRINTABLE = /^[\x20-\x7e]+$/
const HOST = /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$/

/**
 * What whoever asks may see: the standard objects, UCD-SNMP-MIB (load, memory) and ours. Left out are the tables of users
 * and views (below 1.3.6.1.6.3), and the arguments of all programs on the box (hrSWRunParameters of RFC 2790).
 */
const VIEW = [
  'view postern included .1.3.6.1.2.1',
  'view postern excluded .1.3.6.1.2.1.25.4.2.1.5',
  'view postern included .1.3.6.1.4.1.2021',
  'view postern included .1.3.6.1.4.1.8072.9999.9999',
  'view postern included .1.3.6.1.6.3.10.2.1',
]

/** Writes snmpd.conf; nothing of it where anything is wrong. Pure. The text holds passwords: mode 0600. */
export function snmpdConf(options: SnmpdOptions): SnmpdConf {
  const problems = problemsOf(options)
  if (problems.length > 0) return { kind: 'wrong', problems }
  const { users, v2c = [], listen, agentx, targets = [], system = {} } = options
  const { agentxOwner: owner } = options
  const lines = [
    '# snmpd.conf(5), made by Postern: docs/snmp.md. It holds passwords.',
    `# snmpd is to be started with -I ${SNMPD_MODULES_OFF}`,
    `agentAddress ${listen.map(transport).join(',')}`,
    '',
    'master agentx',
    `agentXSocket ${agentx}`,
    // Only the socket is handed over: its folder must let its group in.
    ...(agentx.startsWith('/')
      ? [`agentXPerms 0660 0755${owner === undefined ? '' : ` ${owner.user} ${owner.group}`}`]
      : []),
    '# Seconds until a row that does not come is given up, and how often it is asked for again.',
    'agentXTimeout 5',
    'agentXRetries 1',
    '',
    '# RFC 3418: applications (64) and end-to-end (8).',
    'sysServices 72',
    ...(system.contact === undefined ? [] : [`sysContact ${system.contact}`]),
    ...(system.location === undefined ? [] : [`sysLocation ${system.location}`]),
    ...(system.name === undefined ? [] : [`sysName ${system.name}`]),
    '',
    ...VIEW,
    '',
    ...users.flatMap((user) => [
      `createUser ${user.name} ${secrets(user, 'createUser')}`,
      `rouser -s usm ${user.name} priv -V postern`,
    ]),
    ...v2c.map(
      ({ community, source }) =>
        `${source.includes(':') ? 'rocommunity6' : 'rocommunity'} ${quoted(community)} ${source} -V postern`,
    ),
    '',
    ...targets.flatMap((target) => targetLine(target, users)),
  ]
  return { kind: 'conf', text: `${lines.join('\n')}\n` }
}

function secrets({ auth, priv }: SnmpUser, form: 'createUser' | 'options'): string {
  return form === 'createUser'
    ? `${auth.protocol} ${quoted(auth.password)} ${priv.protocol} ${quoted(priv.password)}`
    : `-a ${auth.protocol} -A ${quoted(auth.password)} -x ${priv.protocol} -X ${quoted(priv.password)}`
}

function targetLine({ host, port, kind, user: name }: SnmpTarget, users: readonly SnmpUser[]) {
  const user = users.find((one) => one.name === name)
  if (user === undefined) return []
  const inform = kind === 'inform' ? INFORM : ''
  const where = transport({ address: host, port })
  return [`trapsess ${inform}-v 3 -l authPriv -u ${name} ${secrets(user, 'options')} ${where}`]
}

function transport({ address, port }: { readonly address: string; readonly port: number }): string {
  return isIP(address) === 6 ? `udp6:[${address}]:${port}` : `udp:${address}:${port}`
}

/** As snmp_config(5) reads a word in quotes. */
function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`
}

function problemsOf(options: SnmpdOptions): readonly string[] {
  const { users, v2c = [], listen, targets = [], system = {} } = options
  const names = users.map(({ name }) => name)
  return [
    ...(users.length === 0 && v2c.length === 0 ? ['There is no user: nobody could ask.'] : []),
    ...(users.length > USERS_MAX ? [`There are more than ${USERS_MAX} users.`] : []),
    ...(Math.max(v2c.length, listen.length, targets.length) > LINES_MAX
      ? [`There are more than ${LINES_MAX} addresses, communities or targets.`]
      : []),
    ...(listen.length === 0 ? ['There is no address to listen on.'] : []),
    ...names.filter((name, i) => names.indexOf(name) < i).map((name) => `There are two users "${name}".`),
    ...users.flatMap(userProblems),
    ...v2c.flatMap(communityProblems),
    ...socketProblems(options),
    ...listen.flatMap(({ address, port }) =>
      isIP(address) > 0 && isPort(port) ? [] : [`"${address}" port ${port} is no address to listen on.`],
    ),
    ...targets.flatMap((target) => targetProblems(target, names)),
    ...Object.entries(system).flatMap(([name, text]) =>
      text === '' || (PRINTABLE.test(text) && text.length <= 255)
        ? []
        : [`The ${name} of the system must be one line of at most 255 ASCII characters.`],
    ),
  ]
}

function socketProblems({ agentx, agentxOwner: owner }: SnmpdOptions): readonly string[] {
  const isSocket = /^\/[\w./-]{1,106}$/.test(agentx) || /^tcp:127\.\d+\.\d+\.\d+:\d{1,5}$/.test(agentx)
  return [
    ...(isSocket ? [] : [`"${agentx}" is neither the path of a socket nor tcp:127.0.0.1:PORT.`]),
    ...[owner?.user, owner?.group]
      .filter((name) => name !== undefined && !NAME.test(name))
      .map((name) => `"${printable(name ?? '')}" is no name of a user or group.`),
  ]
}

function userProblems({ name, auth, priv }: SnmpUser): readonly string[] {
  const problems: string[] = []
  if (!NAME.test(name) || name.length > NAME_CHARS_MAX)
    problems.push(
      `"${printable(name)}" is no name: letters, digits and . _ - only, ${NAME_CHARS_MAX} at most.`,
    )
  for (const [what, { password }] of [['auth', auth] as const, ['priv', priv] as const]) {
    if (password.length < SNMP_PASSWORD_CHARS_MIN)
      problems.push(
        `The ${what} password of "${printable(name)}" is shorter than ${SNMP_PASSWORD_CHARS_MIN} characters.`,
      )
    else if (!PRINTABLE.test(password) || password.length > PASSWORD_CHARS_MAX)
      problems.push(
        `The ${what} password of "${printable(name)}" must be ASCII of at most ${PASSWORD_CHARS_MAX} characters.`,
      )
  }
  if (!SNMP_AUTH_PROTOCOLS.includes(auth.protocol))
    problems.push(`"${printable(auth.protocol)}" is none of ${SNMP_AUTH_PROTOCOLS.join(', ')}.`)
  if (!SNMP_PRIV_PROTOCOLS.includes(priv.protocol))
    problems.push(`"${printable(priv.protocol)}" is none of ${SNMP_PRIV_PROTOCOLS.join(', ')}.`)
  return problems
}

function communityProblems({ community, source }: SnmpCommunity): readonly string[] {
  const [address = '', bits] = source.split('/')
  const most = isIP(address) === 6 ? 128 : 32
  const isSource =
    isIP(address) > 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most))
  return [
    ...(NAME.test(community) && community.length <= NAME_CHARS_MAX
      ? []
      : ['A community must have letters, digits and . _ - only, 32 at most.']),
    ...(isSource ? [] : [`"${printable(source)}" is neither an address nor a network.`]),
  ]
}

function targetProblems({ host, port, user }: SnmpTarget, names: readonly string[]): readonly string[] {
  return [
    ...(isIP(host) > 0 || HOST.test(host) ? [] : [`"${printable(host)}" is no host to send to.`]),
    ...(isPort(port) ? [] : [`${port} is no port to send to.`]),
    ...(names.includes(user) ? [] : [`There is no user "${printable(user)}" to sign what is sent.`]),
  ]
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port > 0 && port <= 65_535
}

/** What somebody wrote, in a sentence of ours. */
function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 64)
}
