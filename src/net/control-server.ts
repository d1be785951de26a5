import type { Socket } from 'node:net'
import { errorText } from '#src/base/fault.ts'
import { answerLine } from './answer-line.ts'
import { UnixServer } from './unix-server.ts'

/**
 * A control socket: one request and one answer, each a JSON object on a line of its own. That of master:
 *
 *     {"command":"status"}   {"ok":true, …}            what runs
 *     {"command":"alarms"}   {"ok":true, "alarms":[…]} what an operator has to look at
 *     {"command":"metrics"}  {"ok":true, "metrics":{…}} what all processes have counted, at most a second ago
 *     {"command":"reload"}   {"ok":true, "notes":[…]}  settings and signatures are read anew
 *     {"command":"rollback","words":["3"]}             the settings of generation 3 again; "release" ends that
 *     {"command":"lockouts"} {"ok":true, "lockouts":[…]} who may not log in for a while; words ["forgive", WHO] end that
 *     {"command":"drain"}    {"ok":true}               new clients get 421 for ten minutes: the machine is to start anew
 *     {"command":"drain","words":["end"]}              it is not: mail is taken again
 *     {"command":"stop"}     {"ok":true}               then the socket closes when everything has stopped
 *
 * and that of the appliance image's helper (admin/image-commands.ts). An answer to what cannot be done is
 * {"ok":false,"error":"…"}. Who may open the socket may do all of it. "by" and "sinceMs" beside the command are for the
 * history of the settings: who asks, and since when what he has changed elsewhere is his.
 */
export type ControlAnswer = Readonly<Record<string, unknown>> & { readonly ok: boolean }
export type ControlHandler = (
  command: string,
  words: readonly string[],
  asker: Asker,
) => Promise<ControlAnswer>

/** Who asks, as they say themselves: who may open the socket is believed. */
export interface Asker {
  /** `root (zmprov)`; '' where nothing was said. */
  readonly by: string
  /** What was changed since then, milliseconds since 1970, is theirs, where nobody else is known for it. */
  readonly sinceMs: number
}

/** Nobody in particular. */
export const NOBODY: Asker = { by: '', sinceMs: Infinity }

const REQUEST_CHARS_MAX = 65_536
const CONNECTIONS_MAX = 32
/** A tool that says nothing for so long has forgotten us. */
const SILENCE_MS = 10_000

const LIMITS = { silenceMs: SILENCE_MS, charsMax: REQUEST_CHARS_MAX }

/** Opens a control socket, for its owner alone unless `mode` says otherwise. The caller is the only one who may listen here. */
export async function openControl(path: string, handler: ControlHandler, mode = 0o600): Promise<UnixServer> {
  const serve = (socket: Socket): void => {
    answerLine(socket, LIMITS, async (line) => {
      socket.write(`${JSON.stringify(await answer(line, handler))}\n`)
    })
  }
  const server = new UnixServer(serve, { connectionsMax: CONNECTIONS_MAX, answersHalfOpen: true, mode })
  await server.listen(path)
  return server
}

async function answer(line: string, handler: ControlHandler): Promise<ControlAnswer> {
  try {
    const request: unknown = JSON.parse(line)
    if (
      typeof request !== 'object' ||
      request === null ||
      !('command' in request) ||
      typeof request.command !== 'string'
    ) {
      return { ok: false, error: 'a request is {"command":"…"}' }
    }
    return await handler(request.command, wordsOf(request), askerOf(request))
  } catch (error) {
    return { ok: false, error: errorText(error) }
  }
}

/** The name of a user and of a tool. */
const BY_CHARS_MAX = 100

function askerOf(request: object): Asker {
  const by = 'by' in request && typeof request.by === 'string' ? request.by : ''
  const sinceMs = 'sinceMs' in request && typeof request.sinceMs === 'number' ? request.sinceMs : Infinity
  return { by: by.slice(0, BY_CHARS_MAX).replaceAll(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, '?'), sinceMs }
}

function wordsOf(request: object): readonly string[] {
  const words: unknown = 'words' in request ? request.words : []
  return Array.isArray(words) ? words.filter((word) => typeof word === 'string') : []
}
