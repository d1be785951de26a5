import test from 'ava'
import { array, assert, nat, property, record, string, uint8Array } from 'fast-check'
import { Fault } from '#src/base/fault.ts'
import { FrameDecoder, FrameWriter, encodeFrame, parseHead } from '#src/net/frames.ts'

const LIMITS = { headBytesMax: 1000, tailBytesMax: 1000 }

interface Frame {
  readonly head: string
  readonly tail: Buffer
}

function decode(chunks: readonly Buffer[], limits = LIMITS): Frame[] {
  const frames: Frame[] = []
  const decoder = new FrameDecoder(limits, (head, tail) => frames.push({ head, tail: Buffer.from(tail) }))
  for (const chunk of chunks) decoder.push(chunk)
  return frames
}

const frame = record({
  head: string({ unit: 'grapheme', maxLength: 40 }),
  tail: uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
})

test('frames come out as they went in, wherever the stream is cut', (t) => {
  assert(
    property(array(frame, { maxLength: 6 }), array(nat(400)), (frames, cuts) => {
      const bytes = Buffer.concat(frames.map(({ head, tail }) => encodeFrame(head, tail)))
      const places = [
        0,
        ...cuts.map((cut) => Math.min(cut, bytes.length)).toSorted((a, b) => a - b),
        bytes.length,
      ]
      const chunks = places.slice(1).map((end, i) => bytes.subarray(places[i], end))
      t.deepEqual(decode(chunks), frames)
    }),
  )
})

test('frames out of memory that is used again keep their tails, wherever the stream is cut', (t) => {
  assert(
    property(array(frame, { maxLength: 6 }), array(nat(400)), (frames, cuts) => {
      const bytes = Buffer.concat(frames.map(({ head, tail }) => encodeFrame(head, tail)))
      const places = [...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].toSorted(
        (a, b) => a - b,
      )
      const found: Frame[] = []
      const decoder = new FrameDecoder(LIMITS, (head, tail) => found.push({ head, tail }))
      const memory = Buffer.alloc(bytes.length)
      let at = 0
      for (const end of places) {
        const length = bytes.copy(memory, 0, at, end)
        decoder.push(memory.subarray(0, length), true)
        memory.fill(0xa5)
        at = end
      }
      t.deepEqual(found, frames)
    }),
  )
})

test('frames come out whole when every octet comes alone', (t) => {
  const frames = [
    { head: '{"a":1}', tail: Buffer.from('tail') },
    { head: '', tail: Buffer.alloc(0) },
    { head: 'ü', tail: Buffer.from([0, 255]) },
  ]
  const bytes = Buffer.concat(frames.map(({ head, tail }) => encodeFrame(head, tail)))
  t.deepEqual(decode([...bytes].map((octet) => Buffer.from([octet]))), frames)
})

test('a frame beyond its limits is refused by its lengths, before anything of it is stored', (t) => {
  for (const [head, tail] of [
    [1001, 0],
    [0, 1001],
    [0xff_ff_ff_ff, 0xff_ff_ff_ff],
  ] as const) {
    const lengths = Buffer.alloc(8)
    lengths.writeUInt32BE(head, 0)
    lengths.writeUInt32BE(tail, 4)
    t.throws(() => decode([lengths]), { instanceOf: Fault, message: /FRAME_MALFORMED/ })
    t.throws(() => decode([lengths.subarray(0, 5), lengths.subarray(5)]), { instanceOf: Fault })
  }
  t.is(decode([encodeFrame('x'.repeat(1000), Buffer.alloc(1000))]).length, 1)
})

test('a tail that is held stays what it was when later chunks come', (t) => {
  const tails: Buffer[] = []
  const decoder = new FrameDecoder(LIMITS, (_, tail) => tails.push(tail))
  for (let i = 0; i < 50; i++) {
    const bytes = encodeFrame('{}', Buffer.alloc(100, i))
    decoder.push(bytes.subarray(0, 60))
    decoder.push(bytes.subarray(60))
  }
  t.true(tails.every((tail, i) => tail.equals(Buffer.alloc(100, i))))
})

test('a head that is no JSON object is malformed', (t) => {
  for (const head of ['', '{', '[]', '1', 'null', '"x"']) {
    t.throws(() => parseHead(head), { instanceOf: Fault, message: /FRAME_MALFORMED/ }, head)
  }
  t.deepEqual(parseHead('{"t":"x"}'), { t: 'x' })
})

class SlowSink {
  readonly writes: Buffer[] = []
  destroyed = false
  writableLength = 0
  /** The kernel takes nothing: what was handed over is still read later. */
  busy = false

  write(bytes: Uint8Array): boolean {
    // Taken at once it is copied, as the kernel does; else it is read from where it is, later.
    const seen = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.writes.push(this.busy ? seen : Buffer.from(seen))
    this.writableLength = this.busy ? 1 : 0
    return true
  }
}

test('the frames of one turn are one write', async (t) => {
  const sink = new SlowSink()
  const writer = new FrameWriter(sink)
  for (let i = 0; i < 100; i++) writer.write(`{"n":${i}}`, Buffer.from('x'))
  t.is(sink.writes.length, 0)
  await new Promise((resolve) => setImmediate(resolve))
  t.is(sink.writes.length, 1)
  t.is(decode(sink.writes).length, 100)
})

test('memory that the kernel has not taken yet is not written over', (t) => {
  const sink = new SlowSink()
  const writer = new FrameWriter(sink)
  sink.busy = true
  for (const text of ['first', 'second', 'third']) {
    writer.write('{}', Buffer.from(text))
    writer.flush()
  }
  t.deepEqual(
    decode(sink.writes).map(({ tail }) => tail.toString()),
    ['first', 'second', 'third'],
  )
})

test('frames larger than what is gathered keep their order', (t) => {
  const limits = { headBytesMax: 1_000_000, tailBytesMax: 1_000_000 }
  const sink = new SlowSink()
  const writer = new FrameWriter(sink)
  const sizes = [10, 300_000, 20, 200_000, 100_000, 30]
  for (const size of sizes) writer.write('{}', Buffer.alloc(size, size % 251))
  writer.flush()
  t.deepEqual(
    decode(sink.writes, limits).map(({ tail }) => tail.length),
    sizes,
  )
})
