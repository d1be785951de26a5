import { once } from 'node:events'
import { errorCode } from '#src/base/fault.ts'

/** Pieces are joined to writes of about this size. */
const WRITE_CHARS = 65_536

/**
 * Writes to standard output, as fast as it is read; with `head` behind the pipe it stops when head does, without a
 * complaint.
 */
export async function print(pieces: AsyncIterable<string> | Iterable<string>): Promise<void> {
  let broken = false
  const onError = (error: Error): void => {
    if (errorCode(error) !== 'EPIPE') throw error
    broken = true
  }
  process.stdout.on('error', onError)
  let text = ''
  for await (const piece of pieces) {
    if (broken) return
    text += piece
    if (text.length < WRITE_CHARS) continue
    await write(text)
    text = ''
  }
  if (!broken) await write(text)
}

async function write(text: string): Promise<void> {
  if (process.stdout.write(text)) return
  await Promise.race([
    once(process.stdout, 'drain'),
    once(process.stdout, 'error'),
    once(process.stdout, 'close'),
  ])
}
