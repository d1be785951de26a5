import { createSocket } from 'node:dgram'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { errorCode } from '#src/base/fault.ts'

/** Whether somebody keeps the clock of this machine right. `unknown`: no time service that tells. */
export type TimeState =
  | { readonly kind: 'kept' }
  | { readonly kind: 'unkept'; readonly reason: string }
  | { readonly kind: 'unknown' }

export interface TimeServices {
  /** Where systemd-timesyncd tells how it goes; there only while it runs. */
  readonly timesyncFolder: string
  /** chronyd's, on loopback, which tells everybody on this machine without any rights. */
  readonly chronyPort: number
}

export const TIME_SERVICES: TimeServices = { timesyncFolder: '/run/systemd/timesync', chronyPort: 323 }

/** Both ask at least every hour (timesyncd: 34 minutes, chronyd: 17), unless nobody answers. */
const SILENT_MAX_MS = 6 * 3_600_000
const HOUR_MS = 3_600_000
/** chronyd answers at once or never. */
const ANSWER_MS = 1000

/**
 * Asks whichever time service runs. The kernel knows as well, but to ask it (adjtimex) is forbidden to a service that
 * may not set the clock (ProtectClock=). `nowMs` is of the wall clock. Never rejects.
 */
export async function timeState(services: TimeServices, nowMs: number): Promise<TimeState> {
  const timesync = timesyncState(services.timesyncFolder, nowMs)
  if (timesync.kind !== 'unknown') return timesync
  const answer = await askChrony(services.chronyPort)
  return answer === undefined ? { kind: 'unknown' } : chronyState(answer, nowMs)
}

/** systemd-timesyncd.service(8): `synchronized` is touched on each successful synchronization. */
function timesyncState(folder: string, nowMs: number): TimeState {
  if (!existsSync(folder)) return { kind: 'unknown' }
  try {
    return heard('systemd-timesyncd', nowMs - statSync(join(folder, 'synchronized')).mtimeMs)
  } catch (error) {
    return errorCode(error) === 'ENOENT' ? noServer('systemd-timesyncd') : { kind: 'unknown' }
  }
}

function heard(service: string, agoMs: number): TimeState {
  if (agoMs < SILENT_MAX_MS) return { kind: 'kept' }
  const hours = Math.floor(agoMs / HOUR_MS)
  return { kind: 'unkept', reason: `no time server has answered ${service} for ${hours} hours` }
}

function noServer(service: string): TimeState {
  return { kind: 'unkept', reason: `${service} has found no time server that it trusts` }
}

// chrony's candm.h, protocol version 6: everything in network order.
const VERSION = 6
const TYPE_REQUEST = 1
const TYPE_REPLY = 2
const COMMAND_TRACKING = 33
const REPLY_TRACKING = 5
/** A request is as long as its reply, so that nobody is made to flood another. */
const TRACKING_BYTES = 104
const AT_STATUS = 8
const AT_LEAP = 54
const AT_REFERENCE_SECONDS = 60
const LEAP_UNSYNCHRONISED = 3

/** What `chronyc tracking` asks; undefined where nobody answers as chronyd does. */
async function askChrony(port: number): Promise<Buffer | undefined> {
  const request = Buffer.alloc(TRACKING_BYTES)
  request.writeUInt8(VERSION, 0)
  request.writeUInt8(TYPE_REQUEST, 1)
  request.writeUInt16BE(COMMAND_TRACKING, 4)
  const socket = createSocket('udp4')
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>()
  const late = setTimeout(() => resolve(undefined), ANSWER_MS)
  socket.once('message', resolve)
  // Nobody listens there: ICMP says so to a socket that is connected.
  socket.once('error', () => resolve(undefined))
  socket.connect(port, '127.0.0.1', () => socket.send(request))
  try {
    return await promise
  } finally {
    clearTimeout(late)
    socket.close()
  }
}

function chronyState(reply: Buffer, nowMs: number): TimeState {
  const isTracking =
    reply.length >= TRACKING_BYTES &&
    reply.readUInt8(0) === VERSION &&
    reply.readUInt8(1) === TYPE_REPLY &&
    reply.readUInt16BE(6) === REPLY_TRACKING &&
    reply.readUInt16BE(AT_STATUS) === 0
  if (!isTracking) return { kind: 'unknown' }
  if (reply.readUInt16BE(AT_LEAP) === LEAP_UNSYNCHRONISED) return noServer('chronyd')
  return heard('chronyd', nowMs - reply.readUInt32BE(AT_REFERENCE_SECONDS) * 1000)
}
