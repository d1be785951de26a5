import { isatty } from 'node:tty'
import { usualUpdateUrl } from '#src/admin/provision-report.ts'
import { performStickUpdate, performUpdate } from '#src/admin/perform-update.ts'
import { keysBeside, OWN_KEYS } from '#src/admin/update-keys.ts'
import { UPDATE_MS } from '#src/admin/image-commands.ts'
import type { ImageCommand } from '#src/admin/image-commands.ts'
import type { Config } from '#src/config/config.ts'
import { askMaster } from './control-client.ts'
import type { ControlReply } from './control-client.ts'
import { configOf, noWords, readOptions } from './options.ts'
import { print } from './output.ts'
import { CommandError, UsageError } from './usage.ts'

/** What is said on a machine that is no appliance image. */
const NO_IMAGE =
  'this is no appliance image: a new release comes as this one has come, by its package or checkout (docs/install.md)'

/**
 * `postern update [FILE|URL]`: another release of the appliance image (docs/update.md), without a word from where the box was
 * told that updates are (docs/first-boot.md). `--stick [NAME]`: from the USB stick that is plugged in, the newest that is
 * there. `--anyway`: also where it cannot be noted what waits in the queue. `--status`: both slots, and what was given
 * up; `--previous`: the release before, for one start, or with `--stay` until the next update.
 */
export async function update(args: readonly string[]): Promise<number> {
  const options = readOptions(args, ['status', 'previous', 'stay', 'json', 'stick', 'anyway'])
  const { flags, words } = options
  const config = configOf(options)
  if (flags.has('stay') && !flags.has('previous')) throw new UsageError('--stay goes with --previous')
  if (flags.has('status')) {
    noWords(options)
    return await status(config, flags.has('json'))
  }
  if (flags.has('previous')) {
    noWords(options)
    const answer = await askHelper(config, 'boot-previous', flags.has('stay') ? ['stay'] : [])
    await print([`${String(answer['text'])}\n`])
    return 0
  }
  const isStick = flags.has('stick')
  const usual = isStick ? 'the newest' : usualUpdateUrl(config.console.helperSocket)
  const [source = usual, ...more] = words
  if (source === '' || more.length > 0)
    throw new UsageError('name one file or address: postern update postern-2.0.0-amd64.ptu')
  // Asked before anything is fetched: half a gigabyte for nothing would be a pity.
  await askHelper(config, 'progress')
  const progress = new ProgressLine()
  const means = {
    dataFolder: config.dataFolder,
    keysFolders: [OWN_KEYS, keysBeside(config.console.helperSocket)],
    ask: (command: ImageCommand, given: readonly string[]) => askHelper(config, command, given),
    tell: progress.tell,
    anyway: flags.has('anyway'),
  }
  const made = isStick ? performStickUpdate(words[0] ?? '', means) : performUpdate(source, means)
  await print([`${await made.finally(() => progress.end())}\n`])
  return 0
}

async function status(config: Config, asJson: boolean): Promise<number> {
  const slots = await askHelper(config, 'slots')
  const progress = await askHelper(config, 'progress')
  if (asJson) {
    const { ok: _ok, ...told } = slots
    await print([`${JSON.stringify({ ...told, progress: { ...progress, ok: undefined } }, undefined, 2)}\n`])
    return 0
  }
  const lines = Array.isArray(slots['lines']) ? slots['lines'].map(String) : []
  if (progress['running'] === true)
    lines.push(`An update is under way: ${String(progress['text'])}, ${String(progress['percent'])} %`)
  await print(lines.map((line) => `${line}\n`))
  return 0
}

async function askHelper(
  config: Config,
  command: ImageCommand,
  words: readonly string[] = [],
): Promise<ControlReply> {
  const answer = await askMaster(config.console.helperSocket, command, words, UPDATE_MS)
  if (answer === undefined) throw new CommandError(NO_IMAGE)
  return answer
}

/** What goes on: on a terminal one line that is written over, elsewhere a line for each step. */
class ProgressLine {
  readonly #isTerminal = isatty(2)
  #said = ''

  readonly tell = (text: string, percent: number | undefined): void => {
    const line = this.#isTerminal && percent !== undefined ? `${text}: ${percent} %` : text
    if (line === this.#said) return
    this.#said = line
    process.stderr.write(this.#isTerminal ? `\r${line}\u001b[K` : `${line}\n`)
  }

  end(): void {
    if (this.#isTerminal && this.#said !== '') process.stderr.write('\r\u001b[K')
  }
}
