import type { Reply } from '#src/base/reply.ts'
import { COUNTS, countRefusal } from './counts.ts'

/**
 * How often each command was said and how often it was answered well, in the order of its first use; and the same for
 * the counts of the process, with the time that answers took.
 */
export class Tally {
  readonly #said = new Map<string, number>()
  readonly #refused = new Map<string, number>()

  /** Since when an answer is waited for; 0 while none is. */
  #sinceMs = 0

  /** The command in hand cannot be answered at once. */
  waits(): void {
    this.#sinceMs = performance.now()
  }

  /** The answer to a command; `stage` is 'message' where a whole message is meant. */
  answered(command: string, reply: Reply, stage: 'message' | 'command' = 'command'): void {
    const refused = reply.code >= 400
    this.count(command, !refused)
    if (refused) countRefusal(stage === 'message' ? stage : command, reply)
    const waitedMs = this.#sinceMs === 0 ? 0 : performance.now() - this.#sinceMs
    this.#sinceMs = 0
    COUNTS.commandSeconds.of(command).observeMs(waitedMs)
  }

  /** TLS is up; `cipher` begins with the protocol. */
  secured(service: string, cipher: string): void {
    COUNTS.tls.of(service, cipher.split(' ')[0]).add()
  }

  count(command: string, ok: boolean): void {
    COUNTS.commands.of(command, ok ? 'ok' : 'refused').add()
    this.#said.set(command, (this.#said.get(command) ?? 0) + 1)
    if (!ok) this.#refused.set(command, (this.#refused.get(command) ?? 0) + 1)
  }

  /** As Postfix ends a session in its log: `ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4`. */
  toString(): string {
    let all = 0
    let allRefused = 0
    let text = ''
    for (const [command, said] of this.#said) {
      const refused = this.#refused.get(command) ?? 0
      all += said
      allRefused += refused
      text += `${command}=${share(said, refused)} `
    }
    return `${text}commands=${share(all, allRefused)}`
  }
}

function share(said: number, refused: number): string {
  return refused === 0 ? String(said) : `${said - refused}/${said}`
}
