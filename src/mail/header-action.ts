import type { Reply } from '#src/base/reply.ts'

/** Of which header a field is: the message's own, that of a MIME part, that of a message inside of the message. */
export type HeaderKind = 'header' | 'mime' | 'nested'

/** What becomes of a field, or of its message (header_checks(5)). `text` is the operator's. */
export type HeaderAction =
  | { readonly kind: 'keep' }
  | { readonly kind: 'drop' }
  | { readonly kind: 'replace'; readonly text: string }
  | { readonly kind: 'prepend'; readonly text: string }
  | { readonly kind: 'refuse'; readonly reply: Reply; readonly text: string }
  | { readonly kind: 'discard'; readonly text: string }
  | { readonly kind: 'hold'; readonly text: string }
  | { readonly kind: 'bcc'; readonly address: string }
  | { readonly kind: 'redirect'; readonly address: string }
  /** Nothing more of this message is looked at. */
  | { readonly kind: 'pass'; readonly text: string }

export interface HeaderDecision {
  readonly action: HeaderAction
  /** The action's name where the log is to have it, in lower case; '' where nothing is told. */
  readonly told: string
  readonly text: string
}
