import { request } from 'node:https'
import { text } from 'node:stream/consumers'
import { isRecord } from '#src/net/frames.ts'
import { until } from '#test/support/wait.ts'

/** Where a machine of the tests answers HTTP, and what it is asked with. */
export const HEALTH_PORT = 8025
export const TOKEN = 'tests read this and no more'

/** Lines of postern.provision for it. */
export const HEALTH_LINES = ['[health]', `listen = "0.0.0.0:${HEALTH_PORT}"`, `token = "${TOKEN}"`]

/** A machine that is being started answers nothing for minutes. */
const ANSWER_WITHIN_MS = 20_000
const COMES_WITHIN_MS = 15 * 60_000

export interface SeenMessage {
  readonly id: string
  readonly queue: string
  readonly recipients: readonly string[]
}

/** What a machine tells of itself over HTTP; its certificate is its own. */
export class Health {
  readonly #port: number

  constructor(port: number) {
    this.#port = port
  }

  /** An answer of /api/v1; undefined where there is none now. */
  async ask(path: string): Promise<Readonly<Record<string, unknown>> | undefined> {
    const { promise, resolve } = Promise.withResolvers<Readonly<Record<string, unknown>> | undefined>()
    const asked = request(
      {
        host: '127.0.0.1',
        port: this.#port,
        path: `/api/v1/${path}`,
        headers: { authorization: `Bearer ${TOKEN}` },
        rejectUnauthorized: false,
        agent: false,
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      },
      (answer) => {
        const read = text(answer).then((said): unknown => JSON.parse(said))
        read.then(
          (value) => resolve(answer.statusCode === 200 && isRecord(value) ? value : undefined),
          () => resolve(undefined),
        )
      },
    )
    // A machine that is going down, or not up yet.
    asked.on('error', () => resolve(undefined))
    asked.end()
    return await promise
  }

  /** The release that answers; undefined while none does. */
  async version(): Promise<string | undefined> {
    const status = await this.ask('status')
    const master = status?.['master']
    const version = isRecord(master) ? master['version'] : undefined
    return typeof version === 'string' ? version : undefined
  }

  /** Until this release answers. */
  async runs(version: string): Promise<void> {
    await until(
      `release ${version} answers over HTTP`,
      async () => (await this.version()) === version,
      COMES_WITHIN_MS,
    )
  }

  /** Codes of the alarms that are raised, with their reasons. */
  async alarms(): Promise<ReadonlyMap<string, string>> {
    const told = (await this.ask('alarms'))?.['alarms']
    const alarms = Array.isArray(told) ? told.filter(isRecord) : []
    return new Map(alarms.map(({ code, reason }) => [String(code), String(reason)]))
  }

  /** All messages of the queue, in the order in which they came; undefined where the queue does not tell. */
  async messages(): Promise<readonly SeenMessage[] | undefined> {
    const told = (await this.ask('messages?limit=500'))?.['messages']
    if (!Array.isArray(told)) return undefined
    return told.filter(isRecord).map(({ id, queue, recipients }) => ({
      id: String(id),
      queue: String(queue),
      recipients: Array.isArray(recipients)
        ? recipients.filter(isRecord).map((one) => String(one['address']))
        : [],
    }))
  }
}
