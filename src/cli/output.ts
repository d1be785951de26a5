import { errorCode } from '#src/base/fault.ts'

/** Pieces are joined to writes of about this size. */
const WRITE_CHARS = 65_536

/** Whether the reader of standard output has gone. */
const output = { broken: false }

/**
 * Writes to standard output, as fast as it is read; with `head` behind the pipe it stops when head does. 'latin1': each character is one octet.
 */
export async function print(
  pieces: AsyncIterable<string> | Iterable<string>,
  encoding: 'utf8' | 'latin1' = 'utf8',
): Promise<void> {
  let text = ''
  for await (const piece of pieces) {
    if (output.broken) return
    text += piece
    if (text.length < WRITE_CHARS) continue
    await write(text, encoding)
    text = ''
  }
  if (!output.broken) await write(text, encoding)
}

/**
 * A reader that goes (`postern settings | head`) is no error of ours, whoever writes; for as long as the process lives,
 * because it is told of after the last write too. Call it once.
 */
export function watchOutput(): void {
  process.stdout.on('error', (error: Error) => {
    if (errorCode(error) !== 'EPIPE') throw error
    output.broken = true
  })
}

async function write(text: string, encoding: 'utf8' | 'latin1'): Promise<void> {
  if (process.stdout.write(text, encoding)) return
  const { promise, resolve } = Promise.withResolvers<void>()
  // 'error' is no error here: `watchOutput` has seen it.
  const events = ['drain', 'error', 'close'] as const
  for (const event of events) process.stdout.once(event, resolve)
  await promise
  for (const event of events) process.stdout.off(event, resolve)
}
