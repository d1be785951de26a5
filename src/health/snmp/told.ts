import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { readAlarm } from '#src/base/alarms.ts'
import type { Alarm } from '#src/base/alarms.ts'
import { errorCode, errorText } from '#src/base/fault.ts'
import { isRecord } from '#src/net/frames.ts'
import { alarmKey } from './alarm-numbers.ts'

/** An alarm that was told, under its number. */
export interface ToldAlarm {
  readonly alarm: Alarm
  readonly number: number
}

/** Master keeps so many alarms; there are no more to be told of. */
const TOLD_MAX = 1000
/** A larger file is none that we wrote. */
const FILE_BYTES_MAX = 2 * 1024 * 1024

/**
 * Of which alarms monitors were told that they are raised, and not yet that they are over. It outlives this process, since
 * nothing may be told twice or be left hanging because we were started anew.
 */
export class Told {
  readonly #file: string
  readonly #onError: (reason: string) => void
  readonly #told: Map<string, ToldAlarm>

  /** `onError`: the file can be neither read nor written; what was told is then known to this process alone. */
  constructor(file: string, onError: (reason: string) => void) {
    this.#file = file
    this.#onError = onError
    this.#told = new Map(this.#read().map((one) => [alarmKey(one.alarm), one]))
  }

  get all(): readonly ToldAlarm[] {
    return [...this.#told.values()]
  }

  has(alarm: Alarm): boolean {
    return this.#told.has(alarmKey(alarm))
  }

  raised(one: ToldAlarm): void {
    if (this.#told.size >= TOLD_MAX && !this.has(one.alarm)) return
    this.#told.set(alarmKey(one.alarm), one)
    this.#write()
  }

  cleared(alarm: Alarm): void {
    if (this.#told.delete(alarmKey(alarm))) this.#write()
  }

  #read(): readonly ToldAlarm[] {
    try {
      const text = readFileSync(this.#file, 'utf8')
      const list: unknown = text.length > FILE_BYTES_MAX ? [] : JSON.parse(text)
      return Array.isArray(list) ? list.slice(0, TOLD_MAX).filter(isRecord).flatMap(readTold) : []
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') this.#onError(`${this.#file} cannot be read: ${errorText(error)}`)
      return []
    }
  }

  #write(): void {
    try {
      // Whole or not at all; after a power cut it may be an older one, and then something is told twice.
      mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 })
      const fresh = `${this.#file}.new`
      writeFileSync(fresh, JSON.stringify(this.all), { mode: 0o600 })
      renameSync(fresh, this.#file)
    } catch (error) {
      this.#onError(`${this.#file} cannot be written: ${errorText(error)}`)
    }
  }
}

function readTold(value: Readonly<Record<string, unknown>>): readonly ToldAlarm[] {
  const { alarm, number } = value
  if (!isRecord(alarm) || typeof number !== 'number' || !Number.isSafeInteger(number) || number < 1) return []
  return readAlarm(alarm).map((one) => ({ alarm: one, number }))
}
