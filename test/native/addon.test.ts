import test from 'ava'
import { addon, type NativeScanner } from '#src/match/addon.ts'
import type { ScanReport } from '#src/match/types.ts'
import { LIMITS } from '#test/match/support.ts'

const state = (): Float64Array => new Float64Array(new SharedArrayBuffer(64))

function readySet(): InstanceType<typeof addon.SignatureSet> {
  const set = new addon.SignatureSet([])
  set.compile(false)
  return set
}

function scanner(): NativeScanner {
  return new addon.Scanner(readySet(), LIMITS, state())
}

function detached(): Uint8Array {
  const bytes = new Uint8Array(16)
  structuredClone(bytes, { transfer: [bytes.buffer] })
  return bytes
}

/** Calls a method of one object on another. */
function callAs(self: object, owner: object, method: string, args: readonly unknown[]): unknown {
  const callee: unknown = Reflect.get(owner, method)
  if (typeof callee !== 'function') throw new Error(`no method ${method}`)
  return Reflect.apply(callee, self, args)
}

/** Calls a method with arguments that its type forbids. */
function call(target: object, method: string, ...args: readonly unknown[]): unknown {
  return callAs(target, target, method, args)
}

const make = (constructor: Function, ...args: readonly unknown[]): unknown =>
  Reflect.construct(constructor, args)

const NOT_BYTES: readonly unknown[] = [
  undefined,
  null,
  1,
  'text',
  {},
  [],
  new ArrayBuffer(8),
  new DataView(new ArrayBuffer(8)),
  new Uint16Array(8),
  new Int8Array(8),
  new Uint8ClampedArray(8),
]
const NOT_NUMBERS: readonly unknown[] = [undefined, null, '1', {}, 1n, Symbol('x')]
const NOT_OFFSETS: readonly number[] = [-1, 0.5, Number.NaN, Infinity, -Infinity, 17, 2 ** 53, 1e300]

test('sources that are none are refused', (t) => {
  for (const sources of [undefined, null, 1, 'x', {}, new Uint8Array(1)])
    t.throws(() => make(addon.SignatureSet, sources), { instanceOf: TypeError })
  const good = { name: 'x', kind: 'ndb', text: new Uint8Array(0) }
  for (const source of [
    undefined,
    null,
    1,
    {},
    { ...good, name: 1 },
    { ...good, kind: undefined },
    { ...good, text: 'x' },
    { ...good, text: detached() },
  ]) {
    t.throws(() => make(addon.SignatureSet, [source]), { instanceOf: TypeError })
  }
  t.throws(() => make(addon.SignatureSet, [{ ...good, kind: 'ldb' }]), { instanceOf: RangeError })
  const throwing = {
    ...good,
    get name(): string {
      throw new SyntaxError('from a getter')
    },
  }
  t.throws(() => make(addon.SignatureSet, [throwing]), { instanceOf: SyntaxError })
  const taken = { ...good, text: new Uint8Array(64) }
  const taking = {
    ...good,
    get name(): string {
      structuredClone(0, { transfer: [taken.text.buffer] })
      return 'x'
    },
  }
  t.throws(() => make(addon.SignatureSet, [taken, taking]), { instanceOf: TypeError })
  t.throws(() => Reflect.apply(addon.SignatureSet, {}, [[]]), { instanceOf: TypeError })
})

test('a signature set is made ready once, and not used before or after', (t) => {
  const set = new addon.SignatureSet([])
  t.throws(() => set.info(), { instanceOf: TypeError })
  t.throws(() => new addon.Scanner(set, LIMITS, state()), { instanceOf: TypeError })
  t.throws(() => call(set, 'compile', 1), { instanceOf: TypeError })
  for (const bytes of NOT_BYTES) t.throws(() => call(set, 'load', bytes), { instanceOf: TypeError })
  t.false(set.load(new Uint8Array(0)))
  t.false(set.load(new Uint8Array(100).fill(7)))
  set.compile(false)
  t.throws(() => set.compile(false), { instanceOf: TypeError })
  t.throws(() => set.load(set.serialize()), { instanceOf: TypeError })
  set.close()
  set.close()
  for (const method of ['cacheKey', 'load', 'compile', 'serialize', 'info'])
    t.throws(() => call(set, method, new Uint8Array(1)), { instanceOf: TypeError })
  t.throws(() => new addon.Scanner(set, LIMITS, state()), { instanceOf: TypeError })
})

test('a scanner outlives the closing of its signature set', (t) => {
  const set = readySet()
  const native = new addon.Scanner(set, LIMITS, state())
  set.close()
  native.begin('data')
  native.write(Buffer.from('x\r\n'), 0, 3, new Uint8Array(14), 0)
  t.regex(native.finish(), /"bytes":3}$/)
})

test('a scanner wants a set, limits and shared state', (t) => {
  const set = readySet()
  for (const other of [undefined, {}, Object.create(addon.SignatureSet.prototype), new addon.Encoder()]) {
    t.throws(() => make(addon.Scanner, other, LIMITS, state()), { instanceOf: TypeError })
  }
  for (const limits of [undefined, 1, {}, { ...LIMITS, depthMax: '1' }])
    t.throws(() => make(addon.Scanner, set, limits, state()), { instanceOf: TypeError })
  for (const limits of [
    { ...LIMITS, depthMax: 0 },
    { ...LIMITS, partsMax: -1 },
    { ...LIMITS, headerBytesMax: Number.NaN },
    { ...LIMITS, depthMax: 101 },
    { ...LIMITS, partsMax: 1e12 },
  ]) {
    t.throws(() => make(addon.Scanner, set, limits, state()), { instanceOf: RangeError })
  }
  for (const shared of [
    undefined,
    new Float64Array(8),
    new Float32Array(new SharedArrayBuffer(64)),
    new Float64Array(new SharedArrayBuffer(8)),
    new SharedArrayBuffer(64),
  ]) {
    t.throws(() => make(addon.Scanner, set, LIMITS, shared), { instanceOf: TypeError })
  }
})

