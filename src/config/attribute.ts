/** The types of Zimbra's schema (zimbra-attrs.xml). A `string` may be checked further by the setting that reads it. */
export type AttributeType =
  | 'string'
  | 'astring'
  | 'boolean'
  | 'integer'
  | 'long'
  | 'port'
  | 'duration'
  | 'email'
  | 'cs_emailp'
  | 'enum'
  | 'regex'

/** In which entries of the directory an attribute may stand. A server's value stands above globalConfig's. */
export type AttributeScope =
  | 'globalConfig'
  | 'server'
  | 'domain'
  | 'cos'
  | 'account'
  | 'recipient'
  | 'group'
  | 'groupStaticUnit'
  | 'groupDynamicUnit'

/**
 * What a later release brings, by the word that the table marks an attribute with, and what it is. The mark goes when
 * the attribute is read.
 */
export const CAPABILITIES = {
  archive: 'archive copies of every message',
  disclaimer: 'disclaimers',
  dkim: 'DKIM',
  dnscache: 'the caching resolver',
  milter: 'milters',
  notices: 'warning mails about what was refused',
  policy: 'policy servers',
  policyd: 'the policy daemon (quotas, greylisting, accounting)',
  postscreen: 'the tests of postscreen',
  restrictions: 'SMTP restrictions and block lists',
  spam: 'spam scores and the policy of each recipient',
  training: 'training of the spam filter',
  verification: 'address verification',
  virus: 'virus databases and quarantine',
} as const

export type Capability = keyof typeof CAPABILITIES

/** What Postern does with an attribute. */
export type AttributeUse =
  /** It is one of SETTINGS, and that entry says everything. */
  | { readonly kind: 'setting' }
  /** It is read from entries where they are looked up; `text` says what for. */
  | { readonly kind: 'read'; readonly text: string }
  /** It may be set and changes nothing, because the appliance has one way to do it: `text` says which. */
  | { readonly kind: 'fixed'; readonly text: string }
  /** A value other than the default is an alarm: whoever relies on it would be mistaken. `text` says what to do. */
  | { readonly kind: 'refused'; readonly text: string }
  | {
      readonly kind: 'later'
      readonly capability: Capability
      /** In a Zimbra it does something without anybody having set it: whoever leaves it alone is told, too. */
      readonly actsByDefault: boolean
    }

/** An attribute as the tables write it; what is left out is nothing, or not so. */
export interface AttributeRow {
  readonly type: AttributeType
  /** Of an enum. */
  readonly values?: readonly string[]
  /** Of a regex. */
  readonly pattern?: RegExp
  readonly multi?: true
  readonly scope: readonly AttributeScope[]
  /** Zimbra's. */
  readonly default?: string | readonly string[]
  readonly postfix?: string
  readonly deprecatedSince?: string
  /** What it is for, where `use` does not say it. */
  readonly text?: string
  /** Left out where the attribute is in SETTINGS. */
  readonly use?: AttributeUse
}

export type AttributeTable = Readonly<Record<string, AttributeRow>>

/** An attribute with its name, everything filled in. */
export interface Attribute {
  readonly name: string
  readonly type: AttributeType
  readonly values: readonly string[]
  readonly pattern: RegExp | undefined
  readonly multi: boolean
  readonly scope: readonly AttributeScope[]
  /** No value at all is none. */
  readonly default: readonly string[]
  /** '' if Postfix has no such parameter. */
  readonly postfix: string
  /** '' if it is not deprecated. */
  readonly deprecatedSince: string
  /** A heading of docs/settings.md. */
  readonly group: string
  readonly text: string
  readonly use: AttributeUse
}

export const GLOBAL: readonly AttributeScope[] = ['globalConfig']
export const GLOBAL_SERVER: readonly AttributeScope[] = ['globalConfig', 'server']

export function fixed(text: string): AttributeUse {
  return { kind: 'fixed', text }
}

export function refused(text: string): AttributeUse {
  return { kind: 'refused', text }
}

export function later(capability: Capability): AttributeUse {
  return { kind: 'later', capability, actsByDefault: false }
}

/** The same for what Zimbra does by default. */
export function missed(capability: Capability): AttributeUse {
  return { kind: 'later', capability, actsByDefault: true }
}

export function read(text: string): AttributeUse {
  return { kind: 'read', text }
}

/** What Postern does with it, as a sentence for an operator. */
export function useText({ use }: Pick<Attribute, 'use'>): string {
  switch (use.kind) {
    case 'setting':
      return 'honoured'
    case 'read':
    case 'fixed':
    case 'refused':
      return use.text
    case 'later':
      return `Has no effect yet; what it is about comes with a later release: ${CAPABILITIES[use.capability]}.`
  }
}
