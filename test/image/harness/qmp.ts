import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { isRecord } from '#src/net/frames.ts'
import { until } from '#test/support/wait.ts'

/** A machine that does not answer its monitor for so long hangs. */
const ANSWER_WITHIN_MS = 60_000

/** QEMU's monitor (QMP): a JSON object a line, answers in the order of the questions, events between them. */
export class Qmp {
  /** Names of all events since the connection was made. */
  readonly events: string[] = []
  readonly #socket: Socket
  readonly #answers: Readonly<Record<string, unknown>>[] = []
  #unread = ''

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('utf8')
    socket.on('error', () => {})
    socket.on('data', (text: string) => {
      const lines = (this.#unread + text).split('\n')
      this.#unread = lines.pop() ?? ''
      for (const line of lines) this.#take(line)
    })
  }

  static async connect(path: string): Promise<Qmp> {
    const socket = await connected(path)
    const qmp = new Qmp(socket)
    await qmp.ask('qmp_capabilities')
    return qmp
  }

  /** Throws an Error with QEMU's words where it refuses. */
  async ask(command: string, words: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: words })}\n`)
    const answer = await until(`QEMU has answered ${command}`, () => this.#answers.shift(), ANSWER_WITHIN_MS)
    if ('error' in answer) throw new Error(`QEMU refused ${command}: ${JSON.stringify(answer['error'])}`)
    return answer['return']
  }

  #take(line: string): void {
    if (line.trim() === '') return
    const said: unknown = JSON.parse(line)
    if (!isRecord(said)) return
    if (typeof said['event'] === 'string') this.events.push(said['event'])
    else if ('return' in said || 'error' in said) this.#answers.push(said)
  }

  close(): void {
    this.#socket.destroy()
  }
}

/** Connects as soon as somebody listens there. */
export async function connected(path: string): Promise<Socket> {
  return await until(`something listens on ${path}`, async () => {
    const socket = connect(path)
    try {
      await once(socket, 'connect')
      return socket
    } catch {
      socket.destroy()
      return undefined
    }
  })
}
