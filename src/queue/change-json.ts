import { isRecord } from '#src/net/frames.ts'
import type { MessageChange } from './changes.ts'
import { readSubmission, submissionJson } from './submission.ts'

/** Changes as one JSON text with the bodies of their bounces beside it. Only threads of one process use it. */
export function changesToJson(changes: readonly MessageChange[]): {
  readonly json: string
  readonly bodies: Uint8Array[]
} {
  const bodies: Uint8Array[] = []
  const plain = changes.map((change) => {
    const { bounce } = change
    if (bounce === undefined) return change
    bodies.push(bounce.body.kind === 'inline' ? bounce.body.bytes : new Uint8Array())
    return { ...change, bounce: submissionJson(bounce) }
  })
  return { json: JSON.stringify(plain), bodies }
}

export function changesFromJson(json: string, bodies: readonly Uint8Array[]): MessageChange[] {
  const list: (Omit<MessageChange, 'bounce'> & { bounce?: unknown })[] = JSON.parse(json)
  let body = 0
  return list.map((change) => {
    if (!isRecord(change.bounce)) return Object.assign(change, { bounce: undefined })
    const bounce = readSubmission(change.bounce, bodies[body++] ?? new Uint8Array())
    // The composer made what cannot be kept: nothing of the change may be written, or a failure goes unsaid.
    if (typeof bounce === 'string') throw new TypeError(`the bounce of ${change.id} is no message: ${bounce}`)
    return Object.assign(change, { bounce })
  })
}
