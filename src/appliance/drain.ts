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
import { drainTroubleFile } from './reasons.ts'
import { diskStorage, replaceFile } from './storage.ts'

/**
 * Before another release is started (postern-drain.service, as the user of the mail): no new mail is taken, what is under way
 * may end, and what waits then is noted. `drain.ts [--config FILE] [--boots FOLDER]`. Exit code 1: it could not be noted; mail is
 * taken again, and the reason stands in the folder.
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

mkdirSync(values.boots, { recursive: true })
// Those of an earlier update are nobody's any more, whatever becomes of this one.
await diskStorage.remove(promiseFile(values.boots))
await diskStorage.remove(drainTroubleFile(values.boots))
let controlSocket: string | undefined
process.once('SIGTERM', () => void failed('what is under way did not come to an end'))
try {
  await drain()
} catch (error) {
  await failed(errorText(error))
}

async function drain(): Promise<void> {
  const config = configNamed(values.config)
  const paths = pathsOf(config.dataFolder)
  const promised = promisedOf(await new HealthReader(paths.controlSocket, systemClock).state())
  if (promised.ran) {
    const drained = await askControl(paths.controlSocket, 'drain')
    if (drained.kind === 'silent') throw new Error(`mail is still taken: ${drained.reason}`)
    ;({ controlSocket } = paths)
    process.stdout.write(`${await awaitEmpty(paths.run)}\n`)
  }
  await writePromise(diskStorage, values.boots, promised, queuePathsOf(config).queueDir)
}

/** The machine is not started anew then, or not for this: mail is taken again. The reason is for who has asked. */
async function failed(reason: string): Promise<never> {
  process.stderr.write(`${reason}\n`)
  await replaceFile(diskStorage, drainTroubleFile(values.boots), `${reason}\n`).catch((error: unknown) => {
    process.stderr.write(`${errorText(error)}\n`)
  })
  if (controlSocket !== undefined) await askControl(controlSocket, 'drain', ['end'])
  process.exit(1)
}

async function awaitEmpty(runFolder: string): Promise<string> {
  const end = AbortSignal.timeout(EMPTY_MS)
  let active = await countActive(runFolder)
  while (active !== 0 && !end.aborted && (await elapsed(systemClock, LOOK_MS, end)))
    active = await countActive(runFolder)
  if (active === undefined) return 'the queue manager does not answer'
  return active === 0 ? 'nothing is under way any more' : `${active} messages are still under way`
}

/** Messages that are being delivered; undefined where the queue manager does not tell. */
async function countActive(runFolder: string): Promise<number | undefined> {
  try {
    const limits = { answerMs: ANSWER_MS, charsMax: ANSWER_CHARS_MAX }
    const line = await askLine(controlSocketPath(runFolder), JSON.stringify({ op: 'queues' }), limits)
    const answer: unknown = line === undefined ? undefined : JSON.parse(line)
    const active = isRecord(answer) ? answer['active'] : undefined
    return typeof active === 'number' ? active : undefined
  } catch (error) {
    process.stdout.write(`${errorText(error)}\n`)
    return undefined
  }
}
