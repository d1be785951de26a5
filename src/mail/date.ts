const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const

/**
 * A date-time of RFC 5322 section 3.3 in the zone of this machine, with the zone's name as a comment as Postfix
 * writes it: `Sun, 22 Nov 2026 10:09:00 +0000 (UTC)`.
 */
export function mailDate(ms: number): string {
  const second = Math.floor(ms / 1000)
  if (second !== cachedSecond) {
    cachedSecond = second
    cachedText = format(new Date(second * 1000))
  }
  return cachedText
}

/** Many messages arrive within one second, and a date costs more to write than to compare. */
let cachedSecond = Number.NaN
let cachedText = ''

function format(at: Date): string {
  const offset = -at.getTimezoneOffset()
  const sign = offset < 0 ? '-' : '+'
  const size = Math.abs(offset)
  const zone = `${sign}${two(Math.trunc(size / 60))}${two(size % 60)}`
  const name = zoneName(at)
  const day = `${DAYS[at.getDay()] ?? ''}, ${at.getDate()} ${MONTHS[at.getMonth()] ?? ''} ${at.getFullYear()}`
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
  return `${day} ${time} ${zone}${name === '' ? '' : ` (${name})`}`
}

/** `20261122100900`, UTC: the first part of the Message-Id that we give to a message without one. */
export function compactUtc(ms: number): string {
  return new Date(ms).toISOString().replaceAll(/[-:T]/g, '').slice(0, 14)
}

const ZONE = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' })

/** The short name of the zone ('UTC', 'CET'); '' where the system only knows an offset. */
function zoneName(at: Date): string {
  const name = ZONE.formatToParts(at).find((part) => part.type === 'timeZoneName')?.value ?? ''
  return /^[A-Z]{2,5}$/.test(name) ? name : ''
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value)
}
