import { errorText } from '#src/base/fault.ts'
import type { Config } from '#src/config/config.ts'
import { ProvisionRefused } from '#src/directory/admin/refusal.ts'
import type { AdminStore } from '#src/directory/admin/store.ts'
import { StoreRefusal } from '#src/directory/admin/store.ts'
import { askMaster } from './control-client.ts'
import { print } from './output.ts'
import { controlSocketOf } from './running.ts'
import { toolConfig } from './tool.ts'
import { CommandError } from './usage.ts'
import { commandLines } from './zmprov/batch.ts'
import type { Command, Context } from './zmprov/command.ts'
import { CommandUsage } from './zmprov/command.ts'
import { parseLine } from './zmprov/line.ts'
import { openAdminStore } from '#src/admin/open-store.ts'
import { sourceNotes } from './zmprov/source-notes.ts'
import type { ZmprovOptions } from './zmprov/options.ts'
import { OPTIONS_TEXT, readZmprovOptions } from './zmprov/options.ts'
import { RULES } from '#src/admin/rules.ts'
import { findCommand, helpText, usageOf } from './zmprov/table.ts'

/** Exit codes of Zimbra's zmprov. */
const EXIT = { ok: 0, usage: 1, failed: 2 } as const

/**
 * `zmprov` of Zimbra, for the directory that Postern works by: one command from its arguments, or many from a file or
 * standard input, with the daemon up or down. What it changes counts at once.
 */
export async function zmprov(args: readonly string[]): Promise<number> {
  process.umask(0o077)
  const options = readZmprovOptions(args)
  if (options.kind === 'wrong') {
    process.stderr.write(`error: ${options.reason}\n`)
    await print([OPTIONS_TEXT, helpText(undefined)])
    return EXIT.usage
  }
  if (options.help) {
    await print([OPTIONS_TEXT, helpText(undefined)])
    return EXIT.usage
  }
  for (const note of options.notes) process.stderr.write(`zmprov: ${note}\n`)
  const session = new Session(options)
  try {
    return options.words.length > 0 ? await session.once(options.words) : await session.batch(options.file)
  } finally {
    await session.end()
  }
}

const ATTRIBUTE_NAME = /^[+-]?[A-Za-z][A-Za-z0-9]{2,127}$/

/** One run: the directory is opened when the first command wants it. */
class Session {
  readonly #options: ZmprovOptions
  readonly #config: Config
  readonly #stop = new AbortController()
  #store: AdminStore | undefined
  #hasNewSettings = false
  /** Attributes that the commands since the last reload named: what is said about others is not theirs. */
  readonly #named = new Set<string>()

  constructor(options: ZmprovOptions) {
    this.#options = options
    this.#config = toolConfig(options.config)
  }

  /** The command that the arguments name. */
  async once(words: readonly string[]): Promise<number> {
    const command = findCommand(words[0] ?? '')
    if (command === undefined && !isOwnWord(words[0])) {
      await print([OPTIONS_TEXT, helpText(undefined)])
      return EXIT.usage
    }
    const outcome = await this.#execute(words)
    if (outcome === 'usage') process.stdout.write('For general help, type : zmprov --help\n')
    return outcome === 'ok' ? EXIT.ok : EXIT[outcome]
  }

