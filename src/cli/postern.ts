import { errorText, Fault } from '#src/base/fault.ts'
import { runCommand } from './commands.ts'
import { UsageError } from './usage.ts'

/** `bin/postern`: the commands of an operator. Exit code 0 done, 1 failed, 2 wrongly called, 3 not running. */
try {
  process.exitCode = await runCommand(process.argv.slice(2))
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
