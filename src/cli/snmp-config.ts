import { randomBytes } from 'node:crypto'
import { snmpdConf } from '#src/admin/snmpd-conf.ts'
import type { SnmpTarget, SnmpUser } from '#src/admin/snmpd-conf.ts'
import { AGENTX_SOCKET } from '#src/config/snmp.ts'
import { readOptions } from './options.ts'
import { print } from './output.ts'
import { CommandError, UsageError } from './usage.ts'

const SNMP_PORT = 161
const TRAP_PORT = 162
/** 144 bits in base64url, which needs no quotes in any tool. */
const PASSWORD_BYTES = 18

/**
 * `postern snmp-config [--listen A,…] [--agentx SOCKET] [--inform|--trap HOST,…] [--v2c NAME --from NET] USER…`: prints an
 * snmpd.conf for Debian's snmpd, with new passwords at random. It changes nothing and is the only place where they are.
 */
export async function snmpConfig(args: readonly string[]): Promise<number> {
  const options = readOptions(
    args,
    [],
    ['listen', 'agentx', 'inform', 'trap', 'v2c', 'from', 'contact', 'location'],
  )
  const users = options.words.map(newUser)
  const [first] = users
  if (first === undefined) throw new UsageError('name at least one user: "postern snmp-config monitor"')
  const v2c = options.values.get('v2c')
  const source = options.values.get('from')
  if ((v2c === undefined) !== (source === undefined))
    throw new UsageError('--v2c NAME and --from NETWORK go together')
  const contact = options.values.get('contact')
  const location = options.values.get('location')
  const made = snmpdConf({
    users,
    v2c: v2c === undefined || source === undefined ? [] : [{ community: v2c, source }],
    agentx: options.values.get('agentx') ?? AGENTX_SOCKET,
    // Debian's unit starts snmpd as root, which opens the socket and becomes this user.
    agentxOwner: { user: 'Debian-snmp', group: 'postern-health' },
    listen: wordsOf(options.values.get('listen') ?? '127.0.0.1').map((word) => placeOf(word, SNMP_PORT)),
    targets: [
      ...targetsOf('inform', options.values.get('inform'), first),
      ...targetsOf('trap', options.values.get('trap'), first),
    ],
    system: {
      ...(contact === undefined ? {} : { contact }),
      ...(location === undefined ? {} : { location }),
    },
  })
  if (made.kind === 'wrong') throw new CommandError(made.problems.join('\n'))
  await print([made.text])
  return 0
}

function newUser(name: string): SnmpUser {
  return {
    name,
    auth: { protocol: 'SHA-256', password: newPassword() },
    priv: { protocol: 'AES', password: newPassword() },
  }
}

function newPassword(): string {
  return randomBytes(PASSWORD_BYTES).toString('base64url')
}

function targetsOf(kind: SnmpTarget['kind'], hosts: string | undefined, { name: user }: SnmpUser) {
  return wordsOf(hosts ?? '').map((word): SnmpTarget => {
    const { address: host, port } = placeOf(word, TRAP_PORT)
    return { host, port, kind, user }
  })
}

function wordsOf(list: string): readonly string[] {
  return list
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
}

/** `192.0.2.1`, `192.0.2.1:161`, `[2001:db8::1]:161`, `2001:db8::1`. */
function placeOf(word: string, usual: number): { readonly address: string; readonly port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(word)
  if (match === null) return { address: word, port: usual }
  return { address: match[1] ?? match[2] ?? '', port: Number(match[3] ?? usual) }
}
