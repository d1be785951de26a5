import { useText } from '#src/config/attribute.ts'
import { expandTexts } from '#src/config/expand.ts'
import type { ParameterValues } from '#src/config/parameters.ts'
import { expandedParameter, findParameter, originOf, writtenValue } from '#src/config/parameters.ts'
import type { Setting } from '#src/config/setting.ts'
import { parseSetting } from '#src/config/values.ts'

/** One line of `postconf -n`: what Postfix had, and what Postern will have. */
export type Compared =
  | { readonly kind: 'same'; readonly parameter: string }
  | {
      readonly kind: 'differs'
      readonly parameter: string
      readonly postfix: string
      readonly postern: string
      readonly from: string
    }
  | { readonly kind: 'lost'; readonly parameter: string; readonly postfix: string; readonly reason: string }

/** A parameter on one line each; Postfix has some 1,000. */
const PARAMETERS_MAX = 5000
/** Characters of one value. */
const VALUE_CHARS_MAX = 65_536

/** What stands where a parameter of Zimbra's main.cf did, and why it is not needed. Patterns of whole names. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [
    /^(?:virtual_(?:alias|mailbox)_(?:maps|domains)|transport_maps|(?:sender_|recipient_)?canonical_maps|smtpd_sender_login_maps|local_recipient_maps|relay_domains|alias_(?:maps|database))$/,
    'The directory itself is asked, with the lookups of these maps.',
  ],
  [
    /^smtpd_(?:recipient|relay|helo|end_of_data|etrn)_restrictions$|^smtpd_restriction_classes$/,
    'Zimbra writes it from zimbraMtaRestriction and other attributes; of each of them it is told here what becomes of it. Others than authenticated clients and mynetworks never relay.',
  ],
  [/^content_filter$/, 'Mail is scanned while it is received; there is no second hop through a filter.'],
  [
    /^(?:(?:command|daemon|data|queue|shlib|meta|sample|manpage|html|readme|config)_directory|(?:mailq|newaliases|sendmail)_path|mail_owner|setgid_group|default_privs)$/,
    'An installation has its own places and users.',
  ],
  [
    /^smtpd?_tls_.*(?:cert|key|dh\d+_param|eecdh|session_cache).*$/,
    'Certificates and keys are named in [tls] of postern.toml.',
  ],
  [
    /^(?:virtual_transport|mailbox_transport|local_transport)$/,
    'Mail goes where zimbraMailTransport says, over LMTP.',
  ],
  [/^(?:smtpd_)?sasl_.*$|^cyrus_sasl_.*$|^smtpd_sasl_(?:type|path)$/, 'Postern checks passwords itself.'],
  [/^debugger?_.*$|^compatibility_level$|^inet_interfaces$/, 'Listeners and log are set in postern.toml.'],
]

/** Lines that were not read, as far as they are told; of a file that is none of Postfix's all would be. */
const UNREAD_MAX = 50
const UNREAD_CHARS_MAX = 200

export interface PostconfText {
  readonly lines: ReadonlyMap<string, string>
  /** Lines that are no parameters. */
  readonly unread: readonly string[]
}

/** Reads the output of `postconf -n`; a line that begins with a blank goes on with the one above. */
export function parsePostconf(text: string): PostconfText {
  const found = new Map<string, string>()
  const unread: string[] = []
  let last = ''
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*(?:#|$)/.test(line)) continue
    if (/^\s/.test(line) && last !== '') {
      found.set(last, `${found.get(last) ?? ''} ${line.trim()}`.slice(0, VALUE_CHARS_MAX))
      continue
    }
    const match = /^([a-zA-Z0-9_.-]{1,200})\s*=\s*(.*)$/.exec(line)
    if (match === null || found.size >= PARAMETERS_MAX) {
      if (unread.length < UNREAD_MAX) unread.push(line.slice(0, UNREAD_CHARS_MAX))
      last = ''
      continue
    }
    last = match[1] ?? ''
    found.set(last, (match[2] ?? '').trim().slice(0, VALUE_CHARS_MAX))
  }
  return { lines: found, unread }
}

/** Holds what Postfix said against what Postern will have in force. */
export function comparePostconf(
  { lines, unread }: PostconfText,
  values: ParameterValues,
): readonly Compared[] {
  const reason = 'This line is none of "postconf -n", and was not read.'
  return [
    ...[...lines].map(([parameter, postfix]) => compare(parameter, postfix, lines, values)),
    ...unread.map((line) => ({ kind: 'lost' as const, parameter: line, postfix: '', reason })),
  ]
}

function compare(
  parameter: string,
  postfix: string,
  lines: ReadonlyMap<string, string>,
  values: ParameterValues,
): Compared {
  const known = findParameter(parameter)
  const reason = REASONS.find(([pattern]) => pattern.test(parameter))?.[1]
  if (known === undefined)
    return { kind: 'lost', parameter, postfix, reason: reason ?? 'Postern has no such parameter.' }
  if (known.kind === 'built-in') return { kind: 'same', parameter }
  if (known.kind === 'idle') return { kind: 'lost', parameter, postfix, reason: useText(known.attribute) }
  const postern = expandedParameter(known, values)
  const lookup = (name: string): string | undefined => {
    const given = lines.get(name)
    if (given !== undefined) return given
    const other = findParameter(name)
    return other === undefined ? undefined : writtenValue(other, values)
  }
  const mine = keyOf(known.setting, postern, lookup)
  const theirs = keyOf(known.setting, postfix, lookup)
  if (mine === theirs) return { kind: 'same', parameter }
  const origin = originOf(known, values)
  // Of a default there is no attribute to name.
  const from = origin === undefined || origin.name === '' ? 'default' : `${origin.name} of ${origin.source}`
  return { kind: 'differs', parameter, postfix, postern, from }
}

/** Two texts that a setting reads alike have one key: `5d` and `432000s`, lists with commas or without. */
function keyOf(setting: Setting, text: string, lookup: (name: string) => string | undefined): string {
  const texts = expandTexts(setting, text === '' && setting.type === 'list' ? [] : [text], lookup)
  if (texts.kind === 'wrong') return `text ${text}`
  const parsed = parseSetting(setting, texts.values)
  if (parsed.kind === 'wrong') return `text ${texts.values.join(' ')}`
  const { value } = parsed
  return JSON.stringify(typeof value === 'object' ? [...new Set(value)].toSorted() : value)
}
