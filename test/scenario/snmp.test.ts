import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Appliance, REPOSITORY } from '#test/support/appliance.ts'
import { seededRandom } from '#test/support/random.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { MONITOR, Snmpd, freeUdpPorts, snmpLacks } from '#test/support/snmpd.ts'
import { Snmptrapd } from '#test/support/snmptrapd.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const peers = snmpLacks() === undefined ? test : test.skip

interface Box extends AsyncDisposable {
  readonly appliance: Appliance
  readonly snmpd: Snmpd
  readonly snmptrapd: Snmptrapd
  readonly folder: string
  /** Starts snmpd anew, with the same settings. */
  restartSnmpd(): Promise<void>
  /** Values of the objects below this one, in their order. */
  walk(object: string): Promise<readonly string[]>
}

/** A box without HTTP, whose rows snmpd has. */
async function box(tables: readonly string[] = []): Promise<Box> {
  const folder = tempFolder('snmp')
  const [port = 0, trapPort = 0] = await freeUdpPorts(2)
  const setting = {
    port,
    agentx: join(folder.path, 'agentx'),
    targets: [{ host: '127.0.0.1', port: trapPort, kind: 'inform', user: MONITOR.name }],
  } as const
  const snmptrapd = await Snmptrapd.start(folder.path, trapPort)
  const snmpd = await Snmpd.start(folder.path, setting)
  const appliance = await Appliance.start({
    folder: join(folder.path, 'box'),
    submission: true,
    tables: ['[snmp]', `agentx = "${setting.agentx}"`, ...tables],
  })
  const walk = async (object: string): Promise<readonly string[]> => {
    const { stdout } = await snmpd.ask('snmpbulkwalk', ['-OQUv', object])
    return stdout.trim().split('\n')
  }
  await until('snmpd has our rows', async () => (await walk('POSTERN-MIB::posternReady'))[0] === 'true')
  return {
    appliance,
    snmpd,
    snmptrapd,
    folder: folder.path,
    walk,
    restartSnmpd: async () => await snmpd.restart(setting),
    async [Symbol.asyncDispose]() {
      await appliance[Symbol.asyncDispose]()
      await snmpd[Symbol.asyncDispose]()
      await snmptrapd[Symbol.asyncDispose]()
      folder[Symbol.dispose]()
    },
  }
}

/** One mail, and one recipient who is refused. */
async function mail({ appliance }: Box): Promise<void> {
  using client = await SmtpClient.greeted(appliance.smtpPort)
  await client.command('EHLO client.test')
  await client.command('MAIL FROM:<sender@client.test>')
  await client.command('RCPT TO:<nobody@example.test>')
  await client.command('RCPT TO:<postmaster@example.test>')
  await client.command('DATA')
  await client.command(`Subject: a mail\r\n\r\n${'a text\r\n'.repeat(400)}.`)
  await client.quit()
}

/** The lines of a table as snmptable shows it, its columns parted by a bar. */
async function table({ snmpd }: Box, name: string): Promise<readonly Readonly<Record<string, string>>[]> {
  const { stdout, stderr } = await snmpd.askWith('snmptable', ['-OU', '-Ci', '-Cf', '|'], [name])
  const lines = stdout.split('\n').filter((line) => line.includes('|'))
  const [names = []] = lines.map((line) => line.split('|'))
  if (names.length === 0) throw new Error(`${name}: ${stdout}${stderr}`)
  return lines.slice(1).map((line) => {
    const values = line.split('|')
    return Object.fromEntries(names.map((column, i) => [column, values[i] ?? '']))
  })
}

/** The examples of docs/snmp.md: each line that they show is there, whatever its value. */
async function asDocumented(t: ExecutionContext, { snmpd }: Box): Promise<void> {
  const page = readFileSync(join(REPOSITORY, 'docs/snmp.md'), 'utf8')
  const examples = [...page.matchAll(/^ {4}\$ (\w+) (\S+)\n((?: {4}\S.*\n)+)/gm)]
  t.true(examples.length > 3)
  for (const [, tool = '', object = '', shown = ''] of examples) {
    const { stdout } = await snmpd.ask(tool, [object])
    const forms = new Set(stdout.split('\n').map(formOf))
    for (const line of shown.trim().split('\n')) t.true(forms.has(formOf(line)), `${line}: ${stdout}`)
  }
}

