import test from 'ava'
import { NO_POLICY } from '#src/delivery/tls-outcome.ts'
import { USUAL_SESSION } from '#src/delivery/tls-session.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'
import { deviant, MANNERS, POINTS } from './deviant-peer.ts'
import { FakePeer } from './fake-peer.ts'
import { addressesOf, deliverer, never, PATIENT, request, shown } from './requests.ts'
import { testPki } from './tls-peer.ts'
import type { Secure } from '#src/delivery/approach.ts'
import type { DeliveryTimeouts } from '#src/delivery/settings.ts'
import type { Deviation, Manner, Point } from './deviant-peer.ts'

// Each class of reply, and each way to give none, at each command: what becomes of each of three recipients.

const folder = tempFolder('reply-classes')
const PKI = await testPki(folder.path)
test.after.always(() => folder[Symbol.dispose]())

const SENT = 'sent 2.0.0 250 2.0.0 taken'
const LATER = 'deferred 4.3.2 450 4.3.2 later'
const BUSY = 'deferred 4.3.2 421 4.3.2 closing'
const NO = 'bounced 5.7.1 550 5.7.1 no'

function lost(doing: string): string {
  return `deferred 4.4.2 lost connection with PEER while ${doing}`
}
function timedOut(doing: string): string {
  return `deferred 4.4.2 conversation with PEER timed out while ${doing}`
}
function odd(doing: string): string {
  return `deferred 4.5.0 remote protocol error in reply from PEER while ${doing}`
}

/** One outcome for all three, or one for each. */
type Expected = string | readonly [string, string, string]
type Row = Readonly<Record<Manner, Expected>>

/** What a command means whose answer is about all recipients; `next` is what is said behind it. */
function usual(doing: string, next: string): Row {
  return {
    '2xx and close': lost(next),
    '3xx': odd(doing),
    '421': BUSY,
    '4xx': LATER,
    '5xx': NO,
    garbage: odd(doing),
    silence: timedOut(doing),
    cut: lost(doing),
    reset: lost(doing),
  }
}

/** Whatever is said there: the mail is delivered, or has been. */
function whatever(outcome: Expected): Row {
  const row = (manner: Manner): readonly [Manner, Expected] => [manner, outcome]
  return { ...usual('', ''), ...Object.fromEntries(MANNERS.map(row)) }
}

const GREETING = 'receiving the initial server greeting'
const EHLO = 'performing the EHLO handshake'
const STARTTLS = 'receiving the STARTTLS response'
const AUTH = 'performing SASL authentication'
const MAIL = 'sending MAIL FROM'
const RCPT = 'sending RCPT TO'
const DATA = 'sending DATA command'
const DOT = 'sending end of data -- message may be sent more than once'

const AFTER_BODY: Row = { ...usual(DOT, ''), '2xx and close': SENT }

/** SMTP. Up to AUTH with TLS at level encrypt, then without. */
const TABLE: Readonly<Record<Point, Row>> = {
  // A host that turns everybody away says nothing about our mail (smtp_skip_5xx_greeting).
  greeting: { ...usual(GREETING, EHLO), '5xx': 'deferred 4.7.1 550 5.7.1 no' },
  // EHLO refused: HELO, and so no STARTTLS.
  EHLO: {
    ...usual(EHLO, STARTTLS),
    '5xx': 'deferred 4.7.4 TLS is required, but was not offered by host PEER',
  },
  STARTTLS: {
    ...usual(STARTTLS, ''),
    '2xx and close': 'deferred 4.7.5 Cannot start TLS: the handshake was broken off',
    '4xx': 'deferred 4.3.2 TLS is required, but host PEER refused to start TLS: 450 4.3.2 later',
    '5xx': 'deferred 4.7.5 TLS is required, but host PEER refused to start TLS: 550 5.7.1 no',
  },
  'EHLO in TLS': usual(EHLO, AUTH),
  // Whoever sent the mail is not to blame for our password.
  AUTH: {
    ...usual(AUTH, MAIL),
    '4xx': 'deferred 4.3.2 SASL authentication failed; server PEER said: 450 4.3.2 later',
    '5xx': 'deferred 4.7.1 SASL authentication failed; server PEER said: 550 5.7.1 no',
  },
  MAIL: usual(MAIL, RCPT),
  RCPT: { ...usual(RCPT, RCPT), '4xx': [SENT, LATER, SENT], '5xx': [SENT, NO, SENT] },
  DATA: usual(DATA, DOT),
  BDAT: AFTER_BODY,
  dot: AFTER_BODY,
  // The mail goes over another connection.
  RSET: whatever(SENT),
  QUIT: whatever(SENT),
}

/** LMTP: the second of the three replies to the message. */
const LMTP_BODY: Row = {
  '2xx and close': [SENT, SENT, lost(DOT)],
  '3xx': [SENT, odd(DOT), odd(DOT)],
  '421': [SENT, BUSY, lost(DOT)],
  '4xx': [SENT, LATER, SENT],
  '5xx': [SENT, NO, SENT],
  garbage: [SENT, odd(DOT), odd(DOT)],
  silence: [SENT, timedOut(DOT), timedOut(DOT)],
  cut: [SENT, lost(DOT), lost(DOT)],
  reset: [SENT, lost(DOT), lost(DOT)],
}

const LHLO = 'performing the LHLO handshake'

