import { join } from 'node:path'
import test from 'ava'
import { memoryLog } from '#src/base/log.ts'
import { systemClock } from '#src/base/clock.ts'
import { defaultSettings } from '#src/config/defaults.ts'
import type { Settings } from '#src/config/settings.ts'
import { ListenerTls } from '#src/main/smtpd-listener-tls.ts'
import { ensureCertificate } from '#src/net/certificate.ts'
import { fill } from '#test/directory/auth/rig.ts'
import { tempFolder } from '#test/support/temp.ts'

/** TLS of listeners over a folder with one certificate and an empty directory. */
async function rig(folder: string) {
  const files = { certificateFile: join(folder, 'c.pem'), keyFile: join(folder, 'k.pem') }
  await ensureCertificate(files, 'mx.example.test', Date.now())
  const directoryFile = join(folder, 'directory.db')
  fill(directoryFile, 'dn: cn=config,cn=zimbra\nobjectClass: zimbraGlobalConfig\ncn: config')
  const log = memoryLog()
  const listenerTls = new ListenerTls({ directoryFile }, log, { clock: systemClock, tells: true })
  const make = (settings: Partial<Settings> = {}, legacy = false) =>
    listenerTls.make({
      settings: { ...defaultSettings(), ...settings },
      certificate: { ...files, hostsFolder: join(folder, 'hosts'), legacy },
    })
  return { log, listenerTls, make }
}

test('what has not changed is the same object, so that sessions can be resumed', async (t) => {
  using folder = tempFolder('listener-tls')
  const { make, listenerTls } = await rig(folder.path)
  const before = make()('smtp')
  t.truthy(before)
  t.is(make()('smtp'), before)
  t.not(make({ tlsCiphers: 'high' })('smtp'), before)
  listenerTls[Symbol.dispose]()
})

test('settings that leave no protocol keep what was in force, and are told once', async (t) => {
  using folder = tempFolder('listener-tls')
  const { make, listenerTls, log } = await rig(folder.path)
  t.is(make({ tlsProtocols: '>=TLSv1.3' })('smtp')?.profile.minVersion, 'TLSv1.3')
  for (let n = 0; n < 3; n += 1) {
    t.is(make({ tlsProtocols: '<=TLSv1.1' })('smtp')?.profile.minVersion, 'TLSv1.3')
  }
  t.is(listenerTls.attention.length, 1)
  t.regex(
    listenerTls.attention[0] ?? '',
    /^TLS of smtp: .* leave none of .*; what was in force before stays$/,
  )
  t.is(log.lines.filter(({ event }) => event === 'smtpd.tls_settings').length, 1)
  make()
  t.deepEqual(listenerTls.attention, [])
  listenerTls[Symbol.dispose]()
})

test('none takes TLS from port 25 alone; legacy is told for as long as it is so', async (t) => {
  using folder = tempFolder('listener-tls')
  const { make, listenerTls } = await rig(folder.path)
  const none = make({ tlsSecurityLevel: 'none' })
  t.is(none('smtp'), undefined)
  t.truthy(none('submission'))
  t.truthy(none('submissions'))
  t.is(make({}, true)('smtp')?.profile.minVersion, 'TLSv1')
  t.regex(listenerTls.attention[0] ?? '', /^TLS 1\.0 and 1\.1 are allowed/)
  make()
  t.deepEqual(listenerTls.attention, [])
  listenerTls[Symbol.dispose]()
})
