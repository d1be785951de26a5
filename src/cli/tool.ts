import { errorText } from '#src/base/fault.ts'
import type { Config } from '#src/config/config.ts'
import { configOf, namedConfig } from './options.ts'
import { openQueue } from '#src/queue/tool-access.ts'
import type { QueueAccess } from '#src/queue/tool-access.ts'
import { queuePathsOf } from '#src/admin/queue-paths.ts'

/** Ends a tool with the line and exit code that Postfix's own gives: "postqueue: fatal: …". */
export class ToolError extends Error {
  readonly code: number
  constructor(message: string, code: number) {
    super(message)
    this.code = code
  }
}

/** sysexits.h, as far as Postfix's programs use it. */
export const EX = { ok: 0, usage: 64, dataError: 65, unavailable: 69, software: 70, tempFail: 75 } as const

/**
 * The configuration of a command that has a name of its own: -c FILE, or a folder with a postern.toml as Postfix's
 * -c has it; else $POSTERN_CONFIG; else that of the current folder, as everywhere.
 */
export function toolConfig(given: string | undefined): Config {
  return configOf({ config: namedConfig(given), flags: new Set(), values: new Map(), words: [] })
}

export function toolQueue(given: string | undefined): Promise<QueueAccess> {
  return openQueue(queuePathsOf(toolConfig(given)))
}

/** Runs a tool; what it throws becomes its last line. */
export async function runTool(name: string, tool: () => Promise<number>, failure: number): Promise<number> {
  try {
    return await tool()
  } catch (error) {
    process.stderr.write(`${name}: fatal: ${errorText(error)}\n`)
    return error instanceof ToolError ? error.code : failure
  }
}

/** Lines of standard input, without their ends and without empty ones: ids, one a line. */
export async function* inputLines(): AsyncGenerator<string> {
  let text = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    const lines = (text + String(chunk)).split('\n')
    text = lines.pop() ?? ''
    if (text.length > LINE_CHARS_MAX) throw new ToolError('a line of the input is too long', EX.dataError)
    for (const line of lines) if (line.trim() !== '') yield line.trim()
  }
  if (text.trim() !== '') yield text.trim()
}

/** A command of zmrcd names ids by the thousand on one line. */
const LINE_CHARS_MAX = 4 * 1024 * 1024

/** postsuper's test of a queue id. */
export function isQueueId(text: string): boolean {
  return /^[0-9A-Za-z_]{1,100}$/.test(text)
}
