import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { Alarm } from '#src/base/alarms.ts'
import { Memory } from '#src/health/snmp/sight.ts'
import { posternInstances } from '#src/health/snmp/postern.ts'
import { REPOSITORY } from '#test/support/appliance.ts'
import { run } from '#test/support/run.ts'
import { MIB_PATH, snmpEnvironment, snmpLacks } from '#test/support/snmpd.ts'
import { tempFolder } from '#test/support/temp.ts'
import { alarm, stateWith } from './support.ts'

const peers = snmpLacks() === undefined ? test : test.skip

const MIB = join(REPOSITORY, 'mibs/POSTERN-MIB.txt')
const TEXT = readFileSync(MIB, 'utf8')
/** Objects that can be asked for: their names, in the order of the file. */
const OBJECTS = [...TEXT.matchAll(/^(\w+) OBJECT-TYPE\n(?:(?!::=)[^])*?MAX-ACCESS +read-only/gm)].map(
  (match) => match[1] ?? '',
)

peers('smilint, at its strictest, has nothing to say about POSTERN-MIB', async (t) => {
  const env = { ...snmpEnvironment('/'), SMIPATH: MIB_PATH }
  const ran = await run('smilint', ['-c', '/dev/null', '-l', '6', '-s', MIB], { env })
  t.deepEqual(ran, { code: 0, stdout: '', stderr: '' })
})

peers(
  'each object of POSTERN-MIB is told, with the type that the file says, and nothing else is',
  async (t) => {
    using folder = tempFolder('snmp-mib')
    const alarms: readonly Alarm[] = [alarm('DISK_LOW')]
    const state = stateWith(alarms, { certificates: [{ name: 'own', untilMs: 0 }] })
    const memory = new Memory()
    memory.note(state, 0)
    const instances = posternInstances({
      state,
      nowMs: 0,
      readMs: 0,
      sysUpTimeS: 0,

      memory,
    })
    const oids = instances.map(({ oid }) => oid.join('.'))
    const env = snmpEnvironment(folder.path, 'POSTERN-MIB')
    const names = await run('snmptranslate', oids, { env })
    const told = names.stdout.match(/(?<=^POSTERN-MIB::)\w+/gm) ?? []
    t.deepEqual([...new Set(told)].toSorted(), OBJECTS.toSorted())
    const types: Readonly<Record<string, RegExp>> = {
      integer: /^(?:INTEGER|Integer32|TruthValue)/,
      gauge32: /^Gauge32/,
      counter32: /^Counter32/,
      counter64: /^Counter64/,
      ticks: /^TimeTicks/,
      text: /^DisplayString/,
    }
    for (const [i, { value }] of instances.entries()) {
      const name = told[i] ?? ''
      const syntax = new RegExp(`^${name} OBJECT-TYPE\\n +SYNTAX +(\\S+)`, 'm').exec(TEXT)?.[1] ?? ''
      t.regex(syntax, types[value.kind] ?? /^$/, name)
    }
  },
)

test('docs/snmp.md says of each object of POSTERN-MIB what the file says, and names each notification', (t) => {
  const page = readFileSync(join(REPOSITORY, 'docs/snmp.md'), 'utf8')
  const notifications = [...TEXT.matchAll(/^(\w+) NOTIFICATION-TYPE/gm)].map((match) => match[1] ?? '')
  t.true(OBJECTS.length > 50)
  t.is(notifications.length, 2)
  t.deepEqual(
    notifications.filter((name) => !page.includes(`\`${name}\``)),
    [],
  )
  for (const name of OBJECTS) {
    const description = new RegExp(`^${name} OBJECT-TYPE(?:(?!::=)[^])*?DESCRIPTION\\s+"([^"]+)"`, 'm').exec(
      TEXT,
    )?.[1]
    const line = page.split('\n').find((one) => one.startsWith(`| \`${name}\` |`)) ?? ''
    t.true(line.endsWith(` | ${description?.replaceAll(/\s+/g, ' ')} |`), `${name}: ${line}`)
  }
})
