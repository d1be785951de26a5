import type { Alarm } from '#src/base/alarms.ts'

/** Of an alarm there is one for each code and key. */
export function alarmKey({ code, key }: Pick<Alarm, 'code' | 'key'>): string {
  return `${code} ${key}`
}

/** posternAlarmIndex: a number for as long as an alarm is raised; it is not given again. */
export class AlarmNumbers {
  readonly #numbers = new Map<string, number>()
  #next = 1

  /** Numbers that were told, by this process or by one before it. */
  know(told: readonly { readonly alarm: Alarm; readonly number: number }[]): void {
    for (const { alarm, number } of told) {
      this.#numbers.set(alarmKey(alarm), number)
      this.#next = Math.max(this.#next, number + 1)
    }
  }

  /** These are raised and no others; master keeps no more than a thousand. */
  adopt(alarms: readonly Alarm[]): void {
    const raised = new Set(alarms.map(alarmKey))
    for (const key of this.#numbers.keys()) if (!raised.has(key)) this.#numbers.delete(key)
    for (const key of raised) {
      if (this.#numbers.has(key)) continue
      this.#numbers.set(key, this.#next)
      this.#next += 1
    }
  }

  of(alarm: Alarm): number | undefined {
    return this.#numbers.get(alarmKey(alarm))
  }
}
