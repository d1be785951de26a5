import { cpSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { Ledger } from '#test/support/ledger.ts'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { sendLoad } from '#test/support/load.ts'
import { LoggedDisk, loggedDiskLacks } from '#test/support/logged-disk.ts'
import { queueFolder, readQueue } from '#test/support/queue-folder.ts'
import { seededRandom, seedOfRun } from '#test/support/random.ts'
import { tempFolder } from '#test/support/temp.ts'
import { PLAN } from './plan.ts'

const lacks = loggedDiskLacks()
const withDisk = lacks === undefined ? test.serial : test.serial.skip
if (lacks !== undefined) process.stderr.write(`Power cuts are skipped: ${lacks}.\n`)

const DISK_BYTES = 64 * 1024 ** 2

/** What happened, on the disk's own clock: the number of its log entries at that moment. */
interface Moment {
  readonly id: string
  readonly entries: number
}

withDisk(
  'whenever the power is cut, every mail with a 250 is on the disk or was delivered, byte for byte',
  async (t) => {
    t.timeout(3_600_000)
    const random = seededRandom(seedOfRun())
    t.log(`seed ${random.seed}`)
    using folder = tempFolder('power-cut')
    using ledger = new Ledger(join(folder.path, 'ledger'))
    await using disk = await LoggedDisk.create(folder.path, DISK_BYTES)
    const accepted: Moment[] = []
    const delivered: Moment[] = []
    // Every other mail is turned away at first, so that the queue holds mail of every age at each cut.
    await using sink = await LmtpSink.listen({
      answer: (_recipient, id) => {
        if (random.fraction() < 0.5) return '451 4.3.0 Later'
        delivered.push({ id, entries: disk.entries() })
        return undefined
      },
    })
    const from = disk.entries()
    {
      await using postern = await Appliance.start({
        folder: join(folder.path, 'appliance'),
        data: disk.mountPoint,
        lmtpPort: sink.port,
        limits: [
          'message_size_limit = 1000000',
          'minimal_backoff_time = "1s"',
          'maximal_backoff_time = "1s"',
        ],
      })
      await sendLoad(
        {
          port: postern.smtpPort,
          ledger,
          seed: random.seed,
          sessions: 3,
          mailsEach: PLAN.powerCutMails / 3,
          recipients: ['alice@example.test', 'bob@example.test'],
          name: 'cut',
          answered: ({ id }, answer) => {
            if (answer === 'accepted') accepted.push({ id, entries: disk.entries() })
          },
        },
        AbortSignal.timeout(600_000),
      )
      t.is(await postern.stop(), 0)
    }
    await disk.down()

    const wrong: string[] = []
    let states = 0
    let more = 0
    await disk.eachCrashState({ count: PLAN.crashStates, from, random }, async ({ cut, kind }, mounted) => {
      states += 1
      const promised = accepted.filter(({ entries }) => entries <= cut).map(({ id }) => id)
      const gone = new Set(delivered.filter(({ entries }) => entries <= cut).map(({ id }) => id))
      const before = `cut ${cut} ${kind}`
      const queued = queueAt(mounted, promised.length > 0)
      const there = new Set<string>()
      for (const message of queued) {
        if (message.kind === 'damaged') {
          wrong.push(`${before}: ${message.reason}`)
          continue
        }
        there.add(message.ledgerId)
        if (message.sha256 !== ledger.mail(message.ledgerId)?.sha256)
          wrong.push(`${before}: ${message.ledgerId} has changed`)
        if (ledger.answer(message.ledgerId) === 'refused')
          wrong.push(`${before}: ${message.ledgerId} was refused`)
      }
      for (const id of promised) if (!there.has(id) && !gone.has(id)) wrong.push(`${before}: ${id} is lost`)
      if ([...there].some((id) => !promised.includes(id))) more += 1
      if (states % Math.ceil(PLAN.crashStates / PLAN.crashStatesStarted) === 0) {
        wrong.push(...(await startedOn(mounted, join(folder.path, `started-${states}`), there)))
      }
    })
    t.log(
      `${states} power cuts over ${accepted.length} accepted mails; in ${more} the queue had more than was promised`,
    )
    t.deepEqual(wrong, [])
  },
)

/** The queue as a cut left it; before the first mail was accepted there need not be one yet. */
function queueAt(mounted: string, mustExist: boolean): ReturnType<typeof readQueue> {
  let folder: string
  try {
    folder = queueFolder(mounted)
  } catch (error) {
    if (mustExist) throw error
    return []
  }
  return readQueue(folder)
}

/** Starts the whole appliance on a copy of the crashed disk; what of the queue it did not deliver. */
async function startedOn(mounted: string, folder: string, queued: ReadonlySet<string>): Promise<string[]> {
  const data = join(folder, 'data')
  cpSync(mounted, data, { recursive: true })
  await using sink = await LmtpSink.listen()
  await using postern = await Appliance.start({
    folder,
    data,
    lmtpPort: sink.port,
    limits: ['message_size_limit = 1000000'],
  })
  await postern.runEmpty()
  const taken = new Set(sink.deliveries.map(({ ledgerId }) => ledgerId))
  return [...queued]
    .filter((id) => !taken.has(id))
    .map((id) => `started on the crashed disk: ${id} was not delivered`)
}
