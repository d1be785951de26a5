/** How often each command was said and how often it was answered well, in the order of its first use. */
export class Tally {
  readonly #said = new Map<string, number>()
  readonly #refused = new Map<string, number>()

  count(command: string, ok: boolean): void {
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
