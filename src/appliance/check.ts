import { currentSettings } from '#src/admin/current-settings.ts'
import { queuePathsOf } from '#src/admin/queue-paths.ts'
import type { Clock } from '#src/base/clock.ts'
import { elapsed } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import type { Config } from '#src/config/config.ts'
import { readinessOf } from '#src/health/state.ts'
import type { HealthState } from '#src/health/state.ts'
import { configNamed } from './configuration.ts'
import { alarmKey, findLost, readPromise } from './promise.ts'
import type { Promised } from './promise.ts'

export interface CheckDeps {
  readonly configFile: string | undefined
  /** Where the release before has left its promise. */
  readonly bootsFolder: string
  /** How the box is. */
  readonly state: (config: Config) => Promise<HealthState>
  readonly mail: (config: Config, signal: AbortSignal) => Promise<string | undefined>
  /** What is wrong with the helper of the image; undefined where there is none to be asked. */
  readonly helper: (() => Promise<string | undefined>) | undefined
  readonly clock: Clock
  /** Told what goes on. */
  readonly tell: (line: string) => void
  /** How long it may take until all processes are ready: migrations of a large queue are part of that. */
  readonly readyMs: number
  readonly mailMs: number
}

/** Between two looks. */
const LOOK_MS = 1000

/**
 * Whether this release does what the one before did: settings load, the queue opens with every message that was promised,
 * a mail goes through, and nothing is red that was not before. undefined where it does, else a sentence that says what is
 * wrong. Never rejects.
 */
export async function checkBoot(deps: CheckDeps): Promise<string | undefined> {
  try {
    return await check(deps)
  } catch (error) {
    return errorText(error)
  }
}

async function check(deps: CheckDeps): Promise<string | undefined> {
  const config = configNamed(deps.configFile)
  currentSettings(config)
  deps.tell('the settings load')
  const helpless = await deps.helper?.()
  if (helpless !== undefined) return helpless
  const promised = await readPromise(deps.bootsFolder)
  // A box that took no mail before, since nobody has set it up yet, need not take any now.
  const mustRun = promised === undefined || promised.ran
  if (mustRun) {
    const trouble = await awaitReady(deps, config, promised)
    if (trouble !== undefined) return trouble
    deps.tell('all processes are ready')
  }
  if (promised !== undefined) {
    const {
      promised: count,
      count: lost,
      some,
    } = await findLost(deps.bootsFolder, queuePathsOf(config).queueDir)
    if (lost > 0) return `${lost} of ${count} messages are not in the queue any more: ${some.join(', ')}`
    deps.tell(`the queue has all of ${count} messages, or tells how they left it`)
  }
  if (!mustRun) return undefined
  const stuck = await deps.mail(config, AbortSignal.timeout(deps.mailMs))
  if (stuck !== undefined) return `a mail from this machine to itself did not go through: ${stuck}`
  deps.tell('a mail went through')
  return undefined
}

/** Waits until it would take mail, but for what kept it from that before. */
async function awaitReady(
  { state, clock, readyMs, tell }: CheckDeps,
  config: Config,
  promised: Promised | undefined,
): Promise<string | undefined> {
  const untilMs = clock.monotonicMs() + readyMs
  let told = ''
  for (;;) {
    const wrong = whatIsWrong(await state(config), promised)
    if (wrong === undefined) return undefined
    if (wrong !== told) tell(wrong)
    told = wrong
    const leftMs = untilMs - clock.monotonicMs()
    if (leftMs <= 0) return wrong
    await elapsed(clock, Math.min(LOOK_MS, leftMs), AbortSignal.timeout(readyMs))
  }
}

/** What is red and was not before. */
function whatIsWrong(state: HealthState, promised: Promised | undefined): string | undefined {
  const { reasons } = readinessOf(state)
  const newReason = reasons.find((reason) => promised?.reasons.includes(reason) !== true)
  if (newReason !== undefined) return newReason
  const down = state.processes.find((one) => one.state !== 'ready')
  if (down !== undefined)
    return `The process ${down.name} is not ready: ${down.reason === '' ? `it is ${down.state}` : down.reason}.`
  const alarm = state.alarms.find(
    (one) => one.severity === 'critical' && promised?.alarms.includes(alarmKey(one)) !== true,
  )
  return alarm === undefined
    ? undefined
    : `There is an alarm that was not there before: ${alarmKey(alarm)}: ${alarm.reason}.`
}
