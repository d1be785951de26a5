import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { Clock } from '#src/base/clock.ts'
import { counter } from '#src/base/metrics.ts'
import { FrameWriter, parseHead, readFrames } from '#src/net/frames.ts'
import { keepConnected } from '#src/net/reconnect.ts'
import { unavailable } from './server.ts'
import type { DirectoryAnswers, DirectoryRequest } from './service.ts'
import { answerMs, CLIENT_EXTRA_MS, FRAME_LIMITS, REQUESTS_MAX } from './service.ts'

interface Asked {
  readonly settle: (answer: unknown) => void
  readonly timer: NodeJS.Timeout
}

interface Link {
  readonly socket: Socket
  readonly out: FrameWriter
}

const lookups = counter('postern_directory_lookups_total')

function outcomeOf(answer: unknown): string {
  if (typeof answer === 'string') return answer
  return typeof answer === 'object' && answer !== null && 'kind' in answer ? String(answer.kind) : 'ok'
}

/** The process is started again at once when it crashes. */
const RECONNECT = { minMs: 100, maxMs: 2000 }

/**
 * The `directory` process as others see it: a connection that is made anew whenever it is lost. A question that
 * cannot be asked, or is not answered in time, has the answer 'unavailable'; nothing is thrown.
 */
export class DirectoryClient implements Disposable {
  readonly #path: string
  readonly #clock: Clock
  readonly #stop = new AbortController()
  readonly #asked = new Map<number, Asked>()
  #link: Link | undefined
  #next = 1

  constructor(path: string, clock: Clock) {
    this.#path = path
    this.#clock = clock
  }

  /** Connects, and goes on doing so until it is disposed of. Does not wait for the connection. */
  start(): void {
    void keepConnected(() => this.#connectOnce(), RECONNECT, this.#clock, this.#stop.signal)
  }

  get isConnected(): boolean {
    return this.#link !== undefined
  }

  ask<R extends DirectoryRequest>(request: R): Promise<DirectoryAnswers[R['kind']]> {
    const kind: R['kind'] = request.kind
    const link = this.#link
    if (link === undefined || this.#asked.size >= REQUESTS_MAX)
      return Promise.resolve(unavailable(kind, 'the directory process is not there'))
    const n = this.#next++
    const { promise, resolve } = Promise.withResolvers<DirectoryAnswers[R['kind']]>()
    const ms = answerMs(kind) + CLIENT_EXTRA_MS
    const timer = setTimeout(() => this.#settle(n, undefined), ms)
    this.#asked.set(n, {
      timer,
      settle: (answer) => {
        // oxlint-disable-next-line no-unsafe-type-assertion -- both ends are of one release, and the kind is the one asked
        const known = answer as DirectoryAnswers[R['kind']] | undefined
        const said = known ?? unavailable(kind, 'the directory process does not answer')
        lookups.of(kind, outcomeOf(said)).add()
        resolve(said)
      },
    })
    link.out.write(JSON.stringify({ n, ...request }))
    return promise
  }

  [Symbol.dispose](): void {
    this.#stop.abort()
    this.#link?.socket.destroy()
    this.#lost()
  }

  #settle(n: number, answer: unknown): void {
    const asked = this.#asked.get(n)
    if (asked === undefined) return
    this.#asked.delete(n)
    clearTimeout(asked.timer)
    asked.settle(answer)
  }

  #lost(): void {
    this.#link = undefined
    for (const n of this.#asked.keys()) this.#settle(n, undefined)
  }

  /** One connection from beginning to end; whether it came about. */
  #connectOnce(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const socket = connect(this.#path)
    const link: Link = { socket, out: new FrameWriter(socket) }
    readFrames(socket, FRAME_LIMITS, (head) => {
      const { n, answer } = parseHead(head)
      if (typeof n === 'number') this.#settle(n, answer)
    })
    let connected = false
    socket.on('connect', () => {
      connected = true
      this.#link = link
    })
    // No process yet, or not any more: what the backoff is for.
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      if (this.#link === link) this.#lost()
      resolve(connected)
    })
    return promise
  }
}