test('write refuses what is no range of octets', (t) => {
  const native = scanner()
  native.begin('data')
  const input = new Uint8Array(16)
  const out = new Uint8Array(64)
  for (const bytes of [...NOT_BYTES, detached()]) {
    t.throws(() => call(native, 'write', bytes, 0, 0, out, 0), { instanceOf: TypeError })
    t.throws(() => call(native, 'write', input, 0, 1, bytes, 0), { instanceOf: TypeError })
  }
  for (const offset of NOT_NUMBERS) {
    t.throws(() => call(native, 'write', input, offset, 1, out, 0), { instanceOf: TypeError })
    t.throws(() => call(native, 'write', input, 0, offset, out, 0), { instanceOf: TypeError })
    t.throws(() => call(native, 'write', input, 0, 1, out, offset), { instanceOf: TypeError })
  }
  for (const offset of NOT_OFFSETS) {
    t.throws(() => native.write(input, offset, 16, out, 0), { instanceOf: RangeError })
    t.throws(() => native.write(input, 0, offset, out, 0), { instanceOf: RangeError })
  }
  for (const offset of [...NOT_OFFSETS.filter((n) => n !== 17), 65])
    t.throws(() => native.write(input, 0, 1, out, offset), { instanceOf: RangeError })
  t.throws(() => native.write(input, 2, 1, out, 0), { instanceOf: RangeError })
  t.throws(() => native.write(input, 0, 16, out, 25), { instanceOf: RangeError }) // 39 octets of 40
  t.notThrows(() => native.write(input, 0, 16, out, 24))
  t.throws(() => native.write(out, 0, 16, out, 8), { instanceOf: RangeError })
  t.throws(() => call(native, 'write'), { instanceOf: TypeError })
})

test('calls out of turn are refused', (t) => {
  const native = scanner()
  const bytes = new Uint8Array(32)
  t.throws(() => native.write(bytes, 0, 1, new Uint8Array(32), 0), { instanceOf: TypeError })
  t.throws(() => native.finish(), { instanceOf: TypeError })
  t.throws(() => native.beginRecheck(), { instanceOf: TypeError })
  for (const framing of [undefined, 1, {}])
    t.throws(() => call(native, 'begin', framing), { instanceOf: TypeError })
  t.throws(() => call(native, 'begin', 'bdata'), { instanceOf: RangeError })
  native.begin('bdat')
  t.throws(() => native.beginRecheck(), { instanceOf: TypeError })
  t.throws(() => native.recheck(bytes), { instanceOf: TypeError })
  native.finish()
  t.throws(() => native.finish(), { instanceOf: TypeError })
  native.beginRecheck()
  for (const other of [...NOT_BYTES, detached()])
    t.throws(() => call(native, 'recheck', other), { instanceOf: TypeError })
  native.finishRecheck()
  t.throws(() => native.finishRecheck(), { instanceOf: TypeError })
  native.begin('data')
  native.close()
  native.close()
  for (const method of ['begin', 'write', 'finish', 'beginRecheck', 'recheck', 'finishRecheck'])
    t.throws(() => call(native, method, 'data'), { instanceOf: TypeError })
})

test('a method is for its own kind of object', (t) => {
  const native = scanner()
  const encoder = new addon.Encoder()
  t.throws(() => callAs(encoder, native, 'write', [new Uint8Array(1), 0, 1, new Uint8Array(10), 0]), {
    instanceOf: TypeError,
  })
  t.throws(() => callAs(native, encoder, 'begin', []), { instanceOf: TypeError })
  t.throws(() => callAs({}, native, 'finish', []), { instanceOf: TypeError })
})

test('the encoder refuses what is no range of octets', (t) => {
  const encoder = new addon.Encoder()
  const input = new Uint8Array(16)
  const out = new Uint8Array(64)
  for (const bytes of [...NOT_BYTES, detached()]) {
    t.throws(() => call(encoder, 'write', bytes, 0, 0, out, 0), { instanceOf: TypeError })
    t.throws(() => call(encoder, 'write', input, 0, 1, bytes, 0), { instanceOf: TypeError })
    t.throws(() => call(encoder, 'finish', bytes, 0), { instanceOf: TypeError })
  }
  for (const offset of NOT_OFFSETS)
    t.throws(() => encoder.write(input, 0, offset, out, 0), { instanceOf: RangeError })
  t.throws(() => encoder.finish(out, 57), { instanceOf: RangeError })
  t.is(encoder.finish(out, 56), 3)
})

test('what another message left behind is not in the next report', (t) => {
  const native = scanner()
  const out = new Uint8Array(4096)
  const odd = Buffer.from(
    'Received: x\nContent-Type: multipart/mixed; boundary=b; name=a.exe\n\n--b\n\0\xff',
    'latin1',
  )
  native.begin('data')
  native.write(odd, 0, odd.length, out, 0) // and no finish: the client went away
  native.begin('data')
  native.write(Buffer.from('.\r\n'), 0, 3, out, 0)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what MessageScanner does, too
  const report = JSON.parse(native.finish()) as ScanReport
  t.deepEqual(
    report.parts.map((part) => part.names),
    [[]],
  )
  t.is(report.header.receivedCount, 0)
  t.false(report.nul || report.eightBit || report.bareLf)
  t.deepEqual(report.defects, [])
})
