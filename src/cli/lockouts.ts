import { isRecord } from '#src/net/frames.ts'
import { askMaster } from './control-client.ts'
import { configOf, readOptions } from './options.ts'
import { controlSocketOf, tellNotRunning } from './running.ts'
import { UsageError } from './usage.ts'

/** `postern lockouts [--json]` and `postern lockouts forgive WHO`. */
export async function lockouts(args: readonly string[]): Promise<number> {
  const options = readOptions(args, ['json'])
  const config = configOf(options)
  const [action, who, ...more] = options.words
  if (action !== undefined && (action !== 'forgive' || who === undefined || more.length > 0))
    throw new UsageError('say "postern lockouts" or "postern lockouts forgive ACCOUNT|ADDRESS|ALL"')
  const reply = await askMaster(controlSocketOf(config), 'lockouts', options.words)
  if (reply === undefined) return tellNotRunning(config)
  if (action === 'forgive') {
    const forgiven = Number(reply['forgiven'])
    process.stdout.write(
      forgiven === 0
        ? 'Nobody of that name was locked out; failures up to now are forgotten.\n'
        : `${forgiven} may try again.\n`,
    )
    return 0
  }
  const list: readonly unknown[] = Array.isArray(reply['lockouts']) ? reply['lockouts'] : []
  if (options.flags.has('json')) process.stdout.write(`${JSON.stringify(list, undefined, 2)}\n`)
  else process.stdout.write(list.length === 0 ? 'Nobody is locked out.\n' : list.map(lockoutText).join(''))
  return 0
}

function lockoutText(value: unknown): string {
  if (!isRecord(value)) return ''
  const { kind, who, failures, untilMs } = value
  const until =
    typeof untilMs === 'number' ? `until ${new Date(untilMs).toISOString()}` : 'until it is forgiven'
  return `${String(kind)} ${String(who)}: ${String(failures)} failures, ${until}\n`
}
