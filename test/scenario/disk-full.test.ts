import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { errorCode } from '#src/base/fault.ts'
import { Appliance } from '#test/support/appliance.ts'
import { compare, Ledger, ledgerMail } from '#test/support/ledger.ts'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { seededRandom } from '#test/support/random.ts'
import { must, run } from '#test/support/run.ts'
import { SmtpClient, type ClientReply } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const canMount = process.getuid?.() === 0
if (!canMount) process.stderr.write('A full disk is skipped: it needs root (to mount a small one).\n')
const asRoot = canMount ? test : test.skip

asRoot(
  'a full disk gives 452 4.3.1 at MAIL, loses nothing, and mail is taken again when there is room',
  async (t) => {
    using folder = tempFolder('disk-full')
    const data = join(folder.path, 'small')
    mkdirSync(data)
    await must('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', data])
    try {
      await fillAndRecover(t, folder.path, data)
    } finally {
      await run('umount', ['-l', data])
    }
  },
)

async function fillAndRecover(t: ExecutionContext, folder: string, data: string): Promise<void> {
  using ledger = new Ledger(join(folder, 'ledger'))
  await using sink = await LmtpSink.listen()
  await sink.shut()
  await using postern = await Appliance.start({
    folder,
    data,
    lmtpPort: sink.port,
    limits: ['message_size_limit = 1000000'],
  })
  const random = seededRandom(3)
  let sent = 0
  using client = await SmtpClient.greeted(postern.smtpPort)
  async function oneMore(): Promise<ClientReply> {
    sent += 1
    const mail = ledgerMail(`full-${sent}`, 'alice@example.test', random)
    const reply = await client.send({
      from: 'sender@client.example',
      to: [mail.recipient],
      message: mail.message,
    })
    ledger.note(mail, reply.code === 250 ? 'accepted' : reply.code < 500 ? 'deferred' : 'refused')
    return reply
  }
  t.is((await oneMore()).code, 250)

  fill(join(data, 'filler'))
  const full = await until('the full disk is noticed', async () => {
    const reply = await client.command('MAIL FROM:<sender@client.example>')
    await client.command('RSET')
    return reply.code !== 250 && reply
  })
  t.is(full.code, 452, full.text)
  t.is(full.dsn, '4.3.1')
  t.is((await oneMore()).code, 452)

  rmSync(join(data, 'filler'))
  await until('mail is taken again', async () => (await oneMore()).code === 250)
  await sink.open()
  t.is((await postern.tool('queue', 'flush', 'ALL')).code, 0)
  await until('the queue is empty', async () => (await postern.queue()).length === 0)
  const verdict = compare(ledger, sink.deliveries, { elsewhere: new Set(), faults: [] })
  t.deepEqual(
    { lost: verdict.lost, changed: verdict.changed, twice: verdict.unexplained },
    { lost: [], changed: [], twice: [] },
  )
}

/** Writes until the disk takes no more. */
function fill(file: string): void {
  const block = Buffer.alloc(65_536, 1)
  const fd = openSync(file, 'w')
  try {
    for (;;) writeSync(fd, block)
  } catch (error) {
    if (errorCode(error) !== 'ENOSPC') throw error
  } finally {
    closeSync(fd)
  }
}

asRoot('a queue that has filled the disk itself gives the room back as it empties', async (t) => {
  using folder = tempFolder('disk-filled')
  const data = join(folder.path, 'small')
  mkdirSync(data)
  await must('mount', ['-t', 'tmpfs', '-o', 'size=28m', 'tmpfs', data])
  try {
    await using sink = await LmtpSink.listen()
    await sink.shut()
    await using postern = await Appliance.start({
      folder: folder.path,
      data,
      lmtpPort: sink.port,
      limits: ['message_size_limit = 2000000'],
    })
    const message = Buffer.from(`Subject: large\r\n\r\n${`${'z'.repeat(70)}\r\n`.repeat(12_000)}`)
    const send = async (): Promise<number> => {
      using client = await SmtpClient.greeted(postern.smtpPort)
      return (await client.send({ from: 'sender@client.example', to: ['alice@example.test'], message })).code
    }
    let accepted = 0
    while ((await send()) === 250) accepted += 1
    t.true(accepted > 5, `${accepted} were taken`)
    await sink.open()
    t.is((await postern.tool('queue', 'flush', 'ALL')).code, 0)
    await until('the queue is empty', async () => (await postern.queue()).length === 0)
    await until('mail is taken again', async () => (await send()) === 250)
    await until('all of it is delivered', () => sink.deliveries.length === accepted + 1)
  } finally {
    await run('umount', ['-l', data])
  }
})
