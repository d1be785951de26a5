import { once } from 'node:events'
import { errorCode } from '#src/base/fault.ts'

/** Pieces are joined to writes of about this size. */
const WRITE_CHARS = 65_536

/**
 * Writes to standard output, as fast as it is read; with `head` behind the pipe it stops when head does, without a
 * complaint. 'latin1': each character is one octet.
 */
export async function print(
  pieces: AsyncIterable<string> | Iterable<string>,
  encoding: 'utf8' | 'latin1' = 'utf8',
): Promise<void> {
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
    await write(text, encoding)
    text = ''
  }
  if (!broken) await write(text, encoding)
}

async function write(text: string, encoding: 'utf8' | 'latin1'): Promise<void> {
  if (process.stdout.write(text, encoding)) return
  await Promise.race([
    once(process.stdout, 'drain'),
    once(process.stdout, 'error'),
    once(process.stdout, 'close'),
  ])
}
