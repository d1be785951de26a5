/** Postfix's safe alphabets (`enable_long_queue_ids`): no vowels, so that no id is a word. */
const BASE52 = '0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz'
const SECONDS_DIGITS = 6
const MICROSECONDS_DIGITS = 4
const COUNT_MAX = 65_536

/**
 * A queue id in Postfix's long form: six digits of seconds since 1970 and four of microseconds, in base 52, 'z',
 * and a unique number in base 51, in which 'z' does not occur. Ids sort by time for as long as six digits last (to
 * the year 2596).
 *
 * Our clock counts milliseconds, so what lies below comes from `unique`, which must tell apart all ids of one
 * millisecond: Postfix takes the inode number.
 */
export function makeQueueId(nowMs: number, unique: number): string {
  const seconds = Math.floor(nowMs / 1000)
  const microseconds = Math.floor((nowMs - seconds * 1000) * 1000)
  return `${digits(seconds, 52, SECONDS_DIGITS)}${digits(microseconds, 52, MICROSECONDS_DIGITS)}z${digits(unique, 51, 1)}`
}

/** Processes that make ids at once: at most 256 smtpd, by their slots, and qmgr for bounces. */
export const ID_SLOTS = 512

/**
 * Ids of one process: its slot is mixed into each, so that no two processes of a box ever give the same. The
 * counter begins where the clock stands, so that a process started anew within one millisecond does not begin
 * where its forerunner did; it turns over after 2^16, far more than a millisecond can hold.
 */
export function queueIds(slot: number, startMs: number): (nowMs: number) => string {
  let count = Math.floor(startMs) % COUNT_MAX
  return (nowMs) => {
    count = (count + 1) % COUNT_MAX
    return makeQueueId(nowMs, count * ID_SLOTS + (slot % ID_SLOTS))
  }
}

function digits(value: number, base: number, least: number): string {
  let text = ''
  let rest = value
  do {
    text = (BASE52[rest % base] ?? '') + text
    rest = Math.floor(rest / base)
  } while (rest > 0)
  return text.padStart(least, '0')
}
