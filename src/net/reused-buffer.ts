import { Buffer } from 'node:buffer'
import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/**
 * Node gives each read of a socket 64 KiB of fresh memory. For large mail that is most of the garbage of the process,
 * and collecting it a third of the CPU. A socket that this process opens can be told to read into one buffer instead
 * (`onread` of net.Socket); one that was accepted cannot be told so when it is made, but has the same parts, which are
 * found here by name. Where a Node has them no more, reading goes on as before: test/net/reused-buffer.test.ts tells.
 */

/** One read at most. One buffer serves all sockets: what is read is dealt with, or copied, before the next read. */
const READ_BYTES = 131_072

let shared: Buffer | undefined

interface Parts {
  readonly buffer: symbol
  readonly callback: symbol
}

/** The places where net.Socket keeps `onread.buffer` and `onread.callback`; undefined where there are none. */
function partsOf(socket: Socket): Parts | undefined {
  let buffer: symbol | undefined
  let callback: symbol | undefined
  for (const name of Object.getOwnPropertySymbols(socket)) {
    if (name.description === 'kBuffer') buffer = name
    if (name.description === 'kBufferCb') callback = name
  }
  return buffer === undefined || callback === undefined ? undefined : { buffer, callback }
}

let parts: Parts | undefined | 'unasked' = 'unasked'

/**
 * From now on hands what `socket` receives to `take`, in a buffer that is used again when `take` returns, instead of
 * in 'data' events. `take` returns false to be given no more until socket.resume(). Returns false, and changes
 * nothing, where that cannot be: under TLS, in another Node, or while octets wait in the socket that came before.
 */
export function readIntoReusedBuffer(socket: Socket, take: (bytes: Buffer) => boolean): boolean {
  if (socket instanceof TLSSocket || socket.readableLength > 0 || socket.readableFlowing !== true)
    return false
  if (parts === 'unasked') parts = partsOf(socket)
  if (parts === undefined) return false
  const handle: unknown = Reflect.get(socket, '_handle')
  if (typeof handle !== 'object' || handle === null) return false
  const useUserBuffer: unknown = Reflect.get(handle, 'useUserBuffer')
  if (typeof useUserBuffer !== 'function') return false
  const buffer = (shared ??= Buffer.allocUnsafeSlow(READ_BYTES))
  Reflect.set(socket, parts.buffer, buffer)
  Reflect.set(socket, parts.callback, (octets: number) => take(buffer.subarray(0, octets)))
  Reflect.apply(useUserBuffer, handle, [buffer])
  return true
}
