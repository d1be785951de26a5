/** Postfix's alphabet for long queue ids: no vowels, so that no words arise. */
const ALPHABET = '0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz'
const SECONDS_CHARS = 6
const MICROS_CHARS = 4
/** Stands between the time and the rest, and is no digit of the rest. */
const SEPARATOR = 'z'

/**
 * Makes queue ids in the long form of Postfix (enable_long_queue_ids): seconds in base 52, microseconds in base 52,
 * 'z', and where Postfix has the file's inode, a number of this process in base 51. They sort by time, and no two
 * processes make the same one; within a process the time is moved on where it stands still or goes back.
 */
export function createQueueIds(processNumber: number): (nowMs: number) => string {
  const tail = SEPARATOR + digits(processNumber, ALPHABET.length - 1, 1)
  let lastMicros = 0
  return (nowMs) => {
    lastMicros = Math.max(Math.floor(nowMs * 1000), lastMicros + 1)
    const seconds = Math.floor(lastMicros / 1_000_000)
    const micros = lastMicros % 1_000_000
    return (
      digits(seconds, ALPHABET.length, SECONDS_CHARS) + digits(micros, ALPHABET.length, MICROS_CHARS) + tail
    )
  }
}

function digits(value: number, base: number, width: number): string {
  let text = ''
  let rest = value
  do {
    text = ALPHABET.charAt(rest % base) + text
    rest = Math.floor(rest / base)
  } while (rest > 0)
  return text.padStart(width, '0')
}
