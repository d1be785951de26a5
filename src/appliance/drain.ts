import { mkdirSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { queuePathsOf } from '#src/admin/queue-paths.ts'
import { elapsed, systemClock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import { configNamed } from './configuration.ts'
import { pathsOf } from '#src/config/paths.ts'
import { HealthReader } from '#src/health/reader.ts'
import { askControl } from '#src/health/control.ts'
import { askLine } from '#src/net/ask-line.ts'
import { isRecord } from '#src/net/frames.ts'
import { controlSocketPath } from '#src/queue/paths.ts'
import { promisedOf, promiseFile, writePromise } from './promise.ts'
import { diskStorage } from './storage.ts'

/**
 * Before another release is started (postern-drain.service, as the user of the mail): no new mail is taken, what is under way
 * may end, and what waits then is noted. `drain.ts [--config FILE] [--boots FOLDER]`.
 */

/** How long deliveries under way are waited for; what has not ended by then is tried again by the other release. */
const EMPTY_MS = 60_000
const LOOK_MS = 250
const ANSWER_MS = 5000
const ANSWER_CHARS_MAX = 65_536

const { values } = parseArgs({
  options: {
    config: { type: 'string' },
    boots: { type: 'string', default: '/var/lib/postern/boots' },
  },
})
process.title = 'postern: drain'
process.umask(0o077)

const config = configNamed(values.config)
const paths = pathsOf(config.dataFolder)
mkdirSync(values.boots, { recursive: true })
// That of an earlier update is nobody's any more, whatever becomes of this one.
await diskStorage.remove(promiseFile(values.boots))
const promised = promisedOf(await new HealthReader(paths.controlSocket, systemClock).state())
if (promised.ran) {
  const drained = await askControl(paths.controlSocket, 'drain')
  if (drained.kind === 'silent') process.stdout.write(`mail is still taken: ${drained.reason}\n`)
  process.stdout.write(`${await awaitEmpty()}\n`)
}
await writePromise(diskStorage, values.boots, promised, queuePathsOf(config).queueDir)

async function awaitEmpty(): Promise<string> {
  const end = AbortSignal.timeout(EMPTY_MS)
  let active = await countActive()
  while (active !== 0 && !end.aborted && (await elapsed(systemClock, LOOK_MS, end)))
    active = await countActive()
  if (active === undefined) return 'the queue manager does not answer'
  return active === 0 ? 'nothing is under way any more' : `${active} messages are still under way`
}

/** Messages that are being delivered; undefined where the queue manager does not tell. */
async function countActive(): Promise<number | undefined> {
  try {
    const limits = { answerMs: ANSWER_MS, charsMax: ANSWER_CHARS_MAX }
    const line = await askLine(controlSocketPath(paths.run), JSON.stringify({ op: 'queues' }), limits)
    const answer: unknown = line === undefined ? undefined : JSON.parse(line)
    const active = isRecord(answer) ? answer['active'] : undefined
    return typeof active === 'number' ? active : undefined
  } catch (error) {
    process.stdout.write(`${errorText(error)}\n`)
    return undefined
  }
}
