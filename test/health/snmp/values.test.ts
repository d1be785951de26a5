import test from 'ava'
import * as fc from 'fast-check'
import { AgentXPdu } from 'net-snmp'
import { PDU, varbindOf } from '#src/health/snmp/answers.ts'
import * as values from '#src/health/snmp/values.ts'

const NUMBERS = [
  values.integer,
  values.gauge32,
  values.counter32,
  values.counter64,
  values.ticks,
  values.interval,
] as const

for (const [what, made, expected] of [
  ['a gauge that would be too large stays at its largest', values.gauge32(2 ** 33), 4_294_967_295],
  ['a gauge is never negative', values.gauge32(-3), 0],
  ['a counter goes on at 0', values.counter32(2 ** 32 + 7.9), 7],
  ['what is no number is 0', values.counter32(Number.NaN), 0],
  ['an integer has 31 bits and a sign', values.integer(-(2 ** 40)), -2_147_483_648],
  ['a counter of 64 bits may be larger than 2^32', values.counter64(2 ** 40), 2n ** 40n],
  ['what is infinite is as large as can be told', values.interval(Infinity), 2_147_483_647],
  ['a time before snmpd was started is 0', values.ticks(-Infinity), 0],
  ['time is told in hundredths of a second', values.ticks(1.239), 123],
  ['a text is one line of ASCII', values.text('a\r\nb\u00e9\u{1f600}\0c'), 'a  b???c'],
  ['a text has 255 characters at most', values.text('x'.repeat(1000)), 'x'.repeat(255)],
  ['what is no object identifier is 0.0', values.oid([1, -3]), '0.0'],
] as const) {
  test(what, (t) => {
    t.is(made.value, expected)
  })
}

test('whatever number or text comes in, what comes out can be written, and is as long as it says', (t) => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.double(),
        fc.integer(),
        fc.constantFrom(Number.NaN, Infinity, -Infinity, -0, 2 ** 32, 2 ** 64),
      ),
      fc.oneof(fc.string({ unit: 'binary' }), fc.string({ maxLength: 2000 })),
      fc.array(fc.oneof(fc.integer(), fc.double()), { maxLength: 200 }),
      (number, text, parts) => {
        const all = [...NUMBERS.map((make) => make(number)), values.text(text), values.oid(parts)]
        const varbinds = all.map((value) => varbindOf({ oid: [1, 3, 6, 1, 4, 1, 1], value }))
        const bytes = AgentXPdu.createFromVariables({ pduType: PDU.notify, varbinds }).toBuffer()
        return bytes.length === 20 + bytes.readUInt32BE(16) && bytes.length % 4 === 0
      },
    ),
  )
  t.pass()
})
