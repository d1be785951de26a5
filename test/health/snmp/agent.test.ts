import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import type { Alarm } from '#src/base/alarms.ts'
import { FrameReader } from '#src/health/snmp/frames.ts'
import { MONITOR, Snmpd, freeUdpPorts, snmpLacks } from '#test/support/snmpd.ts'
import { Snmptrapd } from '#test/support/snmptrapd.ts'
import { freePorts, tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'
import { alarm, runAgent, stateWith } from './support.ts'
import type { RunningAgent } from './support.ts'

const peers = snmpLacks() === undefined ? test : test.skip

const POSTERN = '.1.3.6.1.4.1.8072.9999.9999.2525'

function events(agent: RunningAgent, name: string): readonly unknown[] {
  return agent.said.filter(({ event }) => event === name).map(({ facts }) => facts)
}

peers(
  'an alarm is told once when it is raised and once when it is over, whoever was away meanwhile',
  async (t) => {
    using folder = tempFolder('snmp-alarms')
    const [port = 0, trapPort = 0] = await freeUdpPorts(2)
    const agentx = join(folder.path, 'agentx')
    const targets = [{ host: '127.0.0.1', port: trapPort, kind: 'inform', user: MONITOR.name }] as const
    await using snmptrapd = await Snmptrapd.start(folder.path, trapPort)
    await using snmpd = await Snmpd.start(folder.path, { port, agentx, targets })
    const socket = { kind: 'unix', path: agentx } as const
    let raised: readonly Alarm[] = [alarm('DISK_LOW', '', 'line\n1 "of" 2')]
    const told: unknown[] = []
    {
      await using agent = runAgent(socket, folder.path, () => stateWith(raised))
      await until('it is told', () => events(agent, 'snmp.notified').length >= 1)
      // Another reason is the same alarm.
      raised = [alarm('DISK_LOW', '', 'less and less'), alarm('LDAP_SERVER', 'ldap2')]
      await until('the second is told', () => events(agent, 'snmp.notified').length >= 2)
      raised = raised.slice(1)
      await until('it is told that it is over', () => events(agent, 'snmp.notified').length >= 3)
      // What happens while snmpd is away is told when it is back, and what was over by then is not.
      await snmpd.stop()
      await until('it is noticed', () => events(agent, 'snmp.lost').length > 0)
      raised = [alarm('CLOCK_WRONG')]
      raised = [alarm('DNS_FAILING')]
      await snmpd.restart({ port, agentx, targets })
      await until('both are told', () => events(agent, 'snmp.notified').length >= 5)
      await until('both are heard', () => snmptrapd.heard.length >= 5)
      told.push(...events(agent, 'snmp.notified'))
    }
    // The agent was away: what it had told is not told again, and what is over now is.
    raised = [alarm('QUEUE_STALLED')]
    await using agent = runAgent(socket, folder.path, () => stateWith(raised))
    await until('the change is told', () => events(agent, 'snmp.notified').length >= 2)
    await until('it is heard', () => snmptrapd.heard.length >= 7)
    told.push(...events(agent, 'snmp.notified'))
    t.deepEqual(told, [
      { code: 'DISK_LOW', key: '', raised: true },
      { code: 'LDAP_SERVER', key: 'ldap2', raised: true },
      { code: 'DISK_LOW', key: '', raised: false },
      { code: 'LDAP_SERVER', key: 'ldap2', raised: false },
      { code: 'DNS_FAILING', key: '', raised: true },
      { code: 'DNS_FAILING', key: '', raised: false },
      { code: 'QUEUE_STALLED', key: '', raised: true },
    ])
    t.deepEqual(snmptrapd.heard, [
      'posternAlarmRaised DISK_LOW  warning line 1 "of" 2',
      'posternAlarmRaised LDAP_SERVER ldap2 warning it is so',
      'posternAlarmCleared DISK_LOW  warning line 1 "of" 2',
      'posternAlarmCleared LDAP_SERVER ldap2 warning it is so',
      'posternAlarmRaised DNS_FAILING  error it is so',
      'posternAlarmCleared DNS_FAILING  error it is so',
      'posternAlarmRaised QUEUE_STALLED  error it is so',
    ])
  },
)

peers(
  'a table of three hundred rows is walked whole, by one question after the other and in bulk',
  async (t) => {
    using folder = tempFolder('snmp-walk')
    const [port = 0] = await freeUdpPorts(1)
    const agentx = join(folder.path, 'agentx')
    await using snmpd = await Snmpd.start(folder.path, { port, agentx })
    const raised = Array.from({ length: 300 }, (_, i) => alarm('SETTING_REFUSED', `setting${i}`))
    await using agent = runAgent({ kind: 'unix', path: agentx }, folder.path, () => stateWith(raised))
    await until('snmpd has our rows', () => events(agent, 'snmp.start').length > 0)
    const wanted = raised.map(({ key }) => key)
    for (const tool of ['snmpwalk', 'snmpbulkwalk']) {
      const { stdout } = await snmpd.ask(tool, ['-Oqv', 'POSTERN-MIB::posternAlarmKey'])
      t.deepEqual(stdout.trim().split('\n'), wanted, tool)
    }
    const table = await snmpd.ask('snmptable', ['POSTERN-MIB::posternAlarmTable'])
    t.is(table.stdout.split('\n').filter((line) => /^ +SETTING_REFUSED /.test(line)).length, 300)
  },
)

peers('nothing can be set, even where snmpd would let somebody', async (t) => {
  using folder = tempFolder('snmp-set')
  const [port = 0] = await freeUdpPorts(1)
  const agentx = join(folder.path, 'agentx')
  await using snmpd = await Snmpd.start(folder.path, { port, agentx }, ['rwcommunity write 127.0.0.0/8'])
  await using agent = runAgent({ kind: 'unix', path: agentx }, folder.path, () => stateWith([]))
  await until('snmpd has our rows', () => events(agent, 'snmp.start').length > 0)
  for (const words of [
    ['POSTERN-MIB::posternVersion.0', 's', 'other'],
    ['POSTERN-MIB::posternQueueMessages.0', 'u', '7'],
    [`${POSTERN}.77.0`, 'a', '192.0.2.1'],
  ]) {
    const ran = await snmpd.askAs('snmpset', ['-v', '2c', '-c', 'write'], words)
    t.not(ran.code, 0)
    t.regex(ran.stderr, /notWritable|not writable/, words.join(' '))
  }
  t.regex((await snmpd.ask('snmpget', ['-Oqv', 'POSTERN-MIB::posternVersion.0'])).stdout, /^1\.2\.3$/m)
  t.is(events(agent, 'snmp.lost').length, 0)
})

peers('what is not there is said not to be there', async (t) => {
  using folder = tempFolder('snmp-absent')
  const [port = 0] = await freeUdpPorts(1)
  const agentx = `tcp:127.0.0.1:${(await freePorts(1))[0]}`
  await using snmpd = await Snmpd.start(folder.path, { port, agentx })
  const tcp = { kind: 'tcp', address: '127.0.0.1', port: Number(agentx.split(':')[2]) } as const
  await using agent = runAgent(tcp, folder.path, () => stateWith([]))
  await until('snmpd has our rows', () => events(agent, 'snmp.start').length > 0)
  for (const oid of [`${POSTERN}.1.1.77.0`, `${POSTERN}.1.6.1.2.5`, '.1.3.6.1.2.1.28.1.1.1.9', POSTERN]) {
    const { stdout } = await snmpd.ask('snmpget', ['-On', oid])
    t.regex(stdout, /No Such (?:Instance|Object)/, oid)
  }
  const { stdout } = await snmpd.ask('snmpgetnext', ['-On', `${POSTERN}.1.7`])
  t.regex(stdout, /\.2525\.1\.7\.1\.0 = Counter64/)
})

/** Somebody at snmpd's socket who says this to whoever comes. */
async function stranger(path: string, answer: (socket: Socket, chunk: Buffer) => void) {
  let came = 0
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    came += 1
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => answer(socket, chunk))
  })
  server.listen(path)
  await once(server, 'listening')
  return {
    came: () => came,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** A header of RFC 2741 section 6.1 with this in it. */
function message(type: number, payload: Buffer, change: (header: Buffer) => void = () => {}): Buffer {
  const header = Buffer.alloc(20)
  header[0] = 1
  header[1] = type
  header[2] = 0x10
  header.writeUInt32BE(payload.length, 16)
  change(header)
  return Buffer.concat([header, payload])
}

for (const [what, answer] of [
  ['garbage', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ['another version', message(18, Buffer.alloc(8), (header) => (header[0] = 2))],
  ['another order of octets', message(18, Buffer.alloc(8), (header) => (header[2] = 0))],
  [
    'a length that cannot be',
    message(18, Buffer.alloc(8), (header) => header.writeUInt32BE(0xffff_fff0, 16)),
  ],
  ['an answer that is cut short', message(18, Buffer.alloc(4))],
  ['an error', message(18, Buffer.from([0, 0, 0, 0, 1, 4, 0, 0]), (header) => header.writeUInt32BE(1, 12))],
  ['Close', message(2, Buffer.alloc(4))],
] as const) {
  test(`who answers with ${what} in snmpd’s place is left and tried again`, async (t) => {
    using folder = tempFolder('snmp-stranger')
    const path = join(folder.path, 'agentx')
    await using other = await stranger(path, (socket) => socket.write(answer))
    await using agent = runAgent({ kind: 'unix', path }, folder.path, () => stateWith([]))
    await until('it has come again', () => other.came() >= 3)
    t.is(events(agent, 'snmp.start').length, 0)
    // However often: once as long as it is for the same reason.
    t.is(events(agent, 'snmp.lost').length, 1)
  })
}

test('questions that make no sense are answered as such, and the session goes on', async (t) => {
  using folder = tempFolder('snmp-questions')
  const path = join(folder.path, 'agentx')
  const replies: Buffer[] = []
  let asked = false
  const nonsense = [
    message(5, Buffer.from([200, 0, 0, 0])),
    message(6, Buffer.from([1, 2, 3, 4, 0, 0, 0, 1])),
    message(7, Buffer.alloc(0)),
    message(77, Buffer.alloc(8)),
    message(5, Buffer.alloc(8), (header) => (header[2] = 0x18)),
    message(8, Buffer.from([0, 99, 0, 0])),
    message(9, Buffer.alloc(0)),
    message(10, Buffer.alloc(0)),
    message(11, Buffer.alloc(0)),
  ]
  const reader = new FrameReader()
  await using other = await stranger(path, (socket, chunk) => {
    for (const { bytes, header } of reader.read(chunk).frames) {
      if (header.type === 18) replies.push(bytes)
      else
        socket.write(
          message(18, Buffer.alloc(8), (reply) => {
            reply.writeUInt32BE(7, 4)
            reply.writeUInt32BE(header.packetId, 12)
          }),
        )
    }
    if (asked) return
    asked = true
    // Octet by octet: no read need bring a whole message.
    for (const one of nonsense) for (const octet of one) socket.write(Buffer.from([octet]))
  })
  await using agent = runAgent({ kind: 'unix', path }, folder.path, () => stateWith([]))
  await until('all but CleanupSet are answered', () => replies.length >= nonsense.length - 1)
  t.deepEqual(
    replies.map((reply) => reply.readUInt16BE(24)),
    [5, 5, 5, 5, 262, 17, 14, 15],
  )
  await until('the session is open', () => events(agent, 'snmp.start').length === 1)
  t.is(other.came(), 1)
})
