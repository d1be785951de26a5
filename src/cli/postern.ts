import { errorText, Fault } from '#src/base/fault.ts'
import { CALLED_AS } from './called-as.ts'
import { runCommand } from './commands.ts'
import { watchOutput } from './output.ts'
import { TOOLS } from './tools.ts'
import { UsageError } from './usage.ts'

/**
 * `bin/postern`: the commands of an operator. Exit code 0 done, 1 failed, 2 wrongly called, 3 not running. Called by
 * the name of one of Postfix's or Zimbra's tools it is that tool, with that tool's exit codes.
 */
watchOutput()
try {
  const tool = TOOLS.get(CALLED_AS)
  const words = process.argv.slice(2)
  process.exitCode = tool === undefined ? await runCommand(words) : await (await tool())(words)
} catch (error) {
  process.exitCode = error instanceof UsageError ? 2 : 1
  process.stderr.write(`postern: ${textOf(error)}\n`)
}

function textOf(error: unknown): string {
  if (error instanceof UsageError || error instanceof Fault) return error.message
  return error instanceof Error && process.env['POSTERN_DEBUG'] !== undefined
    ? (error.stack ?? error.message)
    : errorText(error)
}
