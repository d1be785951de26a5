import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'
import { flashed, flipBit, isSlotEmpty } from './harness/disk.ts'
import { espEntries, stickWithFile } from './harness/fat.ts'
import { Health, HEALTH_LINES, HEALTH_PORT } from './harness/health.ts'
import { Machine } from './harness/machine.ts'
import { minutes } from './harness/minutes.ts'
import { Operator } from './harness/operator.ts'
import { provisionFor } from './harness/provision.ts'
import { builtRelease, packed } from './harness/release.ts'
import { Sender } from './harness/sender.ts'
import { Shelf } from './harness/shelf.ts'

/** What runs first is the image of package.json's version; these two are built for this test alone. */
const GOOD = '90.0.0'
const BAD = '91.0.0'
/** A release that looks for its queue somewhere else: every message is on the disk, and it finds none of them. */
const MISTAKE = {
  file: 'src/queue/paths.ts',
  from: "join(queueDir, 'queue.db')",
  to: "join(queueDir, 'queue-of-another.db')",
}
const DEFERRED = 6
const HELD = 3
const ALICE = 'alice@example.test'
/** What a machine in software, on two busy cores, needs for a start and all that follows. */
const WITHIN_MS = 30 * 60_000
const HOURS = 4 * 60 * 60_000

/** Everything that takes part. */
interface World {
  readonly folder: string
  readonly disk: string
  readonly machine: Machine
  readonly health: Health
  readonly operator: Operator
  readonly shelf: Shelf
  readonly sink: LmtpSink
  /** The mailbox server takes mail from now on. */
  readonly takeAll: () => void
  readonly releases: { readonly good: string; readonly bad: string }
}

test('an update comes from an address and is kept, one that is no good comes from a stick and is left again; no mail is lost, and what waits stays as it was', async (t) => {
  t.timeout(HOURS)
  using folder = tempFolder('image-update')
  const releases = await minutes(t, 'two releases built and packed', makeReleases(folder.path))
  let takesAll = false
  await using sink = await LmtpSink.listen({
    answer: (_recipient, id) => {
      if (takesAll || id.startsWith('poll')) return undefined
      return id === 'slow' ? '' : '451 4.2.0 later'
    },
  })
  await using shelf = await Shelf.open()
  const disk = flashed(folder.path)
  const provision = [provisionFor(sink.port), ...HEALTH_LINES, ''].join('\n')
  await using machine = await Machine.start({ disk, provision, ports: [HEALTH_PORT] })
  const health = new Health(machine.forwarded(HEALTH_PORT))
  const operator = new Operator(machine)
  const takeAll = (): void => {
    takesAll = true
  }
  const world = { folder: folder.path, disk, machine, health, operator, shelf, sink, takeAll, releases }
  await (await minutes(t, 'power on to the first 220', machine.greets())).quit()

  const queued = await fill(world)
  const sender = new Sender(machine.port, 'bob@example.test')
  await minutes(t, 'three updates refused', refusals(t, world))
  await goodOne(t, world)
  await waits(health, { deferred: DEFERRED, hold: HELD, active: 1 })
  t.deepEqual(await idsOf(health), queued)
  await badOne(t, world)
  t.deepEqual(await idsOf(health), queued)
  await release(world)
  await sender.stop()
  await nothingLost(t, world, sender)
})

async function makeReleases(folder: string): Promise<World['releases']> {
  const stems = [builtRelease(GOOD, folder), builtRelease(BAD, folder, MISTAKE)] as const
  const [good, bad] = await Promise.all(stems)
  return {
    good: await packed(good, join(folder, 'good.ptu'), { floor: GOOD }),
    bad: await packed(bad, join(folder, 'bad.ptu')),
  }
}

/** Mail in each state that lasts; gives the ids. */
async function fill({ machine, health, operator }: World): Promise<readonly string[]> {
  using client = await SmtpClient.greeted(machine.port)
  for (const id of LEDGER) {
    const message = Buffer.from(`X-Ledger-Id: ${id}\r\nSubject: ${id}\r\n\r\n${'x'.repeat(2000)}\r\n`)
    const reply = await client.send({ from: 'me@example.org', to: [ALICE], message })
    if (reply.code !== 250) throw new Error(reply.text)
  }
  await client.quit()
  await waits(health, { deferred: DEFERRED + HELD, active: 1 })
  await operator.queue('subject:held', 'h', /3 put on hold/)
  await waits(health, { deferred: DEFERRED, hold: HELD, active: 1 })
  return await idsOf(health)
}

