import test from 'ava'
import type { Appliance } from '#src/console/appliance.ts'
import { StatusPage } from '#src/console/pages/status.ts'
import { readConfig } from '#src/config/config.ts'
import { EMPTY_STATE } from '#src/health/read-state.ts'
import type { HealthState } from '#src/health/state.ts'
import { VirtualClock } from '#test/simulate/virtual-clock.ts'
import { tempFolder } from '#test/support/temp.ts'
import { Rig } from './rig.ts'

/** Ten bits on the line for each octet: start, eight, stop. */
const OCTETS_A_SECOND = 9600 / 10
/** What somebody who has pressed a key waits for: two seconds. */
const FRAME_OCTETS_MAX = 2 * OCTETS_A_SECOND
/** How often the page is looked at and may change, as run.ts has it. */
const TICK_MS = 2000
/** A page whose every number moves takes a fifth of the line. */
const TICK_OCTETS_MAX = (OCTETS_A_SECOND * TICK_MS) / 1000 / 5
/** Nothing but the minute of the time, and whole units of ages. */
const IDLE_MINUTE_OCTETS_MAX = 60

/** A busy box, with everything that the page can show; `n` moves all that moves. */
function busy(n: number, alarms: HealthState['alarms'] = []): HealthState {
  const at = Date.UTC(2026, 10, 22, 12)
  return {
    ...EMPTY_STATE,
    atMs: at,
    master: { kind: 'ok' },
    version: '1.0.0',
    hostname: 'mx1.example.com',
    uptimeMs: 86_400_000 + n,
    generation: 12,
    listeners: [{ address: '', port: 25, service: 'smtp' }],
    clients: 100 + n,
    queue: {
      ...EMPTY_STATE.queue,
      messages: 1000 + n,
      activeMessages: 10 + n,
      recipients: { incoming: n, deferred: 1000 - n, hold: 4, corrupt: 0 },
      oldestDueSeconds: n,
      open: true,
    },
    machine: { cores: 4, load: [n / 10, 1, 1], memoryBytes: 8e9, availableBytes: 8e9 - n * 1e8 },
    rates: {
      ...EMPTY_STATE.rates,
      accepted: 10 + n,
      refusals: n,
      delivered: 12.3 + n,
      deferred: n / 10,
      bounced: n / 100,
    },
    certificates: [{ name: 'the default certificate', untilMs: at + 90 * 86_400_000 }],
    signatures: { count: 123_456, engine: 'hyperscan', writtenMs: at - 3_600_000 },
    alarms,
  }
}

/** The status page alone over states of this test's own. */
function status(states: (looks: number) => HealthState) {
  const folder = tempFolder('line')
  const read = readConfig('', '', folder.path)
  if (read.kind !== 'config') throw new Error('no configuration')
  let looks = 0
  const health = { state: () => Promise.resolve(states(looks++)) }
  // oxlint-disable-next-line no-unsafe-type-assertion -- the rest of it is not asked
  const appliance = { config: { ...read.config, dataFolder: '/nowhere' }, health } as unknown as Appliance
  const clock = new VirtualClock(Date.UTC(2026, 10, 22, 12))
  const env = {}
  const rig = new Rig(
    (desk) => [
      new StatusPage({
        appliance,
        desk,
        clock,
        env,
        remarks: () => ['a remark'],
        isManaged: false,
        cores: () => ({ allMs: 4 * clock.monotonicMs(), idleMs: 3 * clock.monotonicMs() }),
      }),
    ],
    { clock },
  )
  return {
    rig,
    clock,
    [Symbol.dispose]: () => {
      rig[Symbol.dispose]()
      folder[Symbol.dispose]()
    },
  }
}

/** So many ticks in the time that this test owns. */
async function pass({ rig, clock }: ReturnType<typeof status>, ticks: number): Promise<void> {
  for (let n = 0; n < ticks; n += 1) {
    await clock.advance(TICK_MS)
    await rig.app.tick()
  }
}

test('the first frame of a busy box takes no longer than two seconds at 9,600 baud', async (t) => {
  using world = status(() =>
    busy(7, [
      { code: 'LDAP_DOWN', severity: 'error', key: '', reason: 'nobody answers', sinceMs: 0 },
      { code: 'DISK_LOW', severity: 'warning', key: '', reason: '5 MiB of 500 MiB are free', sinceMs: 0 },
    ]),
  )
  const { rig } = world
  rig.takeSent()
  await rig.app.start()
  rig.screen.forget()
  rig.app.redraw()
  t.regex(rig.text, /taken +17\.0[\s\S]*ERROR LDAP_DOWN: nobody answers/)
  const frame = rig.takeSent()
  t.true(frame.length > 500 && frame.length < FRAME_OCTETS_MAX, `${frame.length} octets`)
  t.deepEqual(rig.terminal.strange, [])
})

test('a page on which nothing moves sends next to nothing in a minute, and nothing in most of its seconds', async (t) => {
  using world = status(() => ({ ...busy(7), rates: EMPTY_STATE.rates }))
  const { rig } = world
  await rig.app.start()
  // The share of the cores is known after some time.
  await pass(world, 10)
  t.regex(rig.text, /cores +\[###-------\] {2}25% of 4 cores/)
  rig.takeSent()
  await pass(world, 60_000 / TICK_MS)
  const sent = rig.takeSent()
  t.true(sent.length > 0 && sent.length < IDLE_MINUTE_OCTETS_MAX, JSON.stringify(sent))
  t.regex(rig.text, /12:01/)
})

test('a page on which every number moves takes a part of the line, so that a key is answered at once', async (t) => {
  using world = status((looks) => busy(looks % 50))
  const { rig } = world
  await rig.app.start()
  rig.app.redraw()
  for (let n = 0; n < 50; n += 1) {
    rig.takeSent()
    await pass(world, 1)
    const { length } = rig.takeSent()
    t.true(length > 0 && length < TICK_OCTETS_MAX, `${length} octets`)
  }
})

test('only printable ASCII and the sequences of a VT100 are sent, whatever a reason or a name holds', async (t) => {
  const reason = '\u001b[2J\u001b]0;owned\u0007\u009b5n\r\n\u202e\u00fc\u{1f4a9}\u0000'
  using world = status(() => ({
    ...busy(1, [{ code: 'LDAP_SERVER', severity: 'warning', key: reason, reason, sinceMs: 0 }]),
    hostname: reason,
    problems: [reason],
    certificates: [{ name: reason, untilMs: 0 }],
  }))
  const { rig } = world
  await rig.app.start()
  rig.app.redraw()
  await rig.after('a', /LDAP_SERVER[\s\S]*Look at that server/)
  // oxlint-disable-next-line no-control-regex -- that is what a terminal is sent
  const rest = rig.takeSent().replaceAll(/\u001b\[(?:\d+;\d+H|2J|H|K|7?m)|\u000f/g, '')
  t.regex(rest, /^[ -~]*$/)
  t.deepEqual(rig.terminal.strange, [])
})
