import { statSync, readdirSync, readFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { Appliance, type ProcessKind } from '#test/support/appliance.ts'
import { compare, Ledger, type FaultSpan } from '#test/support/ledger.ts'
import { LmtpSink, type SinkDelivery } from '#test/support/lmtp-sink.ts'
import { sendLoad } from '#test/support/load.ts'
import { seededRandom, seedOfRun, type Random } from '#test/support/random.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'
import { PLAN } from './plan.ts'

const RECIPIENTS = ['alice@example.test', 'bob@example.test', 'postmaster@example.test']
/** Clients that send all the while. */
const SESSIONS = 4
/** A process dies after so many more mails were answered, at most, and so many milliseconds more. */
const ANSWERS_BETWEEN_MAX = 25
const DELAY_MAX_MS = 30

test.serial(
  'whichever process is killed with -9 at whichever moment, no mail with a 250 is lost',
  async (t) => {
    t.timeout(3_600_000)
    const random = seededRandom(seedOfRun())
    t.log(`seed ${random.seed}`)
    using folder = tempFolder('kill')
    using ledger = new Ledger(join(folder.path, 'ledger'))
    await using sink = await LmtpSink.listen()
    await using postern = await Appliance.start({ folder: folder.path, lmtpPort: sink.port, workers: 2 })
    const faults = await killUnderLoad({
      postern,
      ledger,
      random,
      rounds: PLAN.killRounds,
      victims: ['smtpd', 'smtpd', 'qmgr', 'qmgr', 'master'],
    })
    judge(t, ledger, sink.deliveries, faults)
  },
)

test.serial('a mailbox store killed with -9 loses no mail that it had taken', async (t) => {
  t.timeout(3_600_000)
  const random = seededRandom(seedOfRun())
  t.log(`seed ${random.seed}`)
  using folder = tempFolder('kill-mailbox')
  using ledger = new Ledger(join(folder.path, 'ledger'))
  await using postern = await Appliance.start({ folder: folder.path })
  const faults = await killUnderLoad({
    postern,
    ledger,
    random,
    rounds: PLAN.mailboxKillRounds,
    victims: ['mailbox', 'mailbox', 'qmgr', 'master'],
  })
  judge(t, ledger, inMaildirs(postern), faults)
})

interface Killing {
  readonly postern: Appliance
  readonly ledger: Ledger
  readonly random: Random
  readonly rounds: number
  readonly victims: readonly ProcessKind[]
}

/** Kills, round by round, while clients send; then lets the queue run empty. Gives the kills. */
async function killUnderLoad({ postern, ledger, random, rounds, victims }: Killing): Promise<FaultSpan[]> {
  const faults: FaultSpan[] = []
  const over = new AbortController()
  let answers = 0
  const load = sendLoad(
    {
      port: postern.smtpPort,
      ledger,
      seed: random.seed,
      sessions: SESSIONS,
      mailsEach: Number.MAX_SAFE_INTEGER,
      recipients: RECIPIENTS,
      name: 'kill',
      answered: () => {
        answers += 1
      },
    },
    over.signal,
  )
  try {
    for (let round = 0; round < rounds; round += 1) {
      const victim = random.pick(victims)
      const next = answers + random.between(1, ANSWERS_BETWEEN_MAX)
      await until('clients got answers', () => answers >= next)
      // The moment is what chance is for here: nothing waits for this to be over.
      await sleep(random.fraction() * DELAY_MAX_MS)
      const fault = await postern.killOne(victim, (pids) => random.pick(pids))
      if (fault !== undefined) faults.push(fault)
    }
  } finally {
    over.abort()
    await load
  }
  await postern.runEmpty()
  return faults
}

function judge(
  t: ExecutionContext,
  ledger: Ledger,
  deliveries: readonly SinkDelivery[],
  faults: readonly FaultSpan[],
): void {
  const verdict = compare(ledger, deliveries, { elsewhere: new Set(), faults })
  t.log(
    `${faults.length} kills; ${ledger.count('accepted')} accepted, ${ledger.count('deferred')} deferred, ` +
      `${ledger.count('unknown')} unanswered, ${ledger.count('refused')} refused; ` +
      `${deliveries.length} delivered, ${verdict.doubles.length} of them twice around a kill`,
  )
  t.true(ledger.count('accepted') > faults.length, 'mail flowed')
  t.deepEqual(
    { ...verdict, doubles: [] },
    { lost: [], changed: [], refusedYetDelivered: [], strangers: [], doubles: [], unexplained: [] },
  )
}

/** What the embedded store holds, as deliveries: the file's birth is their instant. */
function inMaildirs(postern: Appliance): SinkDelivery[] {
  const root = join(postern.data, 'mailboxes')
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.parentPath.endsWith('/new'))
    .map((entry) => {
      const file = join(entry.parentPath, entry.name)
      const text = readFileSync(file, 'latin1').replaceAll(/\r?\n/g, '\r\n')
      const start = text.indexOf('X-Ledger-Id: ')
      return {
        ledgerId: text.slice(start + 13, text.indexOf('\r\n', start)),
        recipient: '',
        sender: '',
        sha256: createHash('sha256')
          .update(Buffer.from(text.slice(start), 'latin1'))
          .digest('hex'),
        atMs: statSync(file).mtimeMs - performance.timeOrigin,
        message: Buffer.alloc(0),
      }
    })
    .toSorted((a, b) => a.atMs - b.atMs)
}
