import { connect } from 'node:net'
import { systemClock } from '#src/base/clock.ts'
import { VERSION } from '#src/base/version.ts'
import { ServiceManager } from '#src/host/service-manager.ts'
import { FrameWriter, parseHead, readFrames } from '#src/net/frames.ts'
import { keepConnected } from '#src/net/reconnect.ts'
import type { FromChild, Hello, ToChild } from './ipc.ts'
import { keepMemoryOutOfCores } from './core-dumps.ts'

/** What this process and master say to each other over, whoever has started it. */
export interface Line {
  tell(message: FromChild): void
  /** The last word. */
  leave(): void
}

/** What is done with what comes; `gone` once master cannot be heard any more, or a signal says so. */
export interface LineEnds<Boot> {
  readonly heard: (message: ToChild<Boot>) => void
  readonly gone: () => void
}

/** To master, whose own child this process is. */
export function forkedLine<Boot>({ heard, gone }: LineEnds<Boot>): Line {
  process.on('disconnect', gone)
  process.on('message', heard)
  return {
    tell: (message) => {
      if (process.connected && process.send !== undefined) process.send(message)
    },
    leave: () => {
      if (process.connected) process.disconnect?.()
    },
  }
}

/** Where master listens, and which of its kind this process is. */
export interface Calling {
  readonly socketPath: string
  readonly n: number
}

/** Master is not there yet, or a new one comes. */
const PAUSES = { minMs: 50, maxMs: 1000 }
/** Settings have some hundred kilobytes; what comes is of master, who may do all. */
const HEAD_BYTES_MAX = 256 * 1024 * 1024
/** Exit code of a process that is not needed; its unit does not start it again for that (RestartPreventExitStatus=). */
const UNNEEDED = 78
/** Signs of life that fit into the time of the unit's watchdog. */
const BEATS = 4

/**
 * To a master that has not started this process: waits until it is there. `refused` ends the process, and so does the end
 * of the connection: whoever has started it starts another one.
 */
export function calledLine<Boot>({ socketPath, n }: Calling, ends: LineEnds<Boot>): Line {
  // What is made in a folder for two users is for its group too, and nothing is for anybody else.
  process.umask(0o007)
  keepMemoryOutOfCores()
  const manager = new ServiceManager(process.env, process.pid, () => {})
  const over = new AbortController()
  let out: FrameWriter | undefined
  let leave: (() => void) | undefined
  const beats = watch(manager)
  const call = (): Promise<boolean> => {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const socket = connect(socketPath)
    const writer = new FrameWriter(socket)
    let isWelcome = false
    socket.on('connect', () => {
      const hello: Hello = { kind: 'hello', version: VERSION, n, pid: process.pid }
      writer.write(JSON.stringify(hello))
    })
    readFrames(socket, { headBytesMax: HEAD_BYTES_MAX, tailBytesMax: 0 }, (head) => {
      const message = parseHead(head)
      if (isWelcome) {
        // oxlint-disable-next-line no-unsafe-type-assertion -- master is of the same release, and may tell us anything
        ends.heard(message as unknown as ToChild<Boot>)
        return
      }
      if (message['kind'] === 'unneeded') leaveUnneeded(manager)
      if (message['kind'] !== 'welcome') return
      isWelcome = true
      out = writer
      Object.assign(process.env, message['env'])
    })
    leave = () => {
      writer.flush()
      socket.end()
    }
    // No master yet: what the pauses are for.
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      if (isWelcome) {
        over.abort()
        ends.gone()
      }
      resolve(false)
    })
    return promise
  }
  void keepConnected(call, PAUSES, systemClock, over.signal)
  return {
    tell: (message) => {
      out?.write(JSON.stringify(message))
      if (message.kind === 'ready') manager.ready('serving')
      // The process may end right behind it.
      if (message.kind === 'failed') out?.flush()
    },
    leave: () => {
      over.abort()
      clearInterval(beats)
      leave?.()
    },
  }
}

function leaveUnneeded(manager: ServiceManager): never {
  manager.ready('not needed as things are set')
  process.exit(UNNEEDED)
}

/** A loop that does not turn any more feeds no watchdog: whoever has started us ends us then. */
function watch(manager: ServiceManager): NodeJS.Timeout | undefined {
  const { watchdogMs } = manager
  if (watchdogMs === undefined) return undefined
  manager.alive()
  return setInterval(() => manager.alive(), watchdogMs / BEATS)
}
