import { existsSync } from 'node:fs'
import { CommandError } from '#src/admin/command-error.ts'
import { askFor } from './appliance.ts'
import type { Answer } from './appliance.ts'

/**
 * The helper of the appliance image: a socket of root's, spoken to as master's control socket is, a JSON object on a
 * line and one back, `{"ok":true,…}` or `{"ok":false,"error":"…"}`. Each answer may have `lines`, a list of texts for
 * the page, and `text`, a sentence.
 *
 *     {"command":"network"}                                                   how the network is set up
 *     {"command":"network-set","words":["eth0","dhcp"]}                       or ["eth0","192.0.2.5/24","192.0.2.1"]
 *     {"command":"dns-set","words":["192.0.2.53"]}     {"command":"time-set","words":["ntp.example.com"]}
 *     {"command":"hostname-set","words":["mx1.example.com"]}
 *     {"command":"slots"}                                                     both versions, and why one was left
 *     {"command":"update","words":["/media/postern.ptu"]}                     or an address; {"command":"boot-previous"}
 *     {"command":"restart"} {"command":"power-off"} {"command":"factory-reset","words":["keep"]}   or ["wipe"]
 */
export type ImageCommand =
  | 'network'
  | 'network-set'
  | 'dns-set'
  | 'time-set'
  | 'hostname-set'
  | 'slots'
  | 'update'
  | 'boot-previous'
  | 'restart'
  | 'power-off'
  | 'factory-reset'

/** What pages say where there is no helper. */
export const NO_IMAGE = 'This is no appliance image: that is set with the means of this system.'

export class Image {
  readonly #socket: string

  constructor(socket: string) {
    this.#socket = socket
  }

  get isThere(): boolean {
    return existsSync(this.#socket)
  }

  /** Throws a CommandError with the helper's words, or where there is none. */
  async ask(command: ImageCommand, words: readonly string[] = []): Promise<Answer> {
    const answer = await askFor(this.#socket, command, words)
    if (answer === undefined) throw new CommandError(NO_IMAGE)
    return answer
  }
}

/** The lines of an answer. */
export function linesOf(answer: Answer): readonly string[] {
  return Array.isArray(answer['lines']) ? answer['lines'].map(String) : []
}

/** Its sentence, or another. */
export function textOf(answer: Answer, otherwise: string): string {
  return typeof answer['text'] === 'string' && answer['text'] !== '' ? answer['text'] : otherwise
}
