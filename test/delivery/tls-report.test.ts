import { join } from 'node:path'
import test from 'ava'
import { memoryLog } from '#src/base/log.ts'
import { PeerMemory, dayOf, readTlsDay } from '#src/delivery/peer-memory.ts'
import { NO_POLICY } from '#src/delivery/tls-outcome.ts'
import { tlsReports } from '#src/delivery/tls-report.ts'
import { TlsTally } from '#src/delivery/tls-tally.ts'
import { tempFolder } from '#test/support/temp.ts'
import type { TlsOutcome } from '#src/delivery/tls-outcome.ts'

const STS = { type: 'sts', strings: ['version: STSv1', 'mode: testing'], mxHosts: ['*.far.example'] } as const
const AT = Date.UTC(2026, 10, 22, 12)

function outcome(change: Partial<TlsOutcome> = {}): TlsOutcome {
  const where = { mxHost: 'mx.far.example', address: '192.0.2.1', sender: '192.0.2.9' }
  return { source: STS, ...where, failure: undefined, ...change }
}

/** A tally over a file, with a clock that the test sets. */
function world(path: string) {
  const state = { nowMs: AT }
  const memory = new PeerMemory(path, memoryLog())
  const clock = { nowMs: () => state.nowMs, monotonicMs: () => 0, sleep: () => Promise.resolve() }
  const tally = new TlsTally(memory, clock)
  return {
    state,
    tally,
    [Symbol.dispose]: () => {
      tally[Symbol.dispose]()
      memory[Symbol.dispose]()
    },
  }
}

function noPolicy(domain: string) {
  return {
    policy: { 'policy-type': 'no-policy-found', 'policy-domain': domain },
    summary: { 'total-successful-session-count': 2, 'total-failure-session-count': 0 },
  }
}

test('sessions are counted by domain, policy and outcome, over a restart too, and come out as RFC 8460 wants them', (t) => {
  using folder = tempFolder('tls-report')
  const path = join(folder.path, 'peers.db')
  for (const _ of ['before', 'after the restart']) {
    using given = world(path)
    const { tally } = given
    tally.record('far.example', outcome())
    tally.record('far.example', outcome({ address: '192.0.2.2' }))
    const expired = { type: 'certificate-expired', reason: 'CERT_HAS_EXPIRED' } as const
    tally.record('far.example', outcome({ failure: expired }))
    tally.flush()
    tally.record('far.example', outcome({ failure: { ...expired, reason: 'said otherwise' } }))
    tally.record('far.example', outcome({ source: NO_POLICY }))
    tally.record('other.example', outcome({ source: NO_POLICY }))
  }
  const facts = { day: '2026-11-22', organization: 'mx.test', contact: 'postmaster@mx.test' }
  const [far, other, ...more] = tlsReports(readTlsDay(path, '2026-11-22'), facts)
  t.deepEqual(more, [])
  const common = {
    'organization-name': 'mx.test',
    'date-range': { 'start-datetime': '2026-11-22T00:00:00Z', 'end-datetime': '2026-11-22T23:59:59Z' },
    'contact-info': 'postmaster@mx.test',
  }
  t.deepEqual(far, {
    ...common,
    'report-id': '2026-11-22T00:00:00Z_far.example',
    policies: [
      noPolicy('far.example'),
      {
        policy: {
          'policy-type': 'sts',
          'policy-string': STS.strings,
          'policy-domain': 'far.example',
          'mx-host': STS.mxHosts,
        },
        summary: { 'total-successful-session-count': 4, 'total-failure-session-count': 4 },
        'failure-details': [
          {
            'result-type': 'certificate-expired',
            'sending-mta-ip': '192.0.2.9',
            'receiving-mx-hostname': 'mx.far.example',
            'receiving-ip': '192.0.2.1',
            'failed-session-count': 4,
            'failure-reason-code': 'CERT_HAS_EXPIRED',
          },
        ],
      },
    ],
  })
  t.deepEqual(other, {
    ...common,
    'report-id': '2026-11-22T00:00:00Z_other.example',
    policies: [noPolicy('other.example')],
  })
})

test('a day is a day of UTC, and after a week it is forgotten', (t) => {
  using folder = tempFolder('tls-days')
  const path = join(folder.path, 'peers.db')
  using given = world(path)
  const { state, tally } = given
  state.nowMs = Date.UTC(2026, 10, 22, 23, 59, 59, 999)
  tally.record('far.example', outcome())
  state.nowMs += 1
  tally.record('far.example', outcome())
  tally.flush()
  t.is(readTlsDay(path, '2026-11-22')[0]?.sessions, 1)
  t.is(readTlsDay(path, '2026-11-23')[0]?.sessions, 1)
  state.nowMs += 8 * 86_400_000
  tally.record('far.example', outcome())
  tally.flush()
  t.deepEqual(readTlsDay(path, '2026-11-22'), [])
  t.is(readTlsDay(path, '2026-11-23').length, 1)
  t.is(readTlsDay(path, dayOf(state.nowMs)).length, 1)
})

test('a domain whose every session is another story does not fill memory or disk', (t) => {
  using folder = tempFolder('tls-bound')
  const path = join(folder.path, 'peers.db')
  using given = world(path)
  const failure = { type: 'validation-failure', reason: 'x'.repeat(5000) } as const
  for (let round = 0; round < 6; round += 1) {
    for (let n = 0; n < 10_100; n += 1) {
      given.tally.record('far.example', outcome({ address: `2001:db8::${round}:${n}`, failure }))
    }
    given.tally.flush()
  }
  const rows = readTlsDay(path, '2026-11-22')
  t.is(rows.length, 50_000)
  t.is(rows[0]?.reason.length, 200)
})
