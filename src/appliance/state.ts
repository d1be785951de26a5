import { readFileSync } from 'node:fs'
import { compareVersions, isVersion } from '#src/admin/update-manifest.ts'
import { errorCode } from '#src/base/fault.ts'
import { printable } from '#src/base/printable.ts'
import { isRecord } from '#src/net/frames.ts'
import type { Slot } from './machine.ts'
import { replaceFile } from './storage.ts'
import type { Storage } from './storage.ts'

/** An update that has begun, and of which it is not yet known what becomes of it. */
export interface Pending {
  readonly version: string
  /** Of its manifest. */
  readonly digest: string
  /** What becomes the floor when it is kept. */
  readonly floor: string
  readonly slot: Slot
  readonly atMs: number
}

/** A release that was tried and given up; it is not taken again. */
export interface FailedUpdate {
  readonly version: string
  /** Of its manifest; '' where it came otherwise than by an update of ours. */
  readonly digest: string
  readonly reason: string
  readonly atMs: number
}

/** What the helper remembers over restarts. */
export interface UpdateState {
  /** Nothing older is taken. */
  readonly floor: string
  readonly pending: Pending | undefined
  /** The newest last. */
  readonly failed: readonly FailedUpdate[]
  /** When a slot got what is in it; unknown for what the machine was delivered with. */
  readonly written: Readonly<Partial<Record<Slot, { readonly version: string; readonly atMs: number }>>>
  /** An update was given up, and none was kept since. */
  readonly trouble: FailedUpdate | undefined
}

/** Failed releases that are remembered: a vendor that makes more of them has other troubles. */
const FAILED_MAX = 50
const REASON_CHARS_MAX = 500
const NOTHING: UpdateState = {
  floor: '0.0',
  pending: undefined,
  failed: [],
  written: {},
  trouble: undefined,
}

/** Reads it; a file that is not there, or is none of ours, is an empty state: then nothing is known, and nothing refused. */
export function readUpdateState(file: string): UpdateState {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return NOTHING
    throw error
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return NOTHING
  }
  if (!isRecord(value)) return NOTHING
  const { floor, failed, written } = value
  return {
    floor: typeof floor === 'string' && isVersion(floor) ? floor : NOTHING.floor,
    pending: pendingOf(value['pending']),
    failed: (Array.isArray(failed) ? failed : []).flatMap((one) => failedOf(one) ?? []),
    written: isRecord(written) ? { ...writtenOf(written, 'a'), ...writtenOf(written, 'b') } : {},
    trouble: failedOf(value['trouble']),
  }
}

export async function writeUpdateState(storage: Storage, file: string, state: UpdateState): Promise<void> {
  await replaceFile(storage, file, `${JSON.stringify(state, undefined, 1)}\n`)
}

/** The state with one more release that is not to be tried again. */
export function withFailed(state: UpdateState, failure: FailedUpdate): UpdateState {
  const one = { ...failure, reason: printable(failure.reason).slice(0, REASON_CHARS_MAX) }
  const failed = [...state.failed, one].slice(-FAILED_MAX)
  const pending = state.pending?.version === one.version ? undefined : state.pending
  return { ...state, pending, failed, trouble: one }
}

/** The state when the release that was tried has been found good. */
export function withKept(state: UpdateState, { version, floor, slot, atMs }: Pending): UpdateState {
  return {
    ...state,
    pending: undefined,
    trouble: undefined,
    floor: compareVersions(floor, state.floor) > 0 ? floor : state.floor,
    written: { ...state.written, [slot]: { version, atMs } },
  }
}

function pendingOf(value: unknown): Pending | undefined {
  const base = failedOf(value)
  if (base === undefined || !isRecord(value)) return undefined
  const { floor, slot } = value
  if (typeof floor !== 'string' || !isVersion(floor) || (slot !== 'a' && slot !== 'b')) return undefined
  return { version: base.version, digest: base.digest, atMs: base.atMs, floor, slot }
}

function failedOf(value: unknown): FailedUpdate | undefined {
  if (!isRecord(value)) return undefined
  const { version, digest, reason = '', atMs } = value
  if (typeof version !== 'string' || !isVersion(version) || typeof digest !== 'string') return undefined
  if (typeof reason !== 'string' || typeof atMs !== 'number') return undefined
  return { version, digest, reason, atMs }
}

function writtenOf(written: Readonly<Record<string, unknown>>, slot: Slot): UpdateState['written'] {
  const value = written[slot]
  if (!isRecord(value)) return {}
  const { version, atMs } = value
  return typeof version === 'string' && isVersion(version) && typeof atMs === 'number'
    ? { [slot]: { version, atMs } }
    : {}
}
