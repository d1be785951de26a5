function two(n: number): string {
  return String(n).padStart(2, '0')
}

/** `2026-11-22`, in the time zone of the machine. */
export function isoDay(ms: number): string {
  const at = new Date(ms)
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
}

/** `14:05:09`. */
export function timeOfDay(ms: number): string {
  const at = new Date(ms)
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}

/** `11/22/2026 14:05:09`, as the CSV files of zmstat have it. */
export function zmstatTime(ms: number): string {
  const [year = '', month = '', day = ''] = isoDay(ms).split('-')
  return `${month}/${day}/${year} ${timeOfDay(ms)}`
}
