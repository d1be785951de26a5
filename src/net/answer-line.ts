import type { Socket } from 'node:net'

/** How long a peer may say nothing or read nothing, and how long its question may be. */
export interface AnswerLimits {
  readonly silenceMs: number
  readonly charsMax: number
}

/**
 * Serves one connection of `askLine`: reads the one line that is asked and hands it to `answer`, which writes to the
 * socket what there is to say, in its own time, and does not reject. Then the connection is ended. What is no line, is
 * too long or does not come in time is cut off unanswered.
 */
export function answerLine(
  socket: Socket,
  limits: AnswerLimits,
  answer: (line: string) => Promise<void>,
): void {
  let text = ''
  socket.setTimeout(limits.silenceMs, () => socket.destroy())
  socket.setEncoding('utf8')
  socket.on('end', () => {
    if (!text.includes('\n')) socket.destroy()
  })
  socket.on('data', (chunk: string) => {
    const before = text.length
    text += chunk
    const end = text.indexOf('\n', before)
    if (end >= 0) {
      socket.removeAllListeners('data')
      // What is asked for may take its time; that its answer is read is waited for no longer than before.
      socket.setTimeout(0)
      void answer(text.slice(0, end)).finally(() => {
        socket.setTimeout(limits.silenceMs)
        socket.end()
      })
    } else if (text.length > limits.charsMax) {
      socket.destroy()
    }
  })
}
