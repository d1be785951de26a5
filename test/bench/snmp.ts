import { createSocket } from 'node:dgram'
import type { Socket } from 'node:dgram'
import { once } from 'node:events'
import { join } from 'node:path'
import { loadavg, setPriority } from 'node:os'
import { Appliance } from '#test/support/appliance.ts'
import { run } from '#test/support/run.ts'
import { Snmpd, freeUdpPorts, snmpLacks } from '#test/support/snmpd.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'
import { allProcesses, treeOf } from './proc.ts'
import { digits, ratioOf, spreadOf } from './stats.ts'

/**
 * What 1,000 polls a second cost mail: `node test/bench/snmp.ts [ROUNDS]`. Three states take turns, so that what else the
 * machine does meets all of them: nobody polls; 1,000 polls a second of objects that snmpd has by itself; as many of our rows.
 * The last two differ only in what is ours. Whoever answers polls stands behind mail, as under systemd. Mail comes from Debian's smtp-source and goes to the embedded mailboxes. Prints
 * numbers and judges none; ratios first.
 */
const POLLS_PER_SECOND = 1000
const ROUNDS_USUAL = 5
const MAILS = 2000
const SESSIONS = 20
/** Polls are sent in bursts, as timers go. */
const BURST_MS = 10

/** Four objects in each poll. */
const SYSTEM = ['1.3.6.1.2.1.1.3.0', '1.3.6.1.2.1.1.5.0', '1.3.6.1.2.1.1.6.0', '1.3.6.1.2.1.11.1.0']
const OURS = [
  // posternReady, posternQueueMessages, mtaReceivedMessages of the whole, applOperStatus of the whole.
  '1.3.6.1.4.1.8072.9999.9999.2525.1.1.4.0',
  '1.3.6.1.4.1.8072.9999.9999.2525.1.2.1.0',
  '1.3.6.1.2.1.28.1.1.1.1',
  '1.3.6.1.2.1.27.1.1.6.1',
]
const STATES = [
  { name: 'nobody polls', objects: [] },
  { name: "snmpd's own objects", objects: SYSTEM },
  { name: 'our rows', objects: OURS },
] as const

/** One value of BER (X.690). */
function ber(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const head = length < 128 ? [tag, length] : [tag, 0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(head), content])
}

const integer = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return ber(0x02, bytes)
}

function objectId(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number)
  const bytes = rest.flatMap((arc) => {
    const groups = [arc & 0x7f]
    for (let left = arc >> 7; left > 0; left >>= 7) groups.unshift((left & 0x7f) | 0x80)
    return groups
  })
  return ber(0x06, Buffer.from([first * 40 + second, ...bytes]))
}

/** GetRequest of SNMPv2c (RFC 3416): version 3 would cost snmpd more, and us nothing. */
function question(id: number, objects: readonly string[]): Buffer {
  const list = objects.map((object) => ber(0x30, objectId(object), ber(0x05)))
  const pdu = ber(0xa0, integer(id), integer(0), integer(0), ber(0x30, ...list))
  return ber(0x30, integer(1), ber(0x04, Buffer.from('bench')), pdu)
}

/** Asks POLLS_PER_SECOND times a second until it is ended; how many were asked and answered. */
function poll(socket: Socket, port: number, objects: readonly string[]) {
  let [asked, answered] = [0, 0]
  const began = performance.now()
  const count = (): void => {
    answered += 1
  }
  socket.on('message', count)
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - began) * POLLS_PER_SECOND) / 1000)
    for (; asked < due; asked += 1) socket.send(question(asked, objects), port, '127.0.0.1')
  }, BURST_MS)
  return () => {
    clearInterval(timer)
    socket.off('message', count)
    const seconds = (performance.now() - began) / 1000
    return { asked: asked / seconds, answered: answered / seconds }
  }
}

interface Measured {
  readonly mails: number
  readonly cpuMs: number
  readonly polls: number
}

/** CPU seconds of the appliance: of all its processes. */
function cpuSeconds(root: number): number {
  return treeOf(root, allProcesses()).reduce((sum, one) => sum + one.userSeconds + one.systemSeconds, 0)
}

