import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createSocket } from 'node:dgram'
import { existsSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { timeState } from '#src/workers/time-service.ts'
import { freePorts, tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const CHRONYD = '/usr/sbin/chronyd'
const withChrony = existsSync(CHRONYD) ? test : test.skip
const HOUR_MS = 3_600_000

test('systemd-timesyncd has found no server, has been answered lately, and long ago', async (t) => {
  using folder = tempFolder('time')
  const timesyncFolder = join(folder.path, 'timesync')
  const [chronyPort = 0] = await freePorts(1)
  const services = { timesyncFolder, chronyPort }
  const nowMs = Date.UTC(2026, 10, 22)
  t.deepEqual(await timeState(services, nowMs), { kind: 'unknown' }, 'there is no time service at all')
  mkdirSync(timesyncFolder)
  t.deepEqual(await timeState(services, nowMs), {
    kind: 'unkept',
    reason: 'systemd-timesyncd has found no time server that it trusts',
  })
  const file = join(timesyncFolder, 'synchronized')
  writeFileSync(file, '')
  utimesSync(file, (nowMs - HOUR_MS) / 1000, (nowMs - HOUR_MS) / 1000)
  t.deepEqual(await timeState(services, nowMs), { kind: 'kept' })
  t.deepEqual(await timeState(services, nowMs + 6 * HOUR_MS), {
    kind: 'unkept',
    reason: 'no time server has answered systemd-timesyncd for 7 hours',
  })
})

/** Debian's chronyd, without a right to the clock, on a port of its own. */
async function chrony(folder: string, lines: readonly string[]): Promise<AsyncDisposable & { port: number }> {
  const [port = 0] = await freePorts(1)
  const file = join(folder, `chrony-${port}.conf`)
  const own = [`cmdport ${port}`, 'port 0', 'bindcmdaddress 127.0.0.1', 'bindcmdaddress /']
  writeFileSync(file, [...own, `pidfile ${join(folder, `${port}.pid`)}`, ...lines, ''].join('\n'))
  const args = ['-x', '-d', '-U', '-u', userInfo().username, '-f', file]
  const child = spawn(CHRONYD, args, { stdio: 'ignore' })
  return {
    port,
    async [Symbol.asyncDispose]() {
      const gone = child.exitCode === null ? once(child, 'exit') : undefined
      child.kill('SIGKILL')
      await gone
    },
  }
}

function stateOf(chronyPort: number) {
  return timeState({ timesyncFolder: '/nowhere', chronyPort }, Date.now())
}

withChrony('chronyd without a server is unkept, and one that trusts its own clock is kept', async (t) => {
  using folder = tempFolder('time')
  await using lost = await chrony(folder.path, [])
  await using right = await chrony(folder.path, ['local stratum 8'])
  await until('both tell', async () => {
    const kinds = [(await stateOf(lost.port)).kind, (await stateOf(right.port)).kind]
    return !kinds.includes('unknown')
  })
  t.deepEqual(await stateOf(lost.port), {
    kind: 'unkept',
    reason: 'chronyd has found no time server that it trusts',
  })
  t.deepEqual(await stateOf(right.port), { kind: 'kept' })
  const later = await timeState(
    { timesyncFolder: '/nowhere', chronyPort: right.port },
    Date.now() + 8 * HOUR_MS,
  )
  t.regex(later.kind === 'unkept' ? later.reason : '', /^no time server has answered chronyd for \d hours$/)
})

test('what answers otherwise than chronyd, or not at all, says nothing about the clock', async (t) => {
  for (const answer of [Buffer.alloc(0), Buffer.alloc(3), Buffer.alloc(104, 6), undefined]) {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    socket.on('message', (_bytes, { port, address }) => {
      if (answer !== undefined) socket.send(answer, port, address)
    })
    const services = { timesyncFolder: '/nowhere', chronyPort: socket.address().port }
    t.deepEqual(await timeState(services, Date.now()), { kind: 'unknown' })
    socket.close()
  }
})
