import { mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { must } from '#test/support/run.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const DAY_MS = 86_400_000

/** Puts a certificate of so many days in the place of its own, as an operator does, and reloads. */
async function certificate(postern: Appliance, days: number): Promise<void> {
  const tls = join(postern.data, 'tls')
  const files = ['-keyout', join(tls, 'key.pem'), '-out', join(tls, 'certificate.pem')]
  const about = ['-subj', '/CN=mx.example.test', '-addext', 'subjectAltName=DNS:mx.example.test']
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', String(days)]
  await must('openssl', ['req', '-x509', ...key, ...about, ...files])
  await postern.tool('reload')
}

async function alarms(postern: Appliance): Promise<string> {
  return (await postern.tool('alarms')).stdout
}

/** How often the log says so of this code. */
function logged(postern: Appliance, event: string, code: string): number {
  const text = readFileSync(join(postern.data, 'log', 'postern.log'), 'utf8')
  return text.split('\n').filter((line) => line.includes(`${event} code=${code}`)).length
}

test('postmaster gets one mail about what is wrong, with what to do, and none for what is mended right after', async (t) => {
  using folder = tempFolder('alarm-mail')
  const signatures = join(folder.path, 'var', 'signatures')
  mkdirSync(signatures, { recursive: true })
  const file = join(signatures, 'own.ndb')
  writeFileSync(file, 'Test.Own:0:*:deadbeefcafef00d\n')
  const oldS = (Date.now() - 30 * DAY_MS) / 1000
  utimesSync(file, oldS, oldS)
  await using postern = await Appliance.start({
    folder: folder.path,
    submission: true,
    health: ['mail = true'],
  })
  await certificate(postern, 5)
  await until('both are raised', async () =>
    /CERTIFICATE[\s\S]*SIGNATURES_OLD|SIGNATURES_OLD[\s\S]*CERTIFICATE/.test(await alarms(postern)),
  )
  // It is told when nothing has changed for some seconds.
  await until('postmaster has mail', () => postern.mailboxFiles().length > 0)
  const [mail = ''] = postern.mailboxFiles()
  t.regex(
    mail,
    /^Subject: Postern: warning: (?:CERTIFICATE the default certificate|SIGNATURES_OLD) and 1 more\r?$/m,
  )
  t.regex(mail, /^To: postmaster@example\.test\r?$/m)
  t.regex(mail, /^Return-Path: <>\r?$/m)
  t.regex(mail, /^Auto-Submitted: auto-generated\r?$/m)
  t.regex(mail, /CERTIFICATE the default certificate: .*ends[\s\S]*Renew it/)
  t.regex(mail, /SIGNATURES_OLD: the newest file is of \d{4}-\d\d-\d\d[\s\S]*Look at what brings them/)

  await certificate(postern, 365)
  utimesSync(file, Date.now() / 1000, Date.now() / 1000)
  await postern.tool('reload')
  await until('both are over', async () => !/CERTIFICATE|SIGNATURES_OLD/.test(await alarms(postern)))
  for (const code of ['CERTIFICATE', 'SIGNATURES_OLD']) {
    // The log is written a little later than it is told.
    await until(`the log says that ${code} is over`, () => logged(postern, 'alarm.cleared', code) > 0)
    const told = ['alarm.raised', 'alarm.cleared'].map((event) => logged(postern, event, code))
    t.deepEqual(told, [1, 1], code)
  }
  // That it is over is in the next mail, ten minutes later at the earliest (test/main/alarm-desk.test.ts).
  t.is(postern.mailboxFiles().length, 1)
})