/** `Gauge32: 12 seconds` without its value: object, type and unit. */
function formOf(line: string): string {
  const [object = '', value = ''] = line.trim().split(' = ')
  const [type = '', ...words] = value.split(' ')
  return [object, type, ...(type === 'STRING:' ? [] : words.slice(1))].join(' ')
}

function rowOf(
  t: ExecutionContext,
  rows: readonly Readonly<Record<string, string>>[],
  wanted: Readonly<Record<string, string>>,
): void {
  const first = Object.entries(wanted)[0]
  const row = rows.find((one) => first !== undefined && one[first[0]] === first[1]) ?? {}
  t.like(row, wanted)
}

peers(
  'snmptable, snmpwalk and snmpbulkget show what was done, each by the names of its module',
  async (t) => {
    await using it = await box()
    await mail(it)
    await until('it is told', async () => (await it.walk('POSTERN-MIB::posternRecipientsSent'))[0] === '1')
    const appl = await table(it, 'NETWORK-SERVICES-MIB::applTable')
    rowOf(t, appl, { applName: 'postern', applOperStatus: 'up', applVersion: '0.1.0' })
    rowOf(t, appl, { applName: 'submission', applOperStatus: 'up', applAccumulatedInboundAssociations: '0' })
    rowOf(t, appl, { applName: 'delivery', applAccumulatedOutboundAssociations: '1' })
    t.deepEqual(
      appl.map(({ applName }) => applName),
      ['postern', 'smtp', 'submission', 'submissions', 'delivery', 'qmgr', 'directory', 'mailbox'],
    )
    const mta = await table(it, 'MTA-MIB::mtaTable')
    const counts = { mtaReceivedMessages: '1', mtaTransmittedMessages: '1', mtaStoredMessages: '0' }
    rowOf(t, mta, { index: '1', ...counts, mtaReceivedVolume: '3', mtaTransmittedVolume: '3' })
    const groups = await table(it, 'MTA-MIB::mtaGroupTable')
    rowOf(t, groups, { mtaGroupName: 'deferred', mtaGroupStoredRecipients: '0', mtaGroupHierarchy: '1' })
    rowOf(t, groups, { mtaGroupName: 'smtp', mtaGroupReceivedMessages: '1', mtaGroupRejectedMessages: '0' })
    const hop = { mtaGroupName: '127.0.0.1', mtaGroupTransmittedRecipients: '1' }
    rowOf(t, groups, { ...hop, mtaGroupTransmittedMessages: '1', mtaGroupHierarchy: '-3' })
    const errors = await table(it, 'MTA-MIB::mtaGroupErrorTable')
    rowOf(t, errors, { index: '1.11.5001000', mtaGroupInboundErrorCount: '1' })
    const processes = await table(it, 'POSTERN-MIB::posternProcessTable')
    rowOf(t, processes, {
      posternProcessName: 'qmgr/1',
      posternProcessState: 'ready',
      posternProcessSilent: 'false',
    })
    const certificates = await table(it, 'POSTERN-MIB::posternCertificateTable')
    t.true(Number(certificates[0]?.['posternCertificateDaysLeft']) > 1000)
    const bulk = await it.snmpd.ask('snmpbulkget', [
      '-Cn1',
      '-Cr3',
      'SNMPv2-MIB::sysUpTime',
      'MTA-MIB::mtaGroupName',
    ])
    t.is(bulk.stdout.match(/^MTA-MIB::mtaGroupName\.1\.\d+ = STRING: \w+$/gm)?.length, 3, bulk.stdout)
    await asDocumented(t, it)
    const sysOr = await it.walk('SNMPv2-MIB::sysORDescr')
    t.true(sysOr.includes('Postern 0.1.0'))
  },
)

