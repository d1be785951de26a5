import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import test from 'ava'
import { compactUtc, mailDate } from '#src/mail/date.ts'

const MODULE = join(import.meta.dirname, '..', '..', 'src', 'mail', 'date.ts')

/** The zone of a process is fixed when it starts. */
function dateIn(zone: string, ms: number): string {
  const script = `import { mailDate } from ${JSON.stringify(MODULE)}; process.stdout.write(mailDate(${ms}))`
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    env: { TZ: zone },
    encoding: 'utf8',
  }).stdout
}

const CASES: readonly (readonly [string, string, string])[] = [
  ['UTC', '2026-11-22T10:09:00Z', 'Sun, 22 Nov 2026 10:09:00 +0000 (UTC)'],
  ['America/New_York', '2026-07-04T03:59:59Z', 'Fri, 3 Jul 2026 23:59:59 -0400 (EDT)'],
  ['Asia/Kolkata', '2026-01-01T00:00:00Z', 'Thu, 1 Jan 2026 05:30:00 +0530'],
  ['America/St_Johns', '2026-01-01T00:00:00Z', 'Wed, 31 Dec 2025 20:30:00 -0330'],
]

for (const [zone, iso, text] of CASES) {
  test(`${iso} is ${text} in ${zone}`, (t) => {
    t.is(dateIn(zone, Date.parse(iso)), text)
  })
}

test('two dates of one second are the same, of two seconds are not', (t) => {
  t.is(mailDate(1000), mailDate(1999))
  t.not(mailDate(1000), mailDate(2000))
  t.is(Date.parse(mailDate(1_795_344_323_471)), 1_795_344_323_000)
})

test('the compact form is in UTC', (t) => {
  t.is(compactUtc(Date.parse('2026-11-22T10:09:08.7Z')), '20261122100908')
})
