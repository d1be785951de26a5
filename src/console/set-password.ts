import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { errorText } from '#src/base/fault.ts'
import { systemClock } from '#src/base/clock.ts'
import { ConsolePassword } from '#src/admin/console-password.ts'

/** `postern console --set-password`: asks twice on a terminal, or takes the first line of standard input. */
export async function setPassword(dataFolder: string): Promise<number> {
  const isTerminal = process.stdin.isTTY
  // What is typed is not shown.
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const input = createInterface({ input: process.stdin, output: silent, terminal: isTerminal })
  try {
    const ask = async (question: string): Promise<string> => {
      if (isTerminal) process.stderr.write(question)
      const answer = await input.question('')
      if (isTerminal) process.stderr.write('\n')
      return answer
    }
    const password = await ask('New password of the console (empty for none): ')
    if (isTerminal && (await ask('Once more: ')) !== password) {
      process.stderr.write('postern: the two are not the same; nothing was changed\n')
      return 1
    }
    await new ConsolePassword(dataFolder, systemClock).set(password)
    process.stderr.write(
      password === '' ? 'The console has no password any more.\n' : 'The password of the console is set.\n',
    )
    return 0
  } catch (error) {
    process.stderr.write(`postern: ${errorText(error)}\n`)
    return 1
  } finally {
    input.close()
  }
}
