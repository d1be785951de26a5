import { openSync, closeSync, readSync, rmSync, truncateSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { openStore, type Store } from '#src/store/sqlite.ts'
import { Appliance } from '#test/support/appliance.ts'
import { compare, Ledger, ledgerMail } from '#test/support/ledger.ts'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { queueFolder } from '#test/support/queue-folder.ts'
import { seededRandom } from '#test/support/random.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

/** Where one message lies. */
interface Lying {
  readonly store: Store
  readonly seq: number
  /** Its file in spool/; '' for one that lies in its row. */
  readonly file: string
}

const SPOOL: readonly { readonly what: string; readonly damage: (lying: Lying) => void }[] = [
  { what: 'a missing spool file', damage: ({ file }) => rmSync(file) },
  { what: 'an empty spool file', damage: ({ file }) => truncateSync(file, 0) },
  { what: 'a spool file that is cut off', damage: ({ file }) => truncateSync(file, 70_000) },
  { what: 'a flipped bit in a spool file', damage: ({ file }) => flipBit(file, 50_001) },
]

const ROW: readonly { readonly what: string; readonly damage: (lying: Lying) => void }[] = [
  {
    what: 'a flipped bit in a body',
    damage: ({ store, seq }) => {
      const stored = store.prepare<[number], Buffer>('SELECT bytes FROM body WHERE seq = ?').pluck().get(seq)
      const bytes = Buffer.from(stored ?? '')
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
      store.prepare('UPDATE body SET bytes = ? WHERE seq = ?').run(bytes, seq)
    },
  },
  { what: 'a body that is gone', damage: sql('DELETE FROM body WHERE seq = ?') },
  {
    what: 'a body that is cut off',
    damage: sql('UPDATE body SET bytes = substr(bytes, 1, 9) WHERE seq = ?'),
  },
  { what: 'another sender', damage: sql("UPDATE message SET sender = 'else@client.example' WHERE seq = ?") },
  { what: 'an envelope that is no JSON', damage: sql("UPDATE message SET envelope = '{' WHERE seq = ?") },
  {
    what: 'another recipient',
    damage: sql("UPDATE recipient SET address = 'bob@example.test' WHERE seq = ?"),
  },
  { what: 'a state that does not exist', damage: sql("UPDATE recipient SET state = 'lost' WHERE seq = ?") },
]

test('damaged mail is set aside as corrupt, and all other mail is delivered byte for byte', async (t) => {
  t.timeout(300_000)
  using folder = tempFolder('damage')
  using ledger = new Ledger(join(folder.path, 'ledger'))
  await using sink = await LmtpSink.listen()
  await sink.shut()
  await using postern = await Appliance.start({ folder: folder.path, lmtpPort: sink.port })

  // For each damage one mail that suffers it, with a sound one on either side.
  const random = seededRandom(5)
  const cases = [...ROW, ...SPOOL]
  const suffering: { readonly id: string; readonly damage: (lying: Lying) => void }[] = []
  {
    using client = await SmtpClient.greeted(postern.smtpPort)
    for (const [i, { damage }] of cases.entries()) {
      const size = i < ROW.length ? 3_000 : 150_000
      for (const which of ['before', 'suffers', 'after']) {
        const mail = ledgerMail(`${which}-${i}`, 'alice@example.test', random, { size })
        const reply = await client.send({
          from: 'sender@client.example',
          to: [mail.recipient],
          message: mail.message,
        })
        t.is(reply.code, 250, reply.text)
        ledger.note(mail, 'accepted')
        if (which === 'suffers') suffering.push({ id: /queued as (\S+)/.exec(reply.text)?.[1] ?? '', damage })
      }
    }
    await client.quit()
  }
  t.is(await postern.stop(), 0)
  breakAll(queueFolder(postern.data), suffering)

  await sink.open()
  await postern.startAgain()
  await postern.tool('queue', 'flush', 'ALL')
  const sound = cases.length * 2
  await sink.taken(sound)
  const ids = suffering.map(({ id }) => id)
  const left = await until('the damaged ones are set aside', async () => {
    const queue = await postern.queue()
    return (
      queue.length === ids.length &&
      queue.every((entry) => JSON.stringify(entry).includes('"corrupt"')) &&
      queue
    )
  })
  for (const [i, id] of ids.entries()) {
    t.true(
      left.some((entry) => JSON.stringify(entry).includes(id)),
      `${cases[i]?.what} is listed`,
    )
  }
  t.is(sink.deliveries.length, sound)
  const verdict = compare(ledger, sink.deliveries, {
    elsewhere: new Set(cases.map((_, i) => `suffers-${i}`)),
    faults: [],
  })
  t.deepEqual(verdict, {
    lost: [],
    changed: [],
    refusedYetDelivered: [],
    strangers: [],
    doubles: [],
    unexplained: [],
  })
})

function sql(statement: string): (lying: Lying) => void {
  return ({ store, seq }) => {
    store.prepare(statement).run(seq)
  }
}

function breakAll(
  folder: string,
  suffering: readonly { readonly id: string; readonly damage: (lying: Lying) => void }[],
): void {
  const store = openStore(join(folder, 'queue.db'))
  try {
    for (const { id, damage } of suffering) {
      const row = store
        .prepare<[string], { seq: number; spool: string | null }>(
          'SELECT seq, spool FROM message WHERE id = ?',
        )
        .get(id)
      if (row === undefined) throw new Error(`${id} is not in the queue`)
      damage({ store, seq: row.seq, file: row.spool === null ? '' : join(folder, 'spool', row.spool) })
    }
  } finally {
    store.close()
  }
}

function flipBit(file: string, at: number): void {
  const fd = openSync(file, 'r+')
  const byte = Buffer.alloc(1)
  readSync(fd, byte, 0, 1, at)
  byte[0] = (byte[0] ?? 0) ^ 4
  writeSync(fd, byte, 0, 1, at)
  closeSync(fd)
}
