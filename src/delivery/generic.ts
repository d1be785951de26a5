import { lookUp } from './routing/tables.ts'
import { withoutExtension } from './routing/transport.ts'
import type { BodySource, DeliveryRequest } from '#src/queue/ports.ts'
import type { Table } from './table.ts'

/** What generic(5) goes by: addresses of this network that mean nothing outside become others on their way out. */
export interface GenericRules {
  /** smtp_generic_maps (zimbraMtaSmtpGenericMaps), in their order. */
  readonly tables: readonly Table[]
  /** myhostname: a table may have its users without domain. */
  readonly ownName: string
  /** recipient_delimiter. */
  readonly delimiters: string
}

/** Octets of a header section that are rewritten: Postfix's header_size_limit. What is beyond goes as it is. */
const HEADER_BYTES_MAX = 102_400

/** Fields that hold addresses, of senders and of recipients, as Postfix's header_opts has them. */
const FIELDS =
  /^(?:(?:Resent-)?(?:From|Sender|Reply-To|To|Cc|Bcc)|Errors-To|Return-Receipt-To|Disposition-Notification-To|Apparently-To)[ \t]*:/i

/** Quoted strings and comments, which stay, and addresses, which may change. */
const TOKENS = /"(?:[^"\\]|\\.)*"|\((?:[^()\\]|\\.)*\)|[\w!#$%&'*+/=?^`{|}~.-]+@[\w.-]+/gs

/**
 * The address that one becomes: by itself, without extension, for addresses of this host without domain, by its domain
 * as `@domain`. A value that is `@other` changes the domain alone. Not repeated; undefined for no change.
 */
export function genericAddress(address: string, rules: GenericRules): string | undefined {
  const at = address.lastIndexOf('@')
  if (at <= 0) return undefined
  const local = address.slice(0, at)
  const domain = address.slice(at + 1).toLowerCase()
  const bare = withoutExtension(local.toLowerCase(), rules.delimiters)
  const own = domain === rules.ownName ? [local.toLowerCase(), bare] : []
  const keys = new Set([`${local.toLowerCase()}@${domain}`, `${bare}@${domain}`, ...own, `@${domain}`])
  for (const key of keys) {
    const found = lookUp(rules.tables, key)
    if (found.kind !== 'found') continue
    return found.value.startsWith('@') ? `${local}${found.value}` : found.value
  }
  return undefined
}

/**
 * A request as the next hop is told of it: sender, recipients and the addresses in the header rewritten, the body
 * itself not touched. The places of the recipients stay.
 */
export function genericRequest(request: DeliveryRequest, rules: GenericRules): DeliveryRequest {
  const { message, body } = request
  const sender = genericAddress(message.sender, rules) ?? message.sender
  const recipients = request.recipients.map((recipient) => {
    const address = genericAddress(recipient.address, rules)
    return address === undefined ? recipient : { ...recipient, address }
  })
  const become = (address: string) => genericAddress(address, rules)
  return withHeaderAddresses({ ...request, message: { ...message, sender }, recipients, body }, become)
}

/** What one address of a header becomes; undefined for no change. */
export type Becomes = (address: string) => string | undefined

/** A request with the addresses in its header rewritten: those of the fields that hold senders and recipients. */
export function withHeaderAddresses(request: DeliveryRequest, become: Becomes): DeliveryRequest {
  const { message, body } = request
  const prefix = rewriteHeader(message.prefix, become)
  const rewritten: BodySource = { length: body.length, blocks: () => rewriteBlocks(body, become) }
  return { ...request, message: { ...message, prefix }, body: rewritten }
}

async function* rewriteBlocks(body: BodySource, become: Becomes): AsyncGenerator<Uint8Array> {
  let head: Buffer | undefined = Buffer.alloc(0)
  for await (const block of body.blocks()) {
    if (head === undefined) {
      yield block
      continue
    }
    head = Buffer.concat([head, block])
    const end = headerEnd(head)
    if (end < 0 && head.length <= HEADER_BYTES_MAX) continue
    yield* split(head, end < 0 ? head.lastIndexOf('\n') + 1 : end, become)
    head = undefined
  }
  if (head !== undefined) yield* split(head, head.length, become)
}

function* split(head: Buffer, end: number, become: Becomes): Generator<Buffer> {
  yield Buffer.from(rewriteHeader(head.toString('latin1', 0, end), become), 'latin1')
  if (end < head.length) yield head.subarray(end)
}

/** Where the empty line after the header begins; -1 where it has not come yet. */
function headerEnd(bytes: Buffer): number {
  const text = bytes.toString('latin1', 0, Math.min(bytes.length, HEADER_BYTES_MAX))
  const match = /(?:^|\n)\r?\n/.exec(text)
  return match === null ? -1 : match.index + (match[0].startsWith('\n') && match.index > 0 ? 1 : 0)
}

/** Each field with its folded lines is looked at as a whole. */
function rewriteHeader(text: string, become: Becomes): string {
  return text.replaceAll(/^[^ \t\r\n][^\n]*\n(?:[ \t][^\n]*\n)*/gm, (field) =>
    FIELDS.test(field) ? rewriteField(field, become) : field,
  )
}

function rewriteField(field: string, become: Becomes): string {
  const colon = field.indexOf(':') + 1
  const value = field.slice(colon).replaceAll(TOKENS, (token) => {
    const isAddress = !token.startsWith('"') && !token.startsWith('(')
    return isAddress ? (become(token) ?? token) : token
  })
  return field.slice(0, colon) + value
}
