import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import test from 'ava'
import { host } from '#src/host/addon.ts'
import { ServiceManager } from '#src/host/service-manager.ts'
import { receiveDatagrams } from '#test/support/datagrams.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

/** What a real datagram socket hears of a few calls. */
async function heard(path: string) {
  await using socket = await receiveDatagrams(path)
  const troubles: string[] = []
  const manager = new ServiceManager({ NOTIFY_SOCKET: path }, process.pid, (reason) => troubles.push(reason))
  manager.ready('5 of 5\nREADY=0')
  manager.status('5 of 5 READY=0')
  manager.status('4 of 5 – ärgerlich')
  manager.reloading()
  manager.alive()
  manager.stopping()
  await until('the last has come', () => socket.received.at(-1)?.startsWith('STOPPING=1\n'))
  return { received: socket.received, troubles }
}

test('each word reaches the socket of the service manager as a datagram of its own, at a path', async (t) => {
  using folder = tempFolder('notify')
  const { received, troubles } = await heard(join(folder.path, 'notify'))
  t.deepEqual(troubles, [])
  t.is(received[0], 'READY=1\nSTATUS=5 of 5 READY=0\n', 'a line break in a status begins no variable')
  t.is(received[1], 'STATUS=4 of 5 – ärgerlich\n', 'what was said already is not said again')
  t.regex(received[2] ?? '', /^RELOADING=1\nMONOTONIC_USEC=\d+\n$/)
  t.is(received[3], 'WATCHDOG=1\n')
  t.is(received.length, 5)
})

test('an abstract socket is reached as well, by its very name', async (t) => {
  const { received, troubles } = await heard(`@postern-test-${randomUUID()}`)
  t.deepEqual(troubles, [])
  t.is(received.length, 5)
})

test('the time of a reload is that of the monotonic clock of the kernel, in microseconds', async (t) => {
  const before = process.hrtime.bigint() / 1000n
  const { received } = await heard(`@postern-test-${randomUUID()}`)
  const at = BigInt(/MONOTONIC_USEC=(\d+)/.exec(received[2] ?? '')?.[1] ?? 0)
  t.true(at >= before && at <= process.hrtime.bigint() / 1000n)
})

test('a service manager that cannot be reached is told once, and again only after it was there', async (t) => {
  using folder = tempFolder('notify')
  const path = join(folder.path, 'notify')
  const troubles: string[] = []
  const manager = new ServiceManager({ NOTIFY_SOCKET: path }, process.pid, (reason) => troubles.push(reason))
  manager.alive()
  manager.alive()
  t.is(troubles.length, 1)
  t.regex(troubles[0] ?? '', /notify: ENOENT/)
  {
    await using socket = await receiveDatagrams(path)
    manager.alive()
    await until('it has come', () => socket.received.length === 1)
  }
  manager.alive()
  t.is(troubles.length, 2)
  t.regex(troubles[1] ?? '', /ECONNREFUSED/)
})

test('without a service manager nothing is said and no watchdog is fed', (t) => {
  const troubles: string[] = []
  const manager = new ServiceManager({ WATCHDOG_USEC: '5000000' }, 1, (reason) => troubles.push(reason))
  manager.ready('')
  manager.alive()
  t.deepEqual([manager.watchdogMs, troubles], [undefined, []])
})

const WATCHDOGS = [
  { usec: '30000000', pid: undefined, ms: 30_000 },
  { usec: '30000000', pid: '77', ms: 30_000 },
  { usec: '30000000', pid: '78', ms: undefined },
  { usec: '1', pid: '77', ms: 100 },
  { usec: '0', pid: '77', ms: undefined },
  { usec: '-5', pid: '77', ms: undefined },
  { usec: 'soon', pid: '77', ms: undefined },
  { usec: undefined, pid: '77', ms: undefined },
] as const

for (const { usec, pid, ms } of WATCHDOGS)
  test(`WATCHDOG_USEC=${usec} WATCHDOG_PID=${pid} for process 77 means ${ms} ms`, (t) => {
    const env = { NOTIFY_SOCKET: '@nobody', WATCHDOG_USEC: usec, WATCHDOG_PID: pid }
    t.is(new ServiceManager(env, 77, () => {}).watchdogMs, ms)
  })

const NO_ADDRESSES = ['', '@', '/', `/${'x'.repeat(107)}`, `@${'x'.repeat(108)}`, '/a\0b', 'vsock:2:1234']

for (const path of NO_ADDRESSES)
  test(`a datagram to ${JSON.stringify(path.slice(0, 12))} of ${path.length} octets fails and does nothing else`, (t) => {
    const error = t.throws(() => host.sendDatagram(path, 'READY=1'))
    t.regex(error?.message ?? '', /^(?:EINVAL|ENOENT|ECONNREFUSED|EACCES|ENOTSOCK): /)
  })

test('a receiver that does not read does not hold the sender up for ever', async (t) => {
  using folder = tempFolder('notify')
  const path = join(folder.path, 'notify')
  await using socket = await receiveDatagrams(path)
  t.truthy(socket)
  process.kill(socket.pid, 'SIGSTOP')
  try {
    const error = t.throws(() => {
      // The kernel keeps net.unix.max_dgram_qlen of them, and then makes the sender wait.
      for (let n = 0; n < 10_000; n += 1) host.sendDatagram(path, 'WATCHDOG=1')
    })
    t.regex(error?.message ?? '', /^EAGAIN: /)
  } finally {
    process.kill(socket.pid, 'SIGCONT')
  }
})
