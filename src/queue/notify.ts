import type { Arrival } from './ports.ts'
import type { Notify } from './types.ts'

/** Who wants to hear what, by RFC 3461 section 4.1. An empty list: the sender said nothing. */

export function wantsFailure(notify: readonly Notify[]): boolean {
  return notify.length === 0 || notify.includes('FAILURE')
}

/** A sender that said nothing may be told (section 4.1, last note); whether it is, delay_warning_time decides. */
export function wantsDelay(notify: readonly Notify[]): boolean {
  return notify.length === 0 || notify.includes('DELAY')
}

/** Not where the next hop has taken the wish along. */
export function wantsArrival(notify: readonly Notify[], arrival: Arrival | undefined): boolean {
  return arrival === 'expanded' || (arrival !== 'passed' && notify.includes('SUCCESS'))
}