/** One that was changed, one by a stranger, one that is older: a sentence for each, and not an octet on the disk. */
async function refusals(
  t: ExecutionContext,
  { folder, disk, operator, shelf, releases }: World,
): Promise<void> {
  const changed = join(folder, 'changed.ptu')
  copyFileSync(releases.good, changed)
  flipBit(changed, 100_000_000)
  const stem = join(folder, 'small')
  for (const piece of ['root.erofs', 'root.verity', 'efi']) writeFileSync(`${stem}.${piece}`, `a ${piece}`)
  writeFileSync(`${stem}.json`, JSON.stringify({ version: GOOD, rootHash: 'a'.repeat(64) }))
  const stranger = await packed(stem, `${stem}-stranger.ptu`, { keys: join(folder, 'strangers-keys') })
  const older = await packed(stem, `${stem}-older.ptu`, { version: '0.0.9' })
  for (const [name, file, reason] of [
    ['stranger.ptu', stranger, /signed with the key [0-9a-f]{16}, which this\s+machine does not know/],
    ['older.ptu', older, /older than release/],
    ['changed.ptu', changed, /its root\.erofs is damaged/],
  ] as const) {
    await operator.fromAddress(shelf.put(name, file))
    t.regex(await operator.sees(reason), /The update was not made/)
  }
  t.true(isSlotEmpty(disk))
  t.is(espEntries(disk).length, 1)
}

async function goodOne(t: ExecutionContext, world: World): Promise<void> {
  const { disk, health, operator, shelf, sink, releases } = world
  const first = await health.version()
  await operator.fromAddress(shelf.put('good.ptu', releases.good))
  await minutes(t, 'update written, restarted, and the new release answers', health.runs(GOOD))
  await minutes(
    t,
    'it is kept',
    until('it is kept', () => isKept(disk, GOOD), WITHIN_MS),
  )
  t.deepEqual(espEntries(disk), [`postern_${first ?? ''}.efi`, `postern_${GOOD}.efi`])
  // Its minute before the next restart would be another.
  await sink.shut()
  await sink.open()
}

async function badOne(t: ExecutionContext, world: World): Promise<void> {
  const { folder, disk, machine, health, operator, releases } = world
  const name = `postern-${BAD}-amd64.ptu`
  await machine.plugIn(stickWithFile(folder, name, releases.bad))
  const { resets } = machine
  await operator.fromStick(name)
  const isBack = async () => machine.resets >= resets + 4 && (await health.version()) === GOOD
  await minutes(t, 'written, tried three times, and left again', until('it is back', isBack, 3 * WITHIN_MS))
  const raised = async () => (await health.alarms()).get('UPDATE_FAILED')
  const alarm = await until('the alarm is raised', raised, WITHIN_MS)
  t.regex(alarm, new RegExp(`${BAD}[^]*messages are not in the queue any more`))
  t.regex(await operator.page('7', 'Update'), new RegExp(`Release ${BAD} was given up`))
  t.deepEqual(espEntries(disk), [`postern_${GOOD}.efi`])
}

/** The mailbox server is back, and the operator lets go what was held. */
async function release({ operator, sink, takeAll }: World): Promise<void> {
  takeAll()
  await sink.shut()
  await sink.open()
  await operator.queue('subject:held', 'r', /3 released/)
  await operator.queue('', 'f', /flushed/)
}

async function nothingLost(t: ExecutionContext, { sink }: World, sender: Sender): Promise<void> {
  const missing = (): string[] => {
    const delivered = new Set(sink.deliveries.map(({ ledgerId }) => ledgerId))
    return [...LEDGER, ...sender.taken].filter((id) => !delivered.has(id))
  }
  const all = until('nothing is missing', () => missing().length === 0, WITHIN_MS).catch(() => {})
  await minutes(t, 'all that waited is delivered', all)
  t.deepEqual(missing(), [])
  const ids = sink.deliveries.map(({ ledgerId }) => ledgerId)
  t.deepEqual(
    ids.filter((id, at) => ids.indexOf(id) !== at),
    [],
    'none came twice',
  )
  const { taken, lost, refusals: refused } = sender
  t.log(`the sender: ${taken.size} times 250, ${lost} times no greeting, ${JSON.stringify([...refused])}`)
  t.deepEqual(
    [...refused.keys()].filter((reply) => !reply.startsWith('421 ')),
    [],
  )
}

const LEDGER: readonly string[] = [
  ...Array.from({ length: DEFERRED }, (_, n) => `later-${n}`),
  ...Array.from({ length: HELD }, (_, n) => `held-${n}`),
  'slow',
]

/** Until so many messages of the ledger are in each queue; the sender's come and go. */
async function waits(health: Health, wanted: Readonly<Record<string, number>>): Promise<void> {
  let seen = ''
  await until(
    `the queues are ${JSON.stringify(wanted)}`,
    async () => {
      const messages = (await health.messages())?.filter(({ recipients }) => recipients.includes(ALICE))
      const counts: Record<string, number> = {}
      for (const { queue } of messages ?? []) counts[queue] = (counts[queue] ?? 0) + 1
      seen = JSON.stringify(counts)
      return Object.keys({ ...wanted, ...counts }).every((queue) => wanted[queue] === counts[queue])
    },
    WITHIN_MS,
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}; they are ${seen}`, { cause: error })
  })
}

async function idsOf(health: Health): Promise<readonly string[]> {
  const messages = await until('the queue tells', async () => await health.messages(), WITHIN_MS)
  return messages
    .filter(({ recipients }) => recipients.includes(ALICE))
    .map(({ id }) => id)
    .toSorted()
}

function isKept(disk: string, version: string): boolean {
  return espEntries(disk).includes(`postern_${version}.efi`)
}
