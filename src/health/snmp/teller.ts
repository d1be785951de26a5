import type { Varbind } from 'net-snmp'
import type { Alarm } from '#src/base/alarms.ts'
import type { Log } from '#src/base/log.ts'
import type { HealthState } from '#src/health/state.ts'
import type { AlarmNumbers } from './alarm-numbers.ts'
import { alarmKey } from './alarm-numbers.ts'
import { varbindOf } from './answers.ts'
import { ALARM_ENTRY, POSTERN, alarmCells } from './postern.ts'
import type { Told } from './told.ts'

/** Who hands a notification on. */
export interface Notifier {
  /** Whether it was taken over. */
  notify(varbinds: readonly Varbind[]): Promise<boolean>
}

/** posternAlarmRaised and posternAlarmCleared. */
const RAISED = [...POSTERN, 0, 1] as const
const CLEARED = [...POSTERN, 0, 2] as const
/** snmpTrapOID.0 of RFC 3418; sysUpTime.0 is added by snmpd (RFC 2741 section 6.2.10). */
const TRAP_OID = [1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0] as const
/** Notifications in one look: what is more goes in the next, so that a monitor is not flooded. */
const AT_ONCE_MAX = 50

/** Tells monitors that alarms are raised and that they are over, each once. */
export class Teller {
  readonly #told: Told
  readonly #numbers: AlarmNumbers
  readonly #log: Log
  #isBusy = false

  constructor(told: Told, numbers: AlarmNumbers, log: Log) {
    this.#told = told
    this.#numbers = numbers
    this.#log = log
  }

  /**
   * Looks at the alarms of a state and tells what has changed since the last that was told, over whatever session there is
   * now. What was raised and is over before anybody could be told is not told.
   */
  async look({ master, alarms }: HealthState, notifier: Notifier): Promise<void> {
    // The alarms of a master that does not answer are those that it had.
    if (this.#isBusy || master.kind === 'silent') return
    this.#isBusy = true
    try {
      await this.#tell(alarms, notifier)
    } finally {
      this.#isBusy = false
    }
  }

  async #tell(alarms: readonly Alarm[], notifier: Notifier): Promise<void> {
    const raised = new Set(alarms.map(alarmKey))
    const over = this.#told.all.filter(({ alarm }) => !raised.has(alarmKey(alarm)))
    const fresh = alarms.filter((alarm) => !this.#told.has(alarm))
    let room = AT_ONCE_MAX
    for (const { alarm, number } of over.slice(0, room)) {
      if (!(await this.#notify(CLEARED, alarm, number, notifier))) break
      this.#told.cleared(alarm)
      room -= 1
    }
    for (const alarm of fresh.slice(0, Math.max(0, room))) {
      const number = this.#numbers.of(alarm)
      if (number === undefined || !(await this.#notify(RAISED, alarm, number, notifier))) break
      this.#told.raised({ alarm, number })
    }
  }

  // oxlint-disable-next-line max-params -- what, of which alarm, under which number, to whom
  async #notify(kind: readonly number[], alarm: Alarm, number: number, notifier: Notifier): Promise<boolean> {
    const objects = alarmCells(alarm).flatMap(([column, value]) =>
      value === undefined ? [] : [varbindOf({ oid: [...ALARM_ENTRY, column, number], value })],
    )
    const trap = varbindOf({ oid: TRAP_OID, value: { kind: 'oid', value: kind.join('.') } })
    const taken = await notifier.notify([trap, ...objects])
    const { code, key } = alarm
    if (taken) this.#log.write('info', 'snmp.notified', { code, key, raised: kind === RAISED })
    return taken
  }
}
