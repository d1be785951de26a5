import { mkdirSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { systemClock } from '#src/base/clock.ts'
import { pathsOf } from '#src/config/paths.ts'
import { HealthReader } from '#src/health/reader.ts'
import { askLine } from '#src/net/ask-line.ts'
import { isRecord } from '#src/net/frames.ts'
import { checkBoot } from './check.ts'
import { readRelease } from './machine.ts'
import { promiseFile } from './promise.ts'
import { reasonFile } from './reasons.ts'
import { mailGoesThrough } from './self-test-mail.ts'
import { diskStorage, replaceFile } from './storage.ts'

/**
 * Run once in a boot of a release that is on trial (postern-boot-check.service, as the user of the mail). Exit code 0: the release is
 * good, and systemd has the boot loader keep it. 1: the machine is started again; after three times it comes back to the release
 * before, where the reason that is left here is told.
 *
 *     boot-check.ts [--config FILE] [--boots FOLDER] [--release FILE] [--helper SOCKET]
 */

/** A migration of a queue of millions takes minutes; so does the check of a large file system before. */
const READY_MS = 900_000
/** Delivery to this very machine. */
const MAIL_MS = 120_000

const HELPER_MS = 60_000
const HELPER_CHARS_MAX = 65_536

const { values } = parseArgs({
  options: {
    config: { type: 'string' },
    boots: { type: 'string', default: '/var/lib/postern/boots' },
    release: { type: 'string', default: '/etc/postern-release' },
    helper: { type: 'string', default: '' },
  },
})
process.title = 'postern: boot check'
process.umask(0o077)

const { version } = readRelease(values.release)
const reason = reasonFile(values.boots, version)
mkdirSync(values.boots, { recursive: true })
// A check that hangs, or a machine that does, leaves at least this.
await replaceFile(diskStorage, reason, 'it was started, and its boot check did not come to an end\n')
const wrong = await checkBoot({
  configFile: values.config,
  bootsFolder: values.boots,
  state: (config) => new HealthReader(pathsOf(config.dataFolder).controlSocket, systemClock).state(),
  mail: mailGoesThrough,
  helper: values.helper === '' ? undefined : () => helperTrouble(values.helper),
  clock: systemClock,
  tell: (line) => process.stdout.write(`${line}\n`),
  readyMs: READY_MS,
  mailMs: MAIL_MS,
})
if (wrong === undefined) {
  await diskStorage.remove(reason)
  await diskStorage.remove(promiseFile(values.boots))
} else {
  process.stderr.write(`${wrong}\n`)
  await replaceFile(diskStorage, reason, `${wrong}\n`)
  process.exitCode = 1
}

/** Without its helper a release could neither be kept nor left again. */
async function helperTrouble(socket: string): Promise<string | undefined> {
  const limits = { answerMs: HELPER_MS, charsMax: HELPER_CHARS_MAX }
  const line = await askLine(socket, JSON.stringify({ command: 'slots' }), limits)
  if (line === undefined) return 'the helper of the image does not answer'
  const answer: unknown = JSON.parse(line)
  return isRecord(answer) && answer['ok'] === true ? undefined : `the helper of the image says: ${line}`
}