  /** Commands line by line; goes on after one that failed, as the original does, and says so by its exit code. */
  async batch(file: string | undefined): Promise<number> {
    const isTerminal = file === undefined && process.stdin.isTTY
    const prompt = (): void => {
      if (isTerminal) process.stdout.write('prov> ')
    }
    let code: number = EXIT.ok
    try {
      for await (const line of commandLines(file, prompt)) {
        const words = parseLine(line)
        if (words.length === 0) continue
        if (/^(?:exit|quit)$/i.test(words[0] ?? '')) break
        if ((await this.#execute(words)) !== 'ok') code = EXIT.failed
        if (isTerminal) await this.#reload()
      }
    } catch (error) {
      this.#complain(error)
      return EXIT.failed
    }
    return code
  }

  async end(): Promise<void> {
    await this.#reload()
    await this.#drop()
  }

  async #execute(words: readonly string[]): Promise<'ok' | 'usage' | 'failed'> {
    const [name = '', ...args] = words
    if (/^(?:help|\?)$/i.test(name)) {
      await print([helpText(args[0])])
      return 'ok'
    }
    const command = findCommand(name)
    if (command === undefined) {
      process.stdout.write("Unknown command. Type: 'help commands' for a list\n")
      return 'failed'
    }
    if (this.#options.verbose && this.#options.words.length === 0)
      process.stdout.write(`${words.join(' ')}\n`)
    return await this.#run(command, args)
  }

  async #run(command: Command, args: readonly string[]): Promise<'ok' | 'usage' | 'failed'> {
    try {
      if (args.length < command.least || args.length > command.most)
        throw new CommandUsage('not enough arguments')
      await print(command.run(await this.#context(), args))
      // Also where nothing has changed in the end: asking once more costs nothing.
      if (command.changes === 'settings') {
        this.#hasNewSettings = true
        for (const word of args) if (ATTRIBUTE_NAME.test(word)) this.#named.add(word.replace(/^[+-]/, ''))
      }
      return 'ok'
    } catch (error) {
      if (error instanceof CommandUsage) {
        process.stderr.write(`error: ${error.message}\n`)
        process.stdout.write(usageOf(command))
        return 'usage'
      }
      this.#complain(error)
      if (isLost(error)) await this.#drop()
      return 'failed'
    }
  }

  /** The next command connects anew: the server may have closed a connection that nothing was said on for long. */
  async #drop(): Promise<void> {
    const store = this.#store
    this.#store = undefined
    await store?.[Symbol.asyncDispose]()
  }

  async #context(): Promise<Context> {
    this.#store ??= await openAdminStore(this.#config, this.#stop.signal)
    return {
      p: { store: this.#store, rules: RULES, now: () => new Date() },
      reveal: this.#options.ldap,
      sources: async () => sourceNotes(this.#config),
      note: (text) => process.stderr.write(`Note: ${text}\n`),
      forgive: (address) => this.#forgive(address),
    }
  }

  async #forgive(address: string): Promise<void> {
    try {
      await askMaster(controlSocketOf(this.#config), 'lockouts', ['forgive', address])
    } catch (error) {
      process.stderr.write(
        `Note: the change is stored; failed logins of ${address} still count: ${errorText(error)}\n`,
      )
    }
  }

  /** Whether the running appliance says something of what was changed: it may not take what the schema allows. */
  #isAboutNamed(note: string): boolean {
    const words = new Set(note.toLowerCase().split(/[^a-z0-9]+/))
    return [...this.#named].some((name) => words.has(name.toLowerCase()))
  }

  /** `ERROR: account.NO_SUCH_ACCOUNT (no such account: x@y)`, which scripts look for. */
  #complain(error: unknown): void {
    const code = error instanceof ProvisionRefused ? error.code : 'service.FAILURE'
    const isExpected =
      error instanceof ProvisionRefused || error instanceof StoreRefusal || error instanceof CommandError
    process.stderr.write(`ERROR: ${code} (${errorText(error).replaceAll(/\s*\n\s*/g, ' ')})\n`)
    if (this.#options.verbose && !isExpected && error instanceof Error)
      process.stderr.write(`${error.stack ?? ''}\n`)
  }

  /** Running processes see entries by themselves; settings become a generation when master is told to look. */
  async #reload(): Promise<void> {
    if (!this.#hasNewSettings) return
    this.#hasNewSettings = false
    try {
      const reply = await askMaster(controlSocketOf(this.#config), 'reload')
      const notes = Array.isArray(reply?.['notes']) ? reply['notes'].map(String) : []
      for (const note of notes) if (this.#isAboutNamed(note)) process.stderr.write(`Note: ${note}\n`)
      this.#named.clear()
    } catch (error) {
      process.stderr.write(
        `Note: the change is stored; the running Postern did not take it over: ${errorText(error)}\n`,
      )
    }
  }
}

/** Whether the directory cannot be reached any more; what it refused is no such thing. */
function isLost(error: unknown): boolean {
  const cause = error instanceof ProvisionRefused ? error.cause : error
  return cause instanceof StoreRefusal && cause.about === 'unreachable'
}

function isOwnWord(word: string | undefined): boolean {
  return /^(?:help|\?)$/i.test(word ?? '')
}
