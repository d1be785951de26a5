import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Appliance } from '#src/console/appliance.ts'
import type { Desk, Page } from '#src/console/desk.ts'
import type { Canvas } from '#src/console/grid.ts'
import { linesOf, NO_IMAGE, textOf } from '#src/console/image.ts'
import type { Image } from '#src/console/image.ts'
import type { ImageCommand } from '#src/admin/image-commands.ts'
import type { Key } from '#src/console/keys.ts'
import { Pager } from '#src/console/pager.ts'
import { wrap } from '#src/console/text.ts'
import { resolversOf } from '#src/admin/resolvers.ts'

export interface NetworkDeps {
  readonly appliance: Appliance
  readonly image: Image
  readonly desk: Desk
}

const WIDTH = 79

/** How the network is set up; on the appliance image it is changed here too. */
export class NetworkPage implements Page {
  readonly title = 'Network'
  readonly open = false
  readonly help = [
    'Addresses, routers and resolvers of this machine.',
    '',
    'On the appliance image:',
    'a  address of an interface: DHCP, or an address with its prefix (192.0.2.5/24) and a router',
    'd  resolvers      t  time servers      n  the name of this machine',
    'A change that cuts off whoever makes it over the network is seen here first: ask twice.',
    '',
    'Elsewhere this page only shows; the system that Postern runs on has its own means.',
  ]
  readonly #deps: NetworkDeps
  readonly #pager = new Pager()

  constructor(deps: NetworkDeps) {
    this.#deps = deps
  }

  get keys(): string {
    return this.#deps.image.isThere
      ? 'a address  d resolvers  t time servers  n host name  ? help'
      : 'Arrows move  ? help  (nothing is set here: no appliance image)'
  }

  async enter(): Promise<void> {
    const { appliance, image, desk } = this.#deps
    const own = [...interfaceLines(), '', ...routeLines(), `Resolvers: ${resolversOf(appliance.config).text}`]
    const told = image.isThere
      ? await desk.work('asking', async () => linesOf(await image.ask('network')))
      : [NO_IMAGE]
    this.#pager.set([...own, '', ...(told ?? [])].flatMap((line) => wrap(line, WIDTH)))
  }

  draw(canvas: Canvas): void {
    this.#pager.draw(canvas)
  }

  async press(key: Key): Promise<void> {
    if (this.#pager.press(key) || key.kind !== 'char' || !this.#deps.image.isThere) return
    if (key.char === 'a') await this.#address()
    else if (key.char === 'd') await this.#list('dns-set', 'Resolvers (addresses):', isAddress)
    else if (key.char === 't') await this.#list('time-set', 'Time servers:', isName)
    else if (key.char === 'n') await this.#list('hostname-set', 'Name of this machine:', isName)
  }

  async #address(): Promise<void> {
    const { desk } = this.#deps
    const first = Object.keys(networkInterfaces()).find((name) => name !== 'lo') ?? 'eth0'
    const name = await desk.ask('Interface:', { initial: first })
    if (name === undefined) return
    const address = await desk.ask('Address with prefix (192.0.2.5/24), or dhcp:', { initial: 'dhcp' })
    if (address === undefined) return
    if (address !== 'dhcp' && !isPrefix(address)) {
      desk.say(`"${address}" is no address with its prefix, such as 192.0.2.5/24 or 2001:db8::5/64.`)
      return
    }
    const router = address === 'dhcp' ? '' : await desk.ask('Router (empty for none):')
    if (router === undefined) return
    if (router !== '' && isIP(router) === 0) desk.say(`"${router}" is no address.`)
    else await this.#set('network-set', [name, address, ...(router === '' ? [] : [router])])
  }

  async #list(command: ImageCommand, question: string, isRight: (word: string) => boolean): Promise<void> {
    const { desk } = this.#deps
    const text = await desk.ask(question)
    if (text === undefined) return
    const words = text.split(/[,\s]+/).filter((word) => word !== '')
    const wrong = words.find((word) => !isRight(word))
    if (wrong !== undefined || words.length === 0) desk.say(`"${wrong ?? ''}" cannot be used.`)
    else await this.#set(command, words)
  }

  async #set(command: ImageCommand, words: readonly string[]): Promise<void> {
    const { image, desk } = this.#deps
    if (!(await desk.confirm(`Set ${words.join(' ')}?`))) return
    const answer = await desk.work('setting', () => image.ask(command, words))
    if (answer === undefined) return
    await this.enter()
    desk.say(textOf(answer, 'Done.'))
  }
}

function isAddress(word: string): boolean {
  return isIP(word) !== 0
}

function isName(word: string): boolean {
  return isAddress(word) || /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i.test(word)
}

/** An address with the length of its prefix. */
export function isPrefix(text: string): boolean {
  const [address = '', length = '', more] = text.split('/')
  const family = isIP(address)
  if (family === 0 || more !== undefined || !/^\d{1,3}$/.test(length)) return false
  return Number(length) >= 1 && Number(length) <= (family === 6 ? 128 : 32)
}

function interfaceLines(): readonly string[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    [`${name}  ${addresses[0]?.mac ?? ''}`].concat(
      addresses.map(({ cidr, address }) => `    ${cidr ?? address}`),
    ),
  )
}

/** The routers that /proc names: IPv4 in its odd order of octets, IPv6 in hexadecimal. */
function routeLines(): readonly string[] {
  const four = procLines('/proc/net/route').flatMap(([name, to, router = '']) =>
    to === '00000000' && router !== '00000000'
      ? [`Router: ${octets(router).toReversed().join('.')} on ${name}`]
      : [],
  )
  const six = procLines('/proc/net/ipv6_route').flatMap((fields) => {
    const [to, length, , , router = ''] = fields
    const isDefault = to === '0'.repeat(32) && length === '00' && router !== '0'.repeat(32)
    return isDefault ? [`Router: ${(router.match(/.{4}/g) ?? []).join(':')} on ${fields.at(-1) ?? ''}`] : []
  })
  return [...four, ...six]
}

function octets(hex: string): readonly number[] {
  return (hex.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16))
}

function procLines(file: string): readonly (readonly string[])[] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
  } catch {
    // A kernel without that family.
    return []
  }
}