async function measure(
  appliance: Appliance,
  socket: Socket,
  snmpPort: number,
  objects: readonly string[],
): Promise<Measured> {
  const master = appliance.pid
  const end = objects.length === 0 ? undefined : poll(socket, snmpPort, objects)
  const cpuBefore = cpuSeconds(master)
  const began = performance.now()
  const words = ['-s', String(SESSIONS), '-m', String(MAILS), '-l', '4096', '-f', 'a@client.test']
  const ran = await run('smtp-source', [
    ...words,
    '-t',
    'alice@example.test',
    `127.0.0.1:${appliance.smtpPort}`,
  ])
  const seconds = (performance.now() - began) / 1000
  const polls = end?.().answered ?? 0
  if (ran.code !== 0) throw new Error(`smtp-source: ${ran.stderr}`)
  await until('the queue is empty', async () => (await appliance.queue()).length === 0)
  const cpuMs = ((cpuSeconds(master) - cpuBefore) * 1000) / MAILS
  return { mails: MAILS / seconds, cpuMs, polls }
}

function say(...cells: readonly string[]): void {
  process.stdout.write(
    `${cells.map((cell, at) => (at === 0 ? cell.padEnd(36) : cell.padStart(24))).join('')}\n`,
  )
}

function report(all: readonly (readonly Measured[])[]): void {
  const of = (at: number, what: keyof Measured): readonly number[] => (all[at] ?? []).map((one) => one[what])
  const middle = (at: number, what: keyof Measured): string => digits(spreadOf(of(at, what))?.median ?? 0)
  const ratio = (a: number, b: number, what: keyof Measured): string => {
    const spread = ratioOf(of(a, what), of(b, what))
    return spread === undefined
      ? '-'
      : `${spread.median.toFixed(2)}x (${spread.min.toFixed(2)} to ${spread.max.toFixed(2)})`
  }
  const [quiet, system, ours] = [0, 1, 2]
  say('', 'mails a second', 'CPU a mail')
  for (const [a, b] of [
    [ours, system],
    [ours, quiet],
    [system, quiet],
  ] as const)
    say(`${STATES[a]?.name} / ${STATES[b]?.name}`, ratio(a, b, 'mails'), ratio(a, b, 'cpuMs'))
  say('')
  say('', 'mails a second', 'ms CPU a mail', 'polls a second')
  for (const [at, { name }] of STATES.entries())
    say(name, middle(at, 'mails'), middle(at, 'cpuMs'), middle(at, 'polls'))
}

const lacks = snmpLacks()
if (lacks !== undefined) throw new Error(lacks)
const rounds = Number(process.argv[2] ?? ROUNDS_USUAL)
using folder = tempFolder('bench-snmp')
const [port = 0] = await freeUdpPorts(1)
const agentx = join(folder.path, 'agentx')
await using snmpd = await Snmpd.start(folder.path, {
  port,
  agentx,
  v2c: [{ community: 'bench', source: '127.0.0.0/8' }],
})
await using appliance = await Appliance.start({
  folder: join(folder.path, 'box'),
  tables: ['[snmp]', `agentx = "${agentx}"`],
  // The load comes from one address.
  limits: ['smtpd_client_connection_count_limit = 0'],
})
await until('snmpd has our rows', async () =>
  (await snmpd.ask('snmpget', ['-Oqv', 'POSTERN-MIB::posternReady.0'])).stdout.startsWith('true'),
)
// As CPUWeight= of the units has it: who answers polls waits where mail takes all cores.
for (const pid of [snmpd.pid, ...appliance.pids('health')]) setPriority(pid, 19)
const socket = createSocket('udp4')
socket.bind(0, '127.0.0.1')
await once(socket, 'listening')
const all: Measured[][] = STATES.map(() => [])
// The first round warms up and does not count.
for (let round = 0; round <= rounds; round += 1) {
  for (let turn = 0; turn < STATES.length; turn += 1) {
    const at = (turn + round) % STATES.length
    const measured = await measure(appliance, socket, port, STATES[at]?.objects ?? [])
    if (round > 0) all[at]?.push(measured)
  }
}
socket.close()
process.stdout.write(
  `${rounds} rounds of ${MAILS} mails of 4 KiB in ${SESSIONS} sessions, load of the machine ${loadavg()[0]?.toFixed(1)}\n\n`,
)
report(all)
