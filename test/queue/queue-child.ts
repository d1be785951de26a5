import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { crc32 } from 'node:zlib'
import { POSTFIX_TIMES } from '#src/queue/schedule.ts'
import { FakeDeliverer, newMessage, startQueue, until } from './support.ts'

/**
 * A queue manager as a process of its own, for tests that kill it or look at its system calls. It appends a line
 * to DIR/sink for each message before it takes it as delivered, as a mailbox server would.
 *
 *     queue-child.ts --dir DIR              serves until it is killed
 *     queue-child.ts --dir DIR --send N     sends N messages to itself, one after the other, and ends
 */
const { values } = parseArgs({ options: { dir: { type: 'string', default: '' }, send: { type: 'string' } } })
const { dir } = values
const paths = { queueDir: join(dir, 'queue'), spoolDir: join(dir, 'queue/spool'), runDir: join(dir, 'run') }

class SinkDeliverer extends FakeDeliverer {
  readonly #fd = openSync(join(dir, 'sink'), 'a')

  constructor() {
    super((request) => {
      const delivery = this.takeNote
      return delivery(request.message.id, request.body.blocks())
    })
  }

  readonly takeNote = async (
    id: string,
    blocks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<object> => {
    let sum = 0
    for await (const block of blocks) sum = crc32(block, sum)
    writeSync(this.#fd, `${id} ${sum}\n`)
    return {}
  }

  override close(): Promise<void> {
    closeSync(this.#fd)
    return Promise.resolve()
  }
}

const queue = await startQueue(paths, {
  deliverer: new SinkDeliverer(),
  times: { ...POSTFIX_TIMES, minimalBackoffMs: 1, maximalBackoffMs: 1 },
})
void queue.fatal.then(() => process.exit(1))
process.stdout.write('ready\n')
if (values.send === undefined) {
  setInterval(() => {}, 1000)
} else {
  for (let i = 0; i < Number(values.send); i++) {
    const removed = (): number => queue.log.lines.filter(({ event }) => event === 'qmgr.removed').length
    if ((await queue.client.submit(newMessage())) !== 'queued') throw new Error('not queued')
    // Every second one is waited for until its outcome is written, alone.
    if (i % 2 === 0) await until(() => removed() > i)
  }
  await queue.stop()
  process.exit(0)
}
