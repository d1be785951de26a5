import type { EventName } from './events.ts'
import type { Fact, Facts } from './fault.ts'

/**
 * The readable lines of an event. What Postfix's tools and logwatch parse comes in Postfix's own form
 * (`ID: to=<a@b>, relay=…, status=sent (…)`), everything else as `event key=value`.
 */
export function postfixLine(event: EventName, facts: Facts): readonly string[] {
  const form = FORMS.get(event)
  return form === undefined ? [keyValues(event, facts)] : form(facts)
}

const FORMS: ReadonlyMap<EventName, (facts: Facts) => readonly string[]> = new Map([
  ['smtpd.connect', (f: Facts) => [`connect from ${peer(f)}`]],
  ['smtpd.disconnect', (f: Facts) => [`disconnect from ${peer(f)} ${word(f['commands'])}`.trimEnd()]],
  [
    'smtpd.queued',
    (f: Facts) => [
      `${word(f['id'])}: client=${peer(f)}${login(f)}`,
      `${word(f['id'])}: message-id=${word(f['messageId'])}`,
      `${word(f['id'])}: from=<${word(f['from'])}>, size=${word(f['size'])}, nrcpt=${word(f['nrcpt'])} (queue active)`,
    ],
  ],
  [
    'smtpd.reject',
    (f: Facts) => [
      `${word(f['id'] ?? 'NOQUEUE')}: reject: ${word(f['command'])} from ${peer(f)}: ${word(f['reply'])}; ${envelope(f)}`,
    ],
  ],
  [
    'smtpd.message_refused',
    (f: Facts) => [
      `${word(f['id'])}: reject: END-OF-MESSAGE from ${peer(f)}: ${word(f['reply'])}; ${envelope(f)}`,
    ],
  ],
  [
    'smtpd.discarded',
    (f: Facts) => [
      `${word(f['id'])}: discard: END-OF-MESSAGE from ${peer(f)}: ${word(f['why'])}; ${envelope(f)}`,
    ],
  ],
  [
    'smtpd.header_check',
    (f: Facts) => [
      `${word(f['id'])}: ${word(f['action'])}: header ${word(f['field'])} from ${peer(f)}; ${envelope(f)}: ${word(f['text'])}`,
    ],
  ],
  [
    'delivery.recipient',
    (f: Facts) => [
      `${word(f['id'])}: to=<${word(f['to'])}>,${f['origTo'] === undefined ? '' : ` orig_to=<${word(f['origTo'])}>,`} relay=${word(f['relay'])}, delay=${word(f['delay'])}, delays=${word(f['delays'])}, dsn=${word(f['dsn'])}, status=${word(f['status'])} (${word(f['reply'])})`,
    ],
  ],
  // What fail2ban's filter for Postfix's SASL looks for.
  [
    'smtpd.auth_failed',
    (f: Facts) => [
      `warning: ${peer(f)}: SASL ${word(f['mechanism'])} authentication failed: ${word(f['why'])}, sasl_username=${word(f['user'])}`,
    ],
  ],
  ['qmgr.removed', (f: Facts) => [`${word(f['id'])}: removed`]],
  [
    'qmgr.active',
    (f: Facts) => [
      `${word(f['id'])}: from=<${word(f['from'])}>, size=${word(f['size'])}, nrcpt=${word(f['nrcpt'])} (queue active)`,
    ],
  ],
  [
    'qmgr.expired',
    (f: Facts) => [`${word(f['id'])}: from=<${word(f['from'])}>, status=${word(f['status'])}`],
  ],
  [
    'qmgr.bounced',
    (f: Facts) =>
      f['bounce'] === undefined || f['bounce'] === 'none'
        ? [keyValues('qmgr.bounced', f)]
        : [`${word(f['id'])}: sender non-delivery notification: ${word(f['bounce'])}`],
  ],
  [
    'qmgr.report',
    (f: Facts) => [
      `${word(f['id'])}: ${word(f['audience'])} ${REPORTS.get(f['kind']) ?? 'notification'}: ${word(f['report'])}`,
    ],
  ],
  // As zmqueuelog writes it.
  ['qmgr.size', (f: Facts) => [`${word(f['date'])}, QUEUE: ${word(f['kilobytes'])} ${word(f['messages'])}`]],
  ['qmgr.discarded', (f: Facts) => [`${word(f['id'])}: ${word(f['reason'])}`]],
  [
    'smtpd.lost',
    (f: Facts) => [`lost connection after ${word(f['command'])} (${word(f['bytes'])} bytes) from ${peer(f)}`],
  ],
])

/** As bounce(8) names them. */
const REPORTS: ReadonlyMap<Fact, string> = new Map([
  ['failed', 'non-delivery notification'],
  ['delayed', 'delay notification'],
  ['arrived', 'delivery status notification'],
])

function peer(facts: Facts): string {
  const port = facts['clientPort'] === undefined ? '' : `:${word(facts['clientPort'])}`
  return `${word(facts['name'] ?? 'unknown')}[${word(facts['client'])}]${port}`
}

function login(facts: Facts): string {
  if (facts['user'] === undefined) return ''
  return `, sasl_method=${word(facts['saslMethod'])}, sasl_username=${word(facts['user'])}`
}

function envelope(facts: Facts): string {
  const to = facts['to'] === undefined ? '' : ` to=<${word(facts['to'])}>`
  return `from=<${word(facts['from'] ?? '')}>${to} proto=${word(facts['proto'] ?? 'SMTP')} helo=<${word(facts['helo'] ?? '')}>`
}

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g

/** Text as it may stand inside a line: what could end or forge one becomes '?', as in Postfix's printable(). */
function word(value: Fact): string {
  return String(value ?? '').replace(UNSAFE, '?')
}

const BARE = /^[A-Za-z0-9_.:@/<>[\]+*=!,-]+$/

/** `event key=value …`; a value that is not one plain word is a JSON string. */
export function keyValues(event: EventName, facts: Facts): string {
  let line: string = event
  for (const [key, value] of Object.entries(facts)) {
    if (value === undefined) continue
    const text = Array.isArray(value) ? value.join(',') : String(value)
    line += ` ${key}=${BARE.test(text) ? text : JSON.stringify(text).replace(UNSAFE, '?')}`
  }
  return line
}
