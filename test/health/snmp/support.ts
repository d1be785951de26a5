import { ALARMS } from '#src/base/alarms.ts'
import type { Alarm, AlarmCode } from '#src/base/alarms.ts'
import type { Clock } from '#src/base/clock.ts'
import { systemClock } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'
import type { AgentxSocket } from '#src/config/snmp.ts'
import { readState } from '#src/health/read-state.ts'
import { SnmpAgent } from '#src/health/snmp/agent.ts'
import { NO_RATES } from '#src/health/state.ts'
import type { HealthState } from '#src/health/state.ts'

/** Pauses are so much shorter. Nothing is late for it: what is bounded has the time that it has outside of tests. */
const FASTER = 50

const fastClock: Clock = {
  nowMs: () => systemClock.nowMs(),
  monotonicMs: () => systemClock.monotonicMs(),
  sleep: async (ms, signal) => await systemClock.sleep(ms / FASTER, signal),
}

export function alarm(code: AlarmCode, key = '', reason = 'it is so'): Alarm {
  return { code, severity: ALARMS[code].severity, key, reason, sinceMs: Date.now() }
}

/** A box that answers, with these alarms. */
export function stateWith(alarms: readonly Alarm[], more: Partial<HealthState> = {}): HealthState {
  const machine = { cores: 2, load: [0, 0, 0] as const, memoryBytes: 1, availableBytes: 1 }
  const answer = { pid: 1, uptimeMs: 1000, version: '1.2.3', alarms }
  return { ...readState(answer, { atMs: Date.now(), machine, rates: NO_RATES }), ...more }
}

export interface Said {
  readonly event: string
  readonly facts: unknown
}

export interface RunningAgent extends AsyncDisposable {
  readonly said: readonly Said[]
}

/** A subagent of its own, over whatever state there is when it looks. */
export function runAgent(socket: AgentxSocket, ownFolder: string, state: () => HealthState): RunningAgent {
  const stop = new AbortController()
  const said: Said[] = []
  const log: Log = {
    write: (_level, event, facts) => {
      said.push({ event, facts })
    },
    flush: () => {},
  }
  const reader = { state: async () => await Promise.resolve(state()) }
  const options = { socket, reader, log, clock: fastClock, ownFolder }
  const ended = new SnmpAgent(options).run(stop.signal)
  return {
    said,
    async [Symbol.asyncDispose]() {
      stop.abort()
      await ended
    },
  }
}
