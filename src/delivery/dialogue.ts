import type { Break, Stage } from './failure.ts'
import type { PeerReply } from './replies.ts'

/** What the connection does next. */
export type Step =
  | { readonly kind: 'wait' }
  | { readonly kind: 'send'; readonly text: string }
  /** Send the message and the final dot, then call bodySent(). */
  | { readonly kind: 'body' }
  /** Start the TLS handshake, then call secured(). */
  | { readonly kind: 'tls' }
  | {
      readonly kind: 'end'
      /**
       * 'clean': ready for MAIL. 'reset': ready after RSET. 'drop': close it. 'stale': it had died before
       * anything of the message went out; another connection may try at once.
       */
      readonly keep: 'clean' | 'reset' | 'drop' | 'stale'
      /** Last words before it is closed; '' for none. */
      readonly farewell: string
    }

export const WAIT: Step = { kind: 'wait' }
export const BODY: Step = { kind: 'body' }
export const TLS: Step = { kind: 'tls' }
export const CLEAN: Step = { kind: 'end', keep: 'clean', farewell: '' }
export const RESET: Step = { kind: 'end', keep: 'reset', farewell: '' }
export const DROP: Step = { kind: 'end', keep: 'drop', farewell: '' }
export const LEAVE: Step = { kind: 'end', keep: 'drop', farewell: 'QUIT\r\n' }
export const STALE: Step = { kind: 'end', keep: 'stale', farewell: '' }

/** One side of a conversation, without the socket: Handshake and Transaction. */
export interface Dialogue {
  /** What is being waited for; decides the time-out and the words of a failure. */
  readonly stage: Stage
  /** Takes the next reply and says what to do. Replies in one packet come one after another before any is acted on. */
  reply(reply: PeerReply): Step
  /** The conversation broke; every recipient without an answer gets one. */
  broken(cause: Break): Step
}
