import type { ExecutionContext } from 'ava'
import { CommandUsage } from '#src/cli/zmprov/command.ts'
import { parseLine } from '#src/cli/zmprov/line.ts'
import { RULES } from '#src/admin/rules.ts'
import { findCommand } from '#src/cli/zmprov/table.ts'
import { ProvisionRefused } from '#src/directory/admin/refusal.ts'
import type { AdminStore } from '#src/directory/admin/store.ts'

/**
 * What is said to zmprov and what it answers: `> ` a command, `! ` an error, all else the lines that are printed.
 * `<id>` is any zimbraId, `<time>` any time; a line `…` stands for any lines.
 */
export interface Dialogue {
  readonly title: string
  readonly text: string
}

/** Runs one command line; gives what was printed, or the error as it is shown. */
export async function say(store: AdminStore, line: string): Promise<string> {
  const [name = '', ...args] = parseLine(line)
  const command = findCommand(name)
  if (command === undefined) return `! no command ${name}\n`
  let output = ''
  try {
    if (args.length < command.least || args.length > command.most) throw new CommandUsage('arguments')
    const context = {
      p: { store, rules: RULES, now: () => new Date('2026-01-02T03:04:05.678Z') },
      reveal: false,
      sources: async () => new Map(),
      note: () => {},
      forgive: () => Promise.resolve(),
    }
    for await (const piece of command.run(context, args)) output += piece
    return output
  } catch (error) {
    if (error instanceof ProvisionRefused) return `${output}! ${error.code} (${error.message})\n`
    if (error instanceof CommandUsage) return `${output}! usage\n`
    throw error
  }
}

/** Holds the directory to a dialogue. */
export async function holds(t: ExecutionContext, store: AdminStore, text: string): Promise<void> {
  for (const step of text.trim().split(/^> /m).slice(1)) {
    const [line = '', ...expected] = step.split('\n')
    const said = (await say(store, line)).trimEnd()
    t.regex(said, patternOf(expected.join('\n').trimEnd()), `> ${line}`)
  }
}

const MARKS: Readonly<Record<string, string>> = {
  '<id>': '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}',
  '<time>': '20260102030405\\.678Z',
  '…': '[^]*?',
}

function patternOf(expected: string): RegExp {
  const parts = expected.split(/(<id>|<time>|…)/)
  return new RegExp(`^${parts.map((part) => MARKS[part] ?? RegExp.escape(part)).join('')}$`)
}