/** Greeting and hello with TLS not offered. */
const PLAIN: Readonly<Record<'smtp' | 'lmtp', Readonly<Partial<Record<Point, Row>>>>> = {
  smtp: { greeting: TABLE.greeting, EHLO: { ...usual(EHLO, MAIL), '5xx': SENT } },
  lmtp: {
    greeting: { ...TABLE.greeting, '2xx and close': lost(LHLO) },
    EHLO: usual(LHLO, MAIL),
  },
}

/** Where opportunistic TLS makes a difference: what goes wrong with it is no reason to keep the mail. */
const MAY_STARTTLS: Row = { ...whatever(SENT), '421': BUSY }

const TIMEOUTS: Readonly<Record<Point, keyof DeliveryTimeouts>> = {
  greeting: 'helloMs',
  EHLO: 'helloMs',
  STARTTLS: 'startTlsMs',
  'EHLO in TLS': 'helloMs',
  AUTH: 'helloMs',
  MAIL: 'mailMs',
  RCPT: 'rcptMs',
  DATA: 'dataInitMs',
  BDAT: 'dataDoneMs',
  dot: 'dataDoneMs',
  RSET: 'rsetMs',
  QUIT: 'quitMs',
}
/** Time-outs ring for silence alone, and then the peer has nothing more to say that could come too late. */
const SOON_MS = 1500

const EARLY: ReadonlySet<Point> = new Set(['greeting', 'EHLO', 'STARTTLS', 'EHLO in TLS', 'AUTH'])

interface Case extends Deviation {
  readonly level: 'none' | 'may' | 'encrypt'
  readonly expected: Expected
}

function cases(): Case[] {
  const found: Case[] = []
  for (const at of POINTS) {
    for (const manner of MANNERS) {
      const chunking = at === 'BDAT'
      const refusesFirst = at === 'RSET'
      if (EARLY.has(at)) {
        const tls = { key: PKI.key, cert: PKI.leaf }
        const early = { at, manner, protocol: 'smtp', pipelining: true, tls } as const
        found.push({ ...early, level: 'encrypt', expected: TABLE[at][manner] })
        for (const protocol of ['smtp', 'lmtp'] as const) {
          const expected = PLAIN[protocol][at]?.[manner]
          const plain = { at, manner, protocol, pipelining: true, level: 'none' } as const
          if (expected !== undefined) found.push({ ...plain, expected })
        }
        if (at === 'STARTTLS') found.push({ ...early, level: 'may', expected: MAY_STARTTLS[manner] })
        continue
      }
      for (const protocol of ['smtp', 'lmtp'] as const) {
        const row = protocol === 'lmtp' && (at === 'dot' || at === 'BDAT') ? LMTP_BODY : TABLE[at]
        for (const pipelining of [true, false]) {
          const late = { at, manner, protocol, pipelining, chunking, refusesFirst }
          found.push({ ...late, level: 'none', expected: row[manner] })
        }
      }
    }
  }
  return found
}

function titleOf({ at, manner, protocol, pipelining, level }: Case): string {
  const how = EARLY.has(at) ? ` at level ${level}` : pipelining ? ', pipelined' : ', command by command'
  return `${manner} at ${at} over ${protocol.toUpperCase()}${how}`
}

function secure(level: Case['level']): Secure {
  const credentials = { user: 'u', password: 'p', inPlaintext: false, mechanisms: ['PLAIN'] }
  return () =>
    Promise.resolve({
      kind: 'use',
      source: NO_POLICY,
      policy: { level, session: USUAL_SESSION },
      credentials: level === 'none' ? undefined : credentials,
    })
}

for (const each of cases()) {
  test(titleOf(each), async (t) => {
    const { at, manner, protocol, level, expected } = each
    const heard: string[] = []
    await using peer = await FakePeer.listen(deviant(each, heard))
    const timeouts = manner === 'silence' ? { ...PATIENT, [TIMEOUTS[at]]: SOON_MS } : PATIENT
    const planner = addressesOf(['127.0.0.1'])
    await using delivery = deliverer({ timeouts, tls: level }, { planner, secure: secure(level) })
    const destination = { protocol, host: 'far.test', port: peer.port }
    const deliver = async (): Promise<string[]> => {
      const to = ['a@x.test', 'b@x.test', 'c@x.test']
      return shown(await delivery.deliver({ ...request(peer.port, to), destination }, never)).map((text) =>
        text.replaceAll('far.test[127.0.0.1]', 'PEER'),
      )
    }
    if (at === 'RSET') t.regex((await deliver())[0] ?? '', /^bounced/)
    const outcomes = await deliver()
    // A reset that overtakes the greeting is seen by connect(2) already.
    const seen = outcomes.map((text) =>
      at === 'greeting' && manner === 'reset'
        ? text.replace(/^deferred 4\.4\.1 connect to .*: Connection reset by peer$/, lost(GREETING))
        : text,
    )
    t.deepEqual(seen, typeof expected === 'string' ? [expected, expected, expected] : [...expected])
    await delivery.close()
    if (at === 'QUIT') {
      await until('QUIT is said', () => heard.at(-1) === 'QUIT')
      await peer.conversations[0]?.closed()
    }
    if (at === 'RSET') t.true(heard.includes('RSET'))
    t.deepEqual(peer.failures, [])
  })
}
