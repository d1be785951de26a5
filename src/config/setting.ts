/** When a changed value begins to count, as docs/settings.md says it. */
export type TakesHold = 'next connection' | 'next message' | 'next attempt' | 'next start' | 'at once'

interface Common {
  /** The parameter's name in Postfix, as `[limits]` of postern.toml takes it; '' if Postfix has none. */
  readonly postfix: string
  /** The attribute's name in Zimbra's directory, as `[settings]` takes it; '' if Zimbra has none. */
  readonly zimbra: string
  /** Other spellings of the attribute that are still met in directories. */
  readonly zimbraAliases?: readonly string[]
  /** Words that an attribute has for values of the setting: `{ zimbraIPMode: { both: 'all' } }`. */
  readonly words?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Keys of `zmlocalconfig` that stand for it, where no attribute does. */
  readonly localconfig?: readonly string[]
  readonly takesHold: TakesHold
  readonly text: string
}

/**
 * One setting. Numbers have bounds, and a default is written as an operator would write it, so that the table,
 * the document and the parser cannot disagree.
 */
export type Setting =
  | (Common & {
      readonly type: 'integer' | 'bytes'
      readonly default: number
      readonly least: number
      readonly most: number
    })
  | (Common & {
      readonly type: 'duration'
      readonly default: string
      /** What a bare number means: Postfix gives each parameter a unit of its own. */
      readonly unit: DurationUnit
      readonly leastMs: number
      readonly mostMs: number
    })
  | (Common & { readonly type: 'boolean'; readonly default: boolean })
  | (Common & {
      readonly type: 'text'
      readonly default: string
      readonly pattern?: RegExp
      readonly means?: string
    })
  | (Common & {
      readonly type: 'list'
      readonly default: readonly string[]
      readonly items: ListItems
      /** Every word that it may hold; any if not given. */
      readonly allowed?: readonly string[]
    })
  | (Common & { readonly type: 'enum'; readonly default: string; readonly values: readonly string[] })

/** What the words of a list are, which decides how each is checked. */
export type ListItems =
  | 'networks'
  | 'extensions'
  | 'lookups'
  | 'classes'
  | 'addresses'
  | 'environment'
  | 'words'
  | 'ciphers'
  | 'fingerprints'

/** What notify_classes may hold (postconf(5)). */
export const NOTIFY_CLASSES: readonly string[] = [
  'bounce',
  '2bounce',
  'data',
  'delay',
  'policy',
  'protocol',
  'resource',
  'software',
]

export type DurationUnit = (typeof UNITS)[number]

/** The value that a setting has in a running process: durations in milliseconds. */
export type ValueOf<S extends Setting> = S extends { readonly type: 'integer' | 'bytes' | 'duration' }
  ? number
  : S extends { readonly type: 'boolean' }
    ? boolean
    : S extends { readonly type: 'list' }
      ? readonly string[]
      : S extends { readonly type: 'enum'; readonly values: readonly (infer V)[] }
        ? V
        : string

export type SettingValue = number | boolean | string | readonly string[]

const UNITS = ['s', 'm', 'h', 'd', 'w'] as const

const UNIT_MS: Readonly<Record<DurationUnit, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

/**
 * A time as Postfix writes it, `300s`, `5d`, `1h`, in milliseconds; undefined if it is none. A bare number is
 * in `bareUnit`, because in Postfix each parameter has a unit of its own for that.
 */
export function parseDurationMs(text: string, bareUnit: DurationUnit): number | undefined {
  const match = /^(\d{1,12})([smhdw]?)$/.exec(text.trim())
  if (match === null) return undefined
  const unit = UNITS.find((one) => one === match[2]) ?? bareUnit
  const ms = Number(match[1]) * UNIT_MS[unit]
  return Number.isSafeInteger(ms) ? ms : undefined
}

/** The shortest form of a duration: 432000000 is `5d`. Whole seconds only, as in Postfix. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s'
  for (const unit of ['w', 'd', 'h', 'm'] as const) {
    // 14400 s stays 4h, 300 s stays 300s: a unit is used only where two or more of the smaller would not read better.
    if (ms % UNIT_MS[unit] === 0 && (unit !== 'm' || ms > 600_000) && (unit !== 'w' || ms > 5 * UNIT_MS.w)) {
      return `${ms / UNIT_MS[unit]}${unit}`
    }
  }
  return `${ms / 1000}s`
}
