import { isIP } from 'node:net'
import type { CommandAnswer, Commands } from '#src/appliance/commands.ts'
import { refused } from '#src/appliance/commands.ts'
import type { Keeper } from './keeper.ts'
import type { Source } from './sources.ts'

/** Commands that tell and change how the box is set up: what the console asks for. */
export function provisionCommands(keeper: Keeper, stick: string): Commands {
  const inTurn = turns()
  const set =
    (toToml: (words: readonly string[]) => string | undefined, usage: string) => (words: readonly string[]) =>
      inTurn(async () => {
        const toml = toToml(words)
        return toml === undefined ? refused(usage) : await change(keeper, toml)
      })
  return {
    network: () => Promise.resolve({ ok: true, lines: setUpLines(keeper) }),
    'network-set': set(
      networkToml,
      'wanted: an interface, then dhcp, or addresses with prefixes and routers',
    ),
    'dns-set': set(listToml('dns', 'servers'), 'wanted: addresses of resolvers'),
    'time-set': set(listToml('time', 'servers'), 'wanted: names of time servers'),
    'hostname-set': set(([name = '', more]) => {
      return more === undefined ? `[system]\nhostname = ${quoted(name)}\n` : undefined
    }, 'wanted: one name'),
    'ldap-set': set(
      ldapToml,
      'wanted: addresses parted by commas, a name or -, a password or -, yes or no for StartTLS',
    ),
    'mail-set': set(([server = '', more]) => {
      return more === undefined ? `[mail]\nlmtp = ${server === '-' ? 'false' : quoted(server)}\n` : undefined
    }, 'wanted: one host with its port'),
    'setup-done': () => inTurn(() => open(keeper)),
    provision: () => inTurn(() => takeStick(keeper, { kind: 'usb', folder: stick })),
  }
}

/** One change after another: each begins with what the one before has kept. */
function turns(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return <T>(work: () => Promise<T>) => {
    const next = last.then(work, work)
    last = next
    return next
  }
}

async function change(keeper: Keeper, toml: string): Promise<CommandAnswer> {
  const { wrong, changed, troubles } = await keeper.change(toml)
  if (wrong !== '') return refused(wrong)
  if (troubles.length > 0) return refused(`it is kept, but: ${troubles.join(' ')}`)
  return { ok: true, text: changed.length === 0 ? 'It was so already.' : `Done: ${changed.join(', ')}.` }
}

/** The console has a password now, by which it lets nobody else in: so the network may be served. */
async function open(keeper: Keeper): Promise<CommandAnswer> {
  if (!keeper.isOpen)
    return refused('the console has no password yet: nothing is opened to the network before')
  const troubles = await keeper.make()
  return troubles.length > 0
    ? refused(troubles.join(' '))
    : { ok: true, text: 'The box is set up, and takes mail as soon as Postern has started.' }
}

async function takeStick(keeper: Keeper, source: Source): Promise<CommandAnswer> {
  const outcome = await keeper.take(source)
  if (outcome === undefined) return refused('there is no file postern.provision on the stick')
  const { kind, text, problems } = outcome
  return kind === 'wrong' ? refused([text, ...problems].join(' ')) : { ok: true, text }
}

function networkToml([name = '', ...rest]: readonly string[]): string | undefined {
  if (name === '' || rest.length === 0) return undefined
  const addresses = rest.filter((word) => word.includes('/'))
  const gateways = rest.filter((word) => isIP(word) !== 0)
  const others = rest.filter((word) => !addresses.includes(word) && !gateways.includes(word))
  const keys = others.map((word) => NETWORK_WORDS.get(word))
  if (keys.includes(undefined)) return undefined
  return [
    `[network.${quoted(name)}]`,
    ...keys,
    ...(addresses.length === 0 ? [] : [`addresses = ${list(addresses)}`]),
    ...(gateways.length === 0 ? [] : [`gateway = ${list(gateways)}`]),
    '',
  ].join('\n')
}

const NETWORK_WORDS: ReadonlyMap<string, string> = new Map([
  ['dhcp', 'dhcp = true'],
  ['accept-ra', 'ipv6 = "accept-ra"'],
  ['no-ipv6', 'ipv6 = "off"'],
])

function listToml(section: string, key: string): (words: readonly string[]) => string | undefined {
  return (words) => (words.length === 0 ? undefined : `[${section}]\n${key} = ${list(words)}\n`)
}

/** `-` stands for none. */
function ldapToml([urls = '', name = '-', password = '-', tls = 'yes', more]: readonly string[]):
  | string
  | undefined {
  if (urls === '' || more !== undefined || !['yes', 'no'].includes(tls)) return undefined
  if (urls === '-')
    return '[ldap]\nurls = false\nbind_dn = false\npassword = false\nca = false\nbase = false\nserver = false\n'
  return [
    '[ldap]',
    `urls = ${list(urls.split(',').map((url) => url.trim()))}`,
    `starttls = ${tls === 'yes'}`,
    `bind_dn = ${name === '-' ? 'false' : quoted(name)}`,
    `password = ${password === '-' ? 'false' : quoted(password)}`,
    '',
  ].join('\n')
}

function list(words: readonly string[]): string {
  return `[${words.map(quoted).join(', ')}]`
}

/** A string of TOML; DEL is the one that JSON leaves as it is and TOML does not take. */
function quoted(word: string): string {
  return JSON.stringify(word).replaceAll('\u007f', '\\u007f')
}

function setUpLines({ settings, isOpen, outcomes }: Keeper): readonly string[] {
  const { system, network, dns, time, ldap, mail, snmp, health } = settings
  return [
    isOpen
      ? 'Set up: the console has a password, and the network is served.'
      : 'NOT SET UP: nothing listens to the network before the console has a password.',
    `Name: ${system.hostname === '' ? 'none was given' : system.hostname}`,
    ...(network.length === 0 ? ['Addresses: DHCP and IPv6 advertisements on each interface'] : []),
    ...network.map(
      ({ name, dhcp, addresses, gateways, ipv6 }) =>
        `${name}: ${said([...(dhcp ? ['DHCP'] : []), ...addresses], 'no address of its own')}` +
        `${gateways.length === 0 ? '' : `, router ${gateways.join(' and ')}`}, IPv6 ${ipv6}`,
    ),
    `Resolver: this machine's own, which asks ${said(dns.servers, 'the servers of each domain')}`,
    `Time: ${said([...time.servers, ...time.nts.map((one) => `${one} (NTS)`)], "Debian's pool")}`,
    `Directory: ${ldap === undefined ? 'embedded' : ldap.urls.join(', ')}`,
    `Mail goes to: ${mail.lmtp === '' ? 'the embedded mailboxes' : mail.lmtp}`,
    `Health: ${health.listen === undefined ? 'on this machine only' : `${health.listen.address} port ${health.listen.port}`}`,
    `SNMP: ${said([...snmp.users.map(({ name }) => name), ...(snmp.community === '' ? [] : ['v2c'])], 'off')}`,
    ...outcomes.flatMap(({ text, problems }) => [text, ...problems]),
  ]
}

function said(texts: readonly string[], otherwise: string): string {
  return texts.length === 0 ? otherwise : texts.join(', ')
}
