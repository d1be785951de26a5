import { isRecord } from '#src/net/frames.ts'
import { isCount, isNotify, isText, readEnvelope } from './rows.ts'
import { RECIPIENTS_MAX } from './limits.ts'
import type { Body, NewMessage, NewRecipient, Notify } from './types.ts'

/**
 * A message as JSON, between processes and between threads; a body that lies in the row travels beside it. Both
 * ends are of one release and one user, but what is about to be kept for days is checked all the same.
 */
export type SubmissionJson = Omit<NewMessage, 'body'> & {
  readonly spool: { readonly file: string; readonly length: number } | null
}

export function submissionJson(message: NewMessage): SubmissionJson {
  const { body, ...rest } = message
  return { ...rest, spool: body.kind === 'spool' ? { file: body.file, length: body.length } : null }
}

/** Postfix's queue ids, short and long, and room for other makers'. */
const ID = /^[0-9A-Za-z]{6,32}$/
/** Names that the spool gives its files: nothing that could leave the folder. */
const SPOOL_FILE = /^[0-9]{6,12}$/

/** Checks a message that came as JSON; a text says what is wrong with it. `bytes` is an inline body. */
export function readSubmission(value: unknown, bytes: Uint8Array): NewMessage | string {
  if (!isRecord(value)) return 'no message'
  const { id, arrivedMs, sender, prefix, bodyCrc32, verdict, generation } = value
  if (!isText(id) || !ID.test(id)) return 'id'
  if (!isCount(arrivedMs) || !isCount(generation) || !isCount(bodyCrc32)) return 'a number'
  if (!isText(sender) || !isText(prefix) || !isHold(value['hold'])) return 'a text'
  if (!isRecord(verdict)) return 'verdict'
  const envelope = readEnvelope(value)
  if (envelope === undefined) return 'envelope'
  const recipients = readRecipients(value['recipients'])
  if (recipients === undefined) return 'recipients'
  const body = readBody(value['spool'], bytes)
  if (body === undefined) return 'body'
  const message = {
    id,
    arrivedMs,
    sender,
    recipients,
    ...envelope,
    prefix,
    body,
    bodyCrc32,
    verdict,
    generation,
  }
  const { hold } = value
  return isText(hold) ? { ...message, hold } : message
}

/** Absent, or the words of a rule. */
function isHold(value: unknown): boolean {
  return value === undefined || isText(value)
}

function readBody(spool: unknown, bytes: Uint8Array): Body | undefined {
  if (spool === null) return { kind: 'inline', bytes }
  if (!isRecord(spool)) return undefined
  const { file, length } = spool
  if (!isText(file) || !isSpoolFile(file) || !isCount(length)) return undefined
  return { kind: 'spool', file, length }
}

export function isSpoolFile(name: string): boolean {
  return SPOOL_FILE.test(name)
}

function readRecipients(value: unknown): NewRecipient[] | undefined {
  if (!Array.isArray(value) || value.length === 0 || value.length > RECIPIENTS_MAX) return undefined
  const recipients: NewRecipient[] = []
  for (const entry of value) {
    if (!isRecord(entry)) return undefined
    const { address, original, orcpt } = entry
    const notify = readNotify(entry['notify'])
    if (!isText(address) || !isText(original) || !isText(orcpt) || notify === undefined) return undefined
    recipients.push({ address, original, orcpt, notify })
  }
  return recipients
}

function readNotify(value: unknown): readonly Notify[] | undefined {
  if (!Array.isArray(value)) return undefined
  const words: Notify[] = []
  for (const word of value) {
    if (!isText(word) || !isNotify(word)) return undefined
    words.push(word)
  }
  return words
}
