import type { Child, ChildKind } from './child.ts'

/** Those without which no mail is taken. The others are missed, too, but mail goes into the queue without them. */
const WATCHED: ReadonlySet<ChildKind> = new Set<ChildKind>(['smtpd', 'qmgr'])

/**
 * Whether the processes that take mail still answer: a process that is stopped or spins is alive for the kernel, and
 * only its silence tells. One that is just starting, or waits after crashes, is not asked: master sees to those itself.
 */
export class Pulse {
  /** The processes (`Child.life`) of those that owe an answer. */
  readonly #owing = new Set<number>()

  /** Asks everybody for a sign of life, and gives the names of those that have not answered the question before. */
  beat(children: readonly Child[]): readonly string[] {
    const asked = children.filter((child) => WATCHED.has(child.spec.kind) && child.state.at === 'ready')
    const lives = new Set(asked.flatMap((child) => child.life ?? []))
    for (const life of this.#owing) if (!lives.has(life)) this.#owing.delete(life)
    const silent: string[] = []
    for (const child of asked) {
      if (child.life === undefined) continue
      if (this.#owing.has(child.life)) {
        // It has a question before it that it does not read; a second would only fill the channel.
        silent.push(child.name)
        continue
      }
      this.#owing.add(child.life)
      child.send({ kind: 'ping' })
    }
    return silent
  }

  answered(life: number): void {
    this.#owing.delete(life)
  }
}
