import test from 'ava'
import type { AlarmCode } from '#src/base/alarms.ts'
import { memoryLog } from '#src/base/log.ts'
import { AlarmDesk } from '#src/main/alarm-desk.ts'

function desk() {
  let nowMs = 1_000_000
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, sleep: () => Promise.resolve() }
  const log = memoryLog()
  const mails: { subject: string; text: string }[] = []
  const alarms = new AlarmDesk({
    clock,
    log,
    mail: (subject, lines) => mails.push({ subject, text: lines.join('\n') }),
  })
  const pass = (ms: number, isMailing = true): void => {
    nowMs += ms
    alarms.tick(isMailing)
  }
  const raise = (code: AlarmCode, key = '', reason = 'it broke'): void =>
    alarms.heard('qmgr/1', { kind: 'raised', code, key, reason })
  const clear = (code: AlarmCode, key = ''): void => alarms.heard('qmgr/1', { kind: 'cleared', code, key })
  const told = (): string[] => log.lines.map(({ event, facts }) => `${event} ${String(facts['code'])}`)
  return { alarms, mails, pass, raise, clear, told, log }
}

test('an alarm is told once when it begins and once when it is over, however often it is said', (t) => {
  const { alarms, raise, clear, told } = desk()
  raise('DNS_FAILING')
  raise('DNS_FAILING', '', 'and for another reason')
  t.is(alarms.list[0]?.reason, 'and for another reason')
  clear('DNS_FAILING')
  clear('DNS_FAILING')
  t.deepEqual(told(), ['alarm.raised DNS_FAILING', 'alarm.cleared DNS_FAILING'])
  t.deepEqual(alarms.list, [])
})

test('what master finds itself is over as soon as it finds it no more', (t) => {
  const { alarms, told, raise } = desk()
  raise('DNS_FAILING')
  alarms.found([{ code: 'DISK_LOW', key: '', reason: 'low' }])
  alarms.found([])
  t.deepEqual(told(), ['alarm.raised DNS_FAILING', 'alarm.raised DISK_LOW', 'alarm.cleared DISK_LOW'])
})

test('an alarm of a process that ended stays if its successor says it again, and is over if not', (t) => {
  const { alarms, raise, pass } = desk()
  raise('LDAP_DOWN')
  raise('LDAP_SLOW', 'ldap://a.test')
  alarms.ended('qmgr/1')
  raise('LDAP_DOWN')
  pass(61_000)
  t.deepEqual(
    alarms.list.map(({ code }) => code),
    ['LDAP_DOWN'],
  )
})

test('what is only met now and then is over when it was not said for long', (t) => {
  const { alarms, raise, pass } = desk()
  raise('DELIVERY_MISCONFIGURED')
  pass(1_700_000)
  raise('DELIVERY_MISCONFIGURED')
  pass(1_700_000)
  t.is(alarms.list.length, 1)
  pass(200_000)
  t.deepEqual(alarms.list, [])
})

test('postmaster gets one mail for all that happened, waits ten minutes for the next, and hears what is over', (t) => {
  const { mails, raise, clear, pass } = desk()
  raise('DNS_FAILING', '', 'no answer')
  pass(1000)
  t.is(mails.length, 0)
  raise('LDAP_DOWN')
  pass(16_000)
  t.is(mails.length, 1)
  t.is(mails[0]?.subject, 'Postern: error: DNS_FAILING and 1 more')
  t.true(mails[0]?.text.includes('DNS_FAILING: no answer'))
  clear('LDAP_DOWN')
  raise('CERTIFICATE', 'host a.test')
  pass(20_000)
  t.is(mails.length, 1)
  pass(600_000)
  t.is(mails.length, 2)
  t.regex(
    mails[1]?.text ?? '',
    /CERTIFICATE host a\.test: it broke[\s\S]*Over:\n {2}LDAP_DOWN[\s\S]*Still raised:\n {2}DNS_FAILING/,
  )
})

test('nobody is mailed what is over at once, what stands in the way of mail, or where mail is not wanted', (t) => {
  const { mails, raise, clear, pass } = desk()
  raise('DNS_FAILING')
  clear('DNS_FAILING')
  raise('DISK_FULL')
  pass(30_000)
  raise('LDAP_DOWN')
  pass(30_000, false)
  t.deepEqual(mails, [])
})

test('a directory full of mistakes does not fill memory', (t) => {
  const { alarms, raise } = desk()
  for (let n = 0; n < 5000; n += 1) raise('SETTING_REFUSED', `attribute${n}`)
  t.is(alarms.list.length, 1000)
})
