import { readdirSync, readFileSync } from 'node:fs'
import { table } from './table.ts'

/** What the bench wants of a .cpuprofile: V8's sampling profile, see the Profiler domain of the DevTools protocol. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  /** Microseconds of CLOCK_MONOTONIC. */
  readonly startTime: number
  readonly samples: readonly number[]
  /** Microseconds between a sample and the one before it. */
  readonly timeDeltas: readonly number[]
}

/** The time in which a function itself was on top of the stack. */
export interface SelfTime {
  readonly name: string
  /** `src/smtp/session.ts:120`, the package of node_modules with its file, or '' for what has no source. */
  readonly place: string
  readonly us: number
}

/** A stretch of time: microseconds of CLOCK_MONOTONIC, which is V8's clock too. */
export interface Window {
  readonly fromUs: number
  readonly toUs: number
}

const IDLE = '(idle)'

/** Self times within the windows, idleness left out, the longest first. */
export function selfTimes(profile: CpuProfile, windows: readonly Window[]): SelfTime[] {
  const frames = new Map(profile.nodes.map((node) => [node.id, node.callFrame]))
  const sums = new Map<string, { name: string; place: string; us: number }>()
  let at = profile.startTime
  for (const [i, id] of profile.samples.entries()) {
    at += profile.timeDeltas[i] ?? 0
    const frame = frames.get(id)
    // A sample stands for the time until the next one.
    const us = Math.max(0, profile.timeDeltas[i + 1] ?? 0)
    if (frame === undefined || frame.functionName === IDLE || !within(at, windows)) continue
    const name = frame.functionName === '' ? '(anonymous)' : frame.functionName
    const place = placeOf(frame.url, frame.lineNumber)
    const sum = sums.getOrInsertComputed(`${name} ${place}`, () => ({ name, place, us: 0 }))
    sum.us += us
  }
  return [...sums.values()].toSorted((a, b) => b.us - a.us)
}

function within(atUs: number, windows: readonly Window[]): boolean {
  return windows.some(({ fromUs, toUs }) => atUs >= fromUs && atUs <= toUs)
}

/** Self times summed by who is to blame: a folder of src/, a package, Node, or native code. */
export function byOwner(times: readonly SelfTime[]): (readonly [string, number])[] {
  const sums = new Map<string, number>()
  for (const time of times) {
    const owner = ownerOf(time)
    sums.set(owner, (sums.get(owner) ?? 0) + time.us)
  }
  return [...sums].toSorted((a, b) => b[1] - a[1])
}

function ownerOf({ name, place }: SelfTime): string {
  if (name === '(garbage collector)') return 'garbage collector'
  if (place === '') return 'native'
  if (place.startsWith('node:')) return 'node'
  return /^(?:src|node_modules\/@[^/]+|node_modules)\/[^/]+/.exec(place)?.[0] ?? 'other'
}

/** V8 counts lines from 0, people from 1. */
function placeOf(url: string, line: number): string {
  if (url === '') return ''
  const path = url.replace(/^file:\/\//, '')
  const short = /(?:^|\/)((?:node_modules|src)\/.*)$/.exec(path)?.[1] ?? path
  return `${short}:${line + 1}`
}

/** `CPU.20261102.093000.4711.0.001.cpuprofile`: process 4711, thread 0. */
export function parseProfileName(
  file: string,
): { readonly pid: number; readonly thread: number } | undefined {
  const found = /^CPU\.\d+\.\d+\.(\d+)\.(\d+)\.\d+\.cpuprofile$/.exec(file)
  return found === null ? undefined : { pid: Number(found[1]), thread: Number(found[2]) }
}

/** How many functions of a process are shown. */
const TOP = 30

/** A table for every thread of every process that wrote a profile and did something within the windows. */
export function profileReport(
  folder: string,
  names: ReadonlyMap<number, string>,
  windows: readonly Window[],
): string {
  const wholeUs = windows.reduce((sum, { fromUs, toUs }) => sum + toUs - fromUs, 0)
  const parts: string[] = []
  for (const file of readdirSync(folder).toSorted()) {
    const key = parseProfileName(file)
    if (key === undefined) continue
    // V8 wrote it just now, and a profile that is none fails at the first access.
    const profile: CpuProfile = JSON.parse(readFileSync(`${folder}/${file}`, 'utf8'))
    const times = selfTimes(profile, windows)
    const busyUs = times.reduce((sum, time) => sum + time.us, 0)
    const share = busyUs / wholeUs
    if (share < 0.01) continue
    const name = names.get(key.pid) ?? 'unknown'
    parts.push(
      `## ${name}[${key.pid}] thread ${key.thread}: busy ${(share * 100).toFixed(0)} % of the time`,
      byOwner(times)
        .map(([owner, us]) => `${owner} ${((us / busyUs) * 100).toFixed(0)} %`)
        .join(', '),
      table(
        ['function', 'place', 'share of busy time'],
        times.slice(0, TOP).map((time) => row(time, busyUs)),
      ),
    )
  }
  return parts.length === 0 ? '\nno profile was written\n' : `\n${parts.join('\n\n')}\n`
}

function row(time: SelfTime, busyUs: number): string[] {
  return [time.name, time.place, `${((time.us / busyUs) * 100).toFixed(1)} %`]
}
