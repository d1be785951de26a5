import type { LdifAttribute, LdifValue } from '#src/directory/ldif.ts'
import { invalidRequest } from '#src/directory/admin/refusal.ts'

/** Which attributes are shown: all where no names are given; `name=value` shows a value only where it is that one. */
export type Wanted = ReadonlyMap<string, ReadonlySet<string>> | undefined

export function wantedOf(words: readonly string[]): Wanted {
  if (words.length === 0) return undefined
  const wanted = new Map<string, Set<string>>()
  for (const word of words) {
    const at = word.indexOf('=')
    const name = (at < 0 ? word : word.slice(0, at)).toLowerCase()
    const values = wanted.getOrInsertComputed(name, () => new Set<string>())
    if (at === word.length - 1) throw invalidRequest(`missing value for ${word}`)
    if (at >= 0) values.add(word.slice(at + 1))
  }
  return wanted
}

/** Attributes whose values are shown to nobody: Zimbra shows `VALUE-BLOCKED` instead. */
const SECRETS =
  /^(?:userPassword|zimbraUCPassword|DKIMKey|zimbraSSLPrivateKey|.*(?:Password|PreAuthKey|AuthTokenKey|TwoFactorAuthSecret))$/i

export interface DumpOptions {
  readonly wanted: Wanted
  /** Whether secrets are shown: `zmprov -l`, as in Zimbra. */
  readonly reveal: boolean
}

/** The attributes of an entry, sorted by name, one value a line. */
export function* dumpAttributes(
  attributes: readonly LdifAttribute[],
  options: DumpOptions,
): Generator<string> {
  const { wanted } = options
  const groups = Map.groupBy(attributes, ({ name }) => name)
  // By UTF-16 code units, as Java sorts: DKIM… before amavis….
  const names = [...groups.keys()].toSorted((a, b) => (a < b ? -1 : 1))
  for (const name of names) {
    const values = wanted?.get(name.toLowerCase())
    if (wanted !== undefined && values === undefined) continue
    for (const { value } of groups.get(name) ?? []) {
      if (values !== undefined && values.size > 0 && !values.has(value.text)) continue
      yield `${attributeLine(name, isSecret(name) && !options.reveal ? BLOCKED : value)}\n`
    }
  }
}

const BLOCKED: LdifValue = { text: 'VALUE-BLOCKED', binary: false }

function isSecret(name: string): boolean {
  return SECRETS.test(name) && !/^zimbra(?:Password|Feature|Pref)/i.test(name)
}

/** A value that is no text of one line is shown in base64, so that no value can forge the line of another. */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const SEVERAL_LINES = /[\u0000-\u001f\u007f\u0085\u2028\u2029]/

export function attributeLine(name: string, value: LdifValue): string {
  if (value.binary) return `${name}:: ${chunked(value.text)}`
  if (SEVERAL_LINES.test(value.text))
    return `${name}:: ${chunked(Buffer.from(value.text).toString('base64'))}`
  return `${name}: ${value.text}`
}

/** As in Zimbra: base64 in lines of 76 characters. */
const CHUNK_CHARS = 76

function chunked(base64: string): string {
  const lines: string[] = []
  for (let at = 0; at < base64.length; at += CHUNK_CHARS) lines.push(base64.slice(at, at + CHUNK_CHARS))
  return lines.join('\n')
}
