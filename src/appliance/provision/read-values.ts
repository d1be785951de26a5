import { X509Certificate, createPublicKey } from 'node:crypto'
import { BlockList, isIP } from 'node:net'
import { errorText } from '#src/base/fault.ts'
import type { Table } from '#src/config/reader.ts'

/** What a list of texts may hold. */
export interface ListRule {
  readonly most: number
  readonly fits: (text: string) => boolean
  /** Behind "must be a list of N at most". */
  readonly means: string
}

/** A list of texts; what is wrong with it is told, and what can be used comes back. */
export function readTexts(table: Table, key: string, { most, fits, means }: ListRule): readonly string[] {
  const given = table.raw(key)
  if (given === undefined) return []
  const list: readonly unknown[] = Array.isArray(given) ? given : [given]
  const texts = list.filter((one) => typeof one === 'string')
  if (list.length > most || texts.length < list.length || !texts.every(fits))
    table.wrong(key, `must be a list of ${most} at most, of ${means}`)
  else if (new Set(texts).size < texts.length) table.wrong(key, 'has the same thing twice')
  return texts.filter(fits)
}

/** Longer than any name or password in use. */
const TEXT_CHARS_MAX = 1024

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u001f\u007f]/

/** Whether it can stand in one line of any file. */
export function isLine(text: string): boolean {
  return text.length <= TEXT_CHARS_MAX && !CONTROL.test(text)
}

function isNothing(value: unknown): boolean {
  return value === undefined || value === ''
}

/** A text of one line; '' where the key is absent or says nothing. The text itself is never told: it may be a secret. */
export function readLine(table: Table, key: string): string {
  if (isNothing(table.raw(key))) return ''
  const text = table.text(key, '')
  if (isLine(text)) return text
  table.wrong(key, `must be one line of ${TEXT_CHARS_MAX} characters at most`)
  return ''
}

/** A name that the DNS could have, of one label or more. */
export function isHostName(text: string): boolean {
  return (
    text.length <= 253 &&
    text.split('.').every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(label))
  )
}

export function isHost(text: string): boolean {
  return isIP(text) !== 0 || (isHostName(text) && /[a-z]/i.test(text))
}

export interface Prefix {
  readonly address: string
  readonly length: number
  readonly family: 4 | 6
}

/** `192.0.2.5/24`, `2001:db8::5/64`; undefined for anything else. */
export function parsePrefix(text: string): Prefix | undefined {
  const match = /^([0-9A-Fa-f:.]+)\/(\d{1,3})$/.exec(text)
  const address = match?.[1] ?? ''
  const length = Number(match?.[2])
  const family = isIP(address)
  if (family !== 4 && family !== 6) return undefined
  return length >= 1 && length <= (family === 4 ? 32 : 128) ? { address, length, family } : undefined
}

/** Whether the address is in the network of the prefix. */
export function isWithin(address: string, prefix: Prefix): boolean {
  if (isIP(address) !== prefix.family) return false
  const type = prefix.family === 4 ? 'ipv4' : 'ipv6'
  const list = new BlockList()
  list.addSubnet(prefix.address, prefix.length, type)
  return list.check(address, type)
}

/** Of all certificates or keys together; those of the largest public list are half of that. */
const PEM_CHARS_MAX = 524_288

/** A text of certificates in PEM; '' where the key is absent. */
export function readCertificates(table: Table, key: string): string {
  return readPem(table, key, 'CERTIFICATE', (block) => new X509Certificate(block).subject)
}

/** A text of public Ed25519 keys in PEM; '' where the key is absent. */
export function readPublicKeys(table: Table, key: string): string {
  return readPem(table, key, 'PUBLIC KEY', (block) => {
    const type = createPublicKey(block).asymmetricKeyType
    if (type !== 'ed25519') throw new Error(`it is of the type ${String(type)}, and must be Ed25519`)
    return type
  })
}

/** The blocks of one kind in a PEM text. */
export function pemBlocks(text: string, kind: string): readonly string[] {
  return text.match(new RegExp(`-----BEGIN ${kind}-----[^-]*-----END ${kind}-----`, 'g')) ?? []
}

function readPem(table: Table, key: string, kind: string, look: (block: string) => string): string {
  if (isNothing(table.raw(key))) return ''
  const text = table.text(key, '')
  // What is no text was told.
  if (text === '') return ''
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    table.wrong(key, 'holds a private key, which has no place here: take it out, and think of it as known')
    return ''
  }
  const blocks = pemBlocks(text, kind)
  if (text.length > PEM_CHARS_MAX || blocks.length === 0) {
    table.wrong(
      key,
      `must be a PEM text with -----BEGIN ${kind}----- and its end, or the name of a file beside this one`,
    )
    return ''
  }
  for (const [at, block] of blocks.entries()) {
    try {
      look(block)
    } catch (error) {
      table.wrong(key, `number ${at + 1} in it cannot be read: ${errorText(error)}`)
    }
  }
  return `${blocks.join('\n')}\n`
}
