import { createReadStream } from 'node:fs'
import { errorText } from '#src/base/fault.ts'
import { invalidRequest } from '#src/directory/admin/refusal.ts'
import { LINE_CHARS_MAX } from './line.ts'

/**
 * The lines of a file or of standard input, one at a time and as they come, so that an answer to one can be read before
 * the next is written. `prompt` is shown before each on a terminal.
 */
export async function* commandLines(file: string | undefined, prompt: () => void): AsyncGenerator<string> {
  const input = file === undefined ? process.stdin : createReadStream(file)
  let text = ''
  prompt()
  try {
    for await (const chunk of input.setEncoding('utf8')) {
      const lines = (text + String(chunk)).split('\n')
      text = lines.pop() ?? ''
      if (text.length > LINE_CHARS_MAX)
        throw invalidRequest(`a line is longer than ${LINE_CHARS_MAX} characters`)
      for (const line of lines) {
        yield line.replace(/\r$/, '')
        prompt()
      }
    }
  } catch (error) {
    if (file === undefined || !isSystemError(error)) throw error
    throw invalidRequest(`${file} cannot be read: ${errorText(error)}`)
  }
  if (text !== '') yield text
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}