peers('snmpd that is started anew, or killed, has our rows again', async (t) => {
  await using it = await box()
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    await it.snmpd.stop(signal)
    await it.restartSnmpd()
    await until('they are back', async () => (await it.walk('POSTERN-MIB::posternReady'))[0] === 'true')
  }
  t.regex(it.appliance.output, /snmp\.lost/)
})

peers('packets that somebody has changed on their way get nothing and cost nothing', async (t) => {
  await using it = await box()
  const { packets, walk } = await recorded(it.snmpd)
  t.true(walk.includes('0.1.0'), walk)
  const before = await it.walk('POSTERN-MIB::posternProcessName')
  const random = seededRandom(7)
  const socket = createSocket('udp4')
  for (let n = 0; n < 600; n += 1) {
    const changed = Buffer.from(random.pick(packets))
    for (let k = random.between(1, 4); k > 0; k -= 1)
      changed[random.between(0, changed.length)] = random.between(0, 256)
    const cut = random.fraction() < 0.2 ? changed.subarray(0, random.between(0, changed.length)) : changed
    socket.send(cut, it.snmpd.port, '127.0.0.1')
    // No faster than snmpd reads, or the kernel throws most of them away.
    if (n % 20 === 19) t.is((await it.snmpd.ask('snmpget', ['POSTERN-MIB::posternVersion.0'])).code, 0)
  }
  socket.close()
  t.true(it.snmpd.isRunning)
  t.deepEqual(await it.walk('POSTERN-MIB::posternProcessName'), before)
  t.deepEqual(new Set(await it.walk('POSTERN-MIB::posternProcessRestarts')), new Set(['0']))
  t.notRegex(it.appliance.output, /snmp\.(?:error|lost)/)
})

/** Packets of a walk, as they came to snmpd. */
async function recorded(
  snmpd: Snmpd,
): Promise<{ readonly packets: readonly Buffer[]; readonly walk: string }> {
  const inside = createSocket('udp4')
  const outside = createSocket('udp4')
  const packets: Buffer[] = []
  let from = 0
  outside.on('message', (packet, who) => {
    from = who.port
    packets.push(Buffer.from(packet))
    inside.send(packet, snmpd.port, '127.0.0.1')
  })
  inside.on('message', (packet) => outside.send(packet, from, '127.0.0.1'))
  outside.bind(0, '127.0.0.1')
  await once(outside, 'listening')
  const at = outside.address().port
  const walk = await snmpd.askWith('snmpwalk', [], ['POSTERN-MIB::posternSystem'], at)
  const bulk = await snmpd.askWith('snmpbulkwalk', [], ['MTA-MIB::mtaGroupTable'], at)
  outside.close()
  inside.close()
  return { packets, walk: walk.stdout + bulk.stdout }
}

peers(
  'an alarm of the box is a row, and is told to monitors when it begins and when it is over',
  async (t) => {
    using signatures = tempFolder('snmp-signatures')
    const file = join(signatures.path, 'own.hdb')
    writeFileSync(file, '')
    utimesSync(file, 1, 1)
    await using it = await box(['[signatures]', `folder = "${signatures.path}"`])
    await until('it is told', () => it.snmptrapd.heard.length >= 1)
    const alarms = await table(it, 'POSTERN-MIB::posternAlarmTable')
    rowOf(t, alarms, { posternAlarmCode: 'SIGNATURES_OLD', posternAlarmSeverity: 'warning' })
    t.deepEqual(await it.walk('POSTERN-MIB::posternAlarms'), ['1'])
    const now = Date.now() / 1000
    utimesSync(file, now, now)
    t.is((await it.appliance.tool('reload')).code, 0)
    await until('it is told that it is over', () => it.snmptrapd.heard.length >= 2)
    t.deepEqual(it.snmptrapd.heard, [
      'posternAlarmRaised SIGNATURES_OLD  warning the newest file is of 1970-01-01',
      'posternAlarmCleared SIGNATURES_OLD  warning the newest file is of 1970-01-01',
    ])
    t.is((await it.walk('POSTERN-MIB::posternAlarmCode'))[0]?.includes('No Such'), true)
  },
)
