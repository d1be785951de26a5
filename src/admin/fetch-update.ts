import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, rm, stat, chown } from 'node:fs/promises'
import { dirname } from 'node:path'
import { get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { get as getSecurely } from 'node:https'
import { Transform } from 'node:stream'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { errorCode, errorText } from '#src/base/fault.ts'
import { printable } from '#src/base/printable.ts'
import { CommandError } from './command-error.ts'

/** Told how much has come; undefined where nobody knows how much there is. */
export type TellFetched = (text: string, percent: number | undefined) => void

export interface FetchLimits {
  /** A larger file is no update. */
  readonly bytesMax: number
  /** A server that sends nothing for so long has forgotten us. */
  readonly silenceMs: number
}

/** The partitions of a slot and a kernel, and some (update-manifest.ts). */
export const FETCH_LIMITS: FetchLimits = { bytesMax: 700 * 1024 * 1024, silenceMs: 60_000 }

/** Whether the words name an address and no file. */
export function isAddress(source: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(source)
}

/**
 * Puts an update where the helper of the image can read it: a copy of a file, or what an address has (https or http: it is
 * the signature that counts). A file that was left there by an earlier attempt is replaced. Throws a CommandError that
 * says what went wrong, and then leaves nothing.
 */
export async function fetchUpdate(
  source: string,
  target: string,
  tell: TellFetched,
  limits: FetchLimits = FETCH_LIMITS,
): Promise<void> {
  try {
    await makeFolder(dirname(target))
    const { stream, size } = isAddress(source) ? await download(source, limits) : await openFile(source)
    if (size !== undefined && size > limits.bytesMax) {
      stream.destroy()
      throw new CommandError(tooLarge(limits))
    }
    await pipeline(stream, counted(size, tell, limits), createWriteStream(target, { mode: 0o600 }))
  } catch (error) {
    await rm(target, { force: true })
    throw error instanceof CommandError ? error : new CommandError(whyNot(source, error), { cause: error })
  }
}

/** Of the user of the mail, also where root was the first to update. */
async function makeFolder(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true, mode: 0o700 })
  if (made === undefined || process.getuid?.() !== 0) return
  const { uid, gid } = await stat(dirname(folder))
  await chown(folder, uid, gid)
}

interface Source {
  readonly stream: Readable
  readonly size: number | undefined
}

async function openFile(path: string): Promise<Source> {
  const found = await stat(path)
  if (!found.isFile()) throw new CommandError(`${path} is no file`)
  return { stream: createReadStream(path), size: found.size }
}

/** Some servers of files send on to another; more than this is a circle. */
const REDIRECTS_MAX = 5

async function download(address: string, limits: FetchLimits): Promise<Source> {
  let next = address
  for (let i = 0; i <= REDIRECTS_MAX; i += 1) {
    const url = URL.canParse(next) ? new URL(next) : undefined
    if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:'))
      throw new CommandError(`"${next}" is no address that begins with https:// or http://`)
    const response = await ask(url, limits)
    const { statusCode = 0, statusMessage = '', headers } = response
    if (statusCode === 200) {
      const length = Number(headers['content-length'] ?? Number.NaN)
      return { stream: response, size: Number.isSafeInteger(length) ? length : undefined }
    }
    response.destroy()
    if (!REDIRECTS.has(statusCode) || headers.location === undefined)
      throw new CommandError(`${url.host} answered ${statusCode} ${printable(statusMessage)}`.trim())
    next = URL.canParse(headers.location, url) ? new URL(headers.location, url).href : headers.location
  }
  throw new CommandError(`${address} leads to other addresses without end`)
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

function ask(url: URL, { silenceMs }: FetchLimits): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  let response: IncomingMessage | undefined
  const request = (url.protocol === 'https:' ? getSecurely : get)(url, { agent: false }, (answer) => {
    response = answer
    resolve(answer)
  })
  // Of the connection as a whole: a body that stops coming counts as well.
  request.setTimeout(silenceMs, () => {
    const error = new CommandError(silent(silenceMs))
    // First, or it would only say that it was aborted.
    response?.destroy(error)
    request.destroy(error)
  })
  request.on('error', reject)
  return promise
}

/** Tells how much has come, and ends what is too much. */
function counted(size: number | undefined, tell: TellFetched, limits: FetchLimits): Transform {
  let bytes = 0
  return new Transform({
    transform(piece: Uint8Array, _encoding, done) {
      bytes += piece.length
      if (bytes > limits.bytesMax) {
        done(new CommandError(tooLarge(limits)))
        return
      }
      const percent = size === undefined ? undefined : Math.floor((bytes * 100) / Math.max(size, 1))
      tell('fetching the update', percent)
      done(null, piece)
    },
  })
}

function silent(ms: number): string {
  return `nothing has come for ${ms / 1000} s`
}

function tooLarge({ bytesMax }: FetchLimits): string {
  return `it is larger than ${Math.floor(bytesMax / 1_048_576)} MiB: no update is`
}

function whyNot(source: string, error: unknown): string {
  if (errorCode(error) === 'ENOENT' && !isAddress(source)) return `there is no file ${source}`
  if (errorCode(error) === 'ENOSPC') return 'the disk has no room for it'
  return `${source} cannot be fetched: ${errorText(error)}`
}
