import { decodeUnicodeXtext, decodeXtext, encodeXtext } from '#src/mail/xtext.ts'
import type { Notify } from '#src/queue/types.ts'
import type { Reply } from '#src/base/reply.ts'
import { duplicateOption, REPLY, unsupportedOption } from './replies.ts'

/** RFC 3461 section 4.4. */
const ENVID_MAX = 100
/** RFC 3461 section 4.2. */
const ORCPT_MAX = 500
/** RFC 1870 section 4: up to twenty digits. */
const SIZE_DIGITS = /^[0-9]{1,20}$/
const NOTIFY_VALUES: ReadonlySet<string> = new Set(['NEVER', 'SUCCESS', 'FAILURE', 'DELAY'])
/** RFC 3461 section 4.2: addr-type is an atom. */
const ORCPT_FORM = /^([A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+);(.+)$/su

export interface MailParameters {
  /** RFC 1870; 0 where the client did not say. */
  readonly sizeBytes: number
  /** RFC 6152. */
  readonly eightBit: boolean
  /** RFC 6531. */
  readonly smtpUtf8: boolean
  /** RFC 3461 section 4.3. */
  readonly ret: '' | 'FULL' | 'HDRS'
  /** RFC 3461 section 4.4, in xtext. */
  readonly envid: string
  /**
   * RFC 4954 section 5: the whole option, where the client said AUTH=; otherwise ''. Whom it names is checked for its
   * form and believed by nobody, which is what `AUTH=<>` means; it is not passed on.
   */
  readonly auth: string
  /** RFC 8689. */
  readonly requireTls: boolean
  /** RFC 6710 section 4: -9 to 9. */
  readonly priority: number
}

export interface RcptParameters {
  /** RFC 3461 section 4.1. */
  readonly notify: readonly Notify[]
  /** RFC 3461 section 4.2, `type;xtext`. */
  readonly orcpt: string
}

/** Either what the client said, or why it cannot stand. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reply: Reply }

const NO_MAIL_PARAMETERS: MailParameters = {
  sizeBytes: 0,
  eightBit: false,
  smtpUtf8: false,
  ret: '',
  envid: '',
  auth: '',
  requireTls: false,
  priority: 0,
}
const NO_RCPT_PARAMETERS: RcptParameters = { notify: [], orcpt: '' }
/** Nearly all mail has none: nothing is read and nothing made then. */
const NO_MAIL_PARAMETERS_READ: Parsed<MailParameters> = { ok: true, value: NO_MAIL_PARAMETERS }
const NO_RCPT_PARAMETERS_READ: Parsed<RcptParameters> = { ok: true, value: NO_RCPT_PARAMETERS }

/** A keyword's reader writes into the draft, or says what is wrong. */
type Reader<D> = (draft: D, value: string | undefined, option: string) => Reply | undefined
type Draft<T> = { -readonly [K in keyof T]: T[K] }

const MAIL_READERS: ReadonlyMap<string, Reader<Draft<MailParameters>>> = new Map([
  ['SIZE', readSize],
  ['BODY', readBody],
  ['SMTPUTF8', readSmtpUtf8],
  ['RET', readRet],
  ['ENVID', readEnvid],
  ['AUTH', readAuth],
  ['REQUIRETLS', readRequireTls],
  ['MT-PRIORITY', readPriority],
])
const RCPT_READERS: ReadonlyMap<string, Reader<Draft<RcptParameters>>> = new Map([
  ['NOTIFY', readNotify],
  ['ORCPT', readOrcpt],
])

/** Parameters of MAIL, `text` being everything behind the address. */
export function parseMailParameters(text: string): Parsed<MailParameters> {
  if (text === '') return NO_MAIL_PARAMETERS_READ
  const draft: Draft<MailParameters> = { ...NO_MAIL_PARAMETERS }
  const wrong = readAll(text, MAIL_READERS, draft)
  return wrong === undefined ? { ok: true, value: draft } : { ok: false, reply: wrong }
}

/** Parameters of RCPT, `text` being everything behind the address. */
export function parseRcptParameters(text: string): Parsed<RcptParameters> {
  if (text === '') return NO_RCPT_PARAMETERS_READ
  const draft: Draft<RcptParameters> = { ...NO_RCPT_PARAMETERS }
  const wrong = readAll(text, RCPT_READERS, draft)
  return wrong === undefined ? { ok: true, value: draft } : { ok: false, reply: wrong }
}

function readAll<D>(text: string, readers: ReadonlyMap<string, Reader<D>>, draft: D): Reply | undefined {
  const seen = new Set<string>()
  for (const option of text.split(/[ \t]+/)) {
    if (option === '') continue
    const equals = option.indexOf('=')
    const keyword = (equals < 0 ? option : option.slice(0, equals)).toUpperCase()
    const reader = readers.get(keyword)
    if (reader === undefined) return unsupportedOption(option)
    if (seen.has(keyword)) return duplicateOption(keyword)
    seen.add(keyword)
    const wrong = reader(draft, equals < 0 ? undefined : option.slice(equals + 1), option)
    if (wrong !== undefined) return wrong
  }
  return undefined
}

function readSize(
  draft: Draft<MailParameters>,
  value: string | undefined,
  option: string,
): Reply | undefined {
  if (value === undefined) return unsupportedOption(option)
  if (!SIZE_DIGITS.test(value)) return REPLY.badSize
  draft.sizeBytes = Number(value)
  return undefined
}

/** BINARYMIME (RFC 3030 section 3) is not offered. */
function readBody(
  draft: Draft<MailParameters>,
  value: string | undefined,
  option: string,
): Reply | undefined {
  const body = value?.toUpperCase()
  if (body !== '8BITMIME' && body !== '7BIT') return unsupportedOption(option)
  draft.eightBit = body === '8BITMIME'
  return undefined
}

function readSmtpUtf8(
  draft: Draft<MailParameters>,
  value: string | undefined,
  option: string,
): Reply | undefined {
  if (value !== undefined) return unsupportedOption(option)
  draft.smtpUtf8 = true
  return undefined
}

function readRequireTls(
  draft: Draft<MailParameters>,
  value: string | undefined,
  option: string,
): Reply | undefined {
  if (value !== undefined) return unsupportedOption(option)
  draft.requireTls = true
  return undefined
}

function readPriority(draft: Draft<MailParameters>, value: string | undefined): Reply | undefined {
  if (value === undefined || !/^(?:0|-?[1-9])$/.test(value)) return REPLY.badPriority
  draft.priority = Number(value)
  return undefined
}

function readRet(draft: Draft<MailParameters>, value: string | undefined): Reply | undefined {
  const ret = value?.toUpperCase()
  if (ret !== 'FULL' && ret !== 'HDRS') return REPLY.badRet
  draft.ret = ret
  return undefined
}

/** Kept in a fresh xtext spelling: clients send `=` in it, which the next hop may not take. */
function readEnvid(draft: Draft<MailParameters>, value: string | undefined): Reply | undefined {
  if (value === undefined || value === '' || value.length > ENVID_MAX) return REPLY.badEnvid
  const text = decodeXtext(value)
  if (text === undefined) return REPLY.badEnvid
  draft.envid = encodeXtext(text)
  return undefined
}

/** `<>` or the xtext of an address. */
function readAuth(
  draft: Draft<MailParameters>,
  value: string | undefined,
  option: string,
): Reply | undefined {
  if (value === undefined || value === '' || value.length > ORCPT_MAX) return REPLY.badAuthParameter
  if (decodeXtext(value) === undefined) return REPLY.badAuthParameter
  draft.auth = option
  return undefined
}

/** RFC 3461 section 4.1: NEVER excludes the others. */
function readNotify(draft: Draft<RcptParameters>, value: string | undefined): Reply | undefined {
  const words = new Set((value ?? '').toUpperCase().split(','))
  const notify: Notify[] = []
  for (const word of words) {
    if (!isNotify(word)) return REPLY.badNotify
    notify.push(word)
  }
  if (words.has('NEVER') && words.size > 1) return REPLY.badNotify
  draft.notify = notify
  return undefined
}

function isNotify(word: string): word is Notify {
  return NOTIFY_VALUES.has(word)
}

function readOrcpt(draft: Draft<RcptParameters>, value: string | undefined): Reply | undefined {
  if (value === undefined || value.length > ORCPT_MAX) return REPLY.badOrcpt
  const [, type, coded] = ORCPT_FORM.exec(value) ?? []
  if (type === undefined || coded === undefined) return REPLY.badOrcpt
  if (type.toLowerCase() === 'utf-8') {
    if (decodeUnicodeXtext(coded) === undefined) return REPLY.badOrcpt
    draft.orcpt = value
    return undefined
  }
  const address = decodeXtext(coded)
  if (address === undefined) return REPLY.badOrcpt
  draft.orcpt = `${type};${encodeXtext(address)}`
  return undefined
}
