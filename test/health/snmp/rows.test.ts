import test from 'ava'
import * as fc from 'fast-check'
import { Rows, compareOids } from '#src/health/snmp/rows.ts'
import { integer } from '#src/health/snmp/values.ts'

const anOid = fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 5 })
const someOids = fc.uniqueArray(anOid, { selector: (oid) => oid.join('.'), maxLength: 30 })

test('what stands behind an identifier is the least that is greater, and before the end that was named', (t) => {
  fc.assert(
    fc.property(someOids, anOid, fc.option(anOid, { nil: undefined }), (oids, from, end) => {
      const rows = new Rows(oids.map((oid) => ({ oid, value: integer(0) })))
      const wanted = oids
        .filter((oid) => compareOids(oid, from) > 0 && (end === undefined || compareOids(oid, end) < 0))
        .toSorted(compareOids)[0]
      return rows.next(from, end)?.oid.join('.') === wanted?.join('.')
    }),
  )
  t.pass()
})

test('what is there is found by its identifier, and nothing else is', (t) => {
  fc.assert(
    fc.property(someOids, anOid, (oids, one) => {
      const rows = new Rows(oids.map((oid) => ({ oid, value: integer(oid.length) })))
      const isThere = oids.some((oid) => compareOids(oid, one) === 0)
      return (rows.get(one) !== undefined) === isThere && oids.every((oid) => rows.get(oid) !== undefined)
    }),
  )
  t.pass()
})

test('a walk meets everything once and in order', (t) => {
  const oids = [
    [1, 3, 10],
    [1, 3, 9, 1],
    [1, 3, 9],
    [1, 2],
  ]
  const rows = new Rows(oids.map((oid) => ({ oid, value: integer(0) })))
  const met: string[] = []
  for (let at = rows.next([0], undefined); at !== undefined; at = rows.next(at.oid, undefined))
    met.push(at.oid.join('.'))
  t.deepEqual(met, ['1.2', '1.3.9', '1.3.9.1', '1.3.10'])
})
