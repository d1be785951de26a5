import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { Appliance, killIfThere, REPOSITORY } from '#test/support/appliance.ts'
import { receiveDatagrams } from '#test/support/datagrams.ts'
import { plainMail } from '#test/support/mails.ts'
import { installed, run } from '#test/support/run.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { freePorts, tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const ACTIVATE = 'systemd-socket-activate'
const withActivate = installed(ACTIVATE) ? test : test.skip
const CACHE = `NODE_COMPILE_CACHE=${join(REPOSITORY, 'build', 'compile-cache')}`
const MAIL = { from: 'me@client.example', to: ['alice@example.test'], message: plainMail('one', 'Hello.') }

/** systemd-socket-activate starts its program at the first connection, and hands the socket over with it. */
const activated = (port: number) => [ACTIVATE, '-l', `127.0.0.1:${port}`, '-E', CACHE, '--fdname=smtp']

/** Connects until somebody listens: the first connection starts the appliance, which greets it. */
async function wake(port: number): Promise<string> {
  return await until('the connection that woke it is greeted', async () => {
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      const [data] = await once(socket, 'data')
      return String(data)
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED') return false
      throw error
    } finally {
      socket.destroy()
    }
  })
}

/** The sockets of the kernel that a process has open, by their numbers. */
function socketsOf(pid: number): readonly string[] {
  const folder = `/proc/${pid}/fd`
  return readdirSync(folder).flatMap((fd) => {
    try {
      const target = readlinkSync(join(folder, fd))
      return target.startsWith('socket:') ? [target] : []
    } catch {
      // It was closed just now.
      return []
    }
  })
}

async function activatedAppliance(folder: string, workers: number): Promise<[Appliance, string]> {
  let greeting: Promise<string> | undefined
  const appliance = await Appliance.start({
    folder,
    workers,
    under: (port) => {
      greeting ??= wake(port)
      return activated(port)
    },
  })
  return [appliance, (await greeting) ?? '']
}

withActivate(
  'the connection that wakes it is greeted, and all smtpd share the socket, which nobody else has',
  async (t) => {
    using folder = tempFolder('activation')
    const [appliance, greeting] = await activatedAppliance(folder.path, 2)
    await using postern = appliance
    t.regex(greeting, /^220 /)
    const [first, second] = postern.pids('smtpd').map((pid) => new Set(socketsOf(pid)))
    const others = (['qmgr', 'mailbox', 'directory'] as const).flatMap((kind) => postern.pids(kind))
    const strangers = new Set(others.flatMap(socketsOf))
    // Standard output is a socket here, too, and everybody's.
    const shared = socketsOf(postern.pid).filter(
      (one) => first?.has(one) === true && second?.has(one) === true && !strangers.has(one),
    )
    t.is(shared.length, 1, 'master and both smtpd have one socket in common, and nobody else has it')
    using client = await SmtpClient.greeted(postern.smtpPort)
    t.is((await client.send(MAIL)).code, 250)
    const status = await postern.tool('status')
    t.regex(status.stdout, new RegExp(`127\\.0\\.0\\.1:${postern.smtpPort}`))
  },
)

withActivate('while every smtpd is dead a connection waits, and is greeted by the next one', async (t) => {
  using folder = tempFolder('activation')
  const [appliance] = await activatedAppliance(folder.path, 1)
  await using postern = appliance
  const [before = 0] = postern.pids('smtpd')
  // Stopped, so that the connection is certainly not taken by it, and then killed.
  process.kill(before, 'SIGSTOP')
  const client = connect(postern.smtpPort, '127.0.0.1')
  await once(client, 'connect')
  killIfThere(before)
  const [data] = await once(client, 'data')
  t.regex(String(data), /^220 /)
  t.false(postern.pids('smtpd').includes(before))
  client.destroy()
})

withActivate('a socket that no listener is for keeps it from starting, with a sentence', async (t) => {
  using folder = tempFolder('activation')
  const [port = 0, mailbox = 0, other = 0] = await freePorts(3)
  const postern = join(REPOSITORY, 'bin', 'postern')
  writeFileSync(
    join(folder.path, 'postern.toml'),
    `[[listener]]\nport = ${port}\nservice = "submission"\n[mailbox]\nport = ${mailbox}\n`,
  )
  const [program, ...args] = [...activated(other), process.execPath, postern, 'start']
  const child = spawn(program, args, { cwd: folder.path, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const ended = once(child, 'close')
  await until('it was woken', async () => {
    const socket = connect(other, '127.0.0.1')
    const opened = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    return opened || child.exitCode !== null
  })
  const [code] = await ended
  t.is(code, 1)
  t.regex(
    said,
    new RegExp(`handed a socket for 127\\.0\\.0\\.1:${other} \\("smtp"\\), and no \\[\\[listener\\]\\]`),
  )
})

test('descriptors that are meant for another process, or are no listening sockets, are told from ours', async (t) => {
  using folder = tempFolder('activation')
  const program = `
    import { inheritedSockets } from ${JSON.stringify(join(REPOSITORY, 'src/host/activation.ts'))}
    console.log(JSON.stringify(inheritedSockets({ LISTEN_PID: process.argv[1] === 'ours' ? String(process.pid) : '1', LISTEN_FDS: process.argv[2], LISTEN_FDNAMES: 'a:b' }, process.pid)))`
  const look = async (...words: readonly string[]) => {
    const ran = await run(process.execPath, ['--input-type=module', '-e', program, ...words], {
      cwd: folder.path,
    })
    return ran.stdout.trim()
  }
  t.is(await look('theirs', '1'), '{"kind":"sockets","sockets":[]}')
  t.is(await look('ours', '0'), '{"kind":"sockets","sockets":[]}')
  t.regex(await look('ours', 'many'), /"wrong".*is no number of sockets/)
  t.regex(await look('ours', '65'), /"wrong".*is no number of sockets/)
  t.regex(await look('ours', '1'), /"wrong".*Descriptor 3 \(\\"a\\"\)/)
})

test('systemd hears when it is ready, how it is, of a reload and of the end; a silent smtpd starves the watchdog', async (t) => {
  using folder = tempFolder('watchdog')
  const path = join(folder.path, 'notify')
  await using socket = await receiveDatagrams(path)
  const env = [`NOTIFY_SOCKET=${path}`, 'WATCHDOG_USEC=400000']
  await using postern = await Appliance.start({ folder: folder.path, under: ['env', ...env] })
  const count = (what: RegExp) => socket.received.filter((one) => what.test(one)).length
  t.regex(
    socket.received.find((one) => one.startsWith('READY=1')) ?? '',
    /STATUS=\d+ of \d+ processes are ready/,
  )
  for (const { pid } of postern.family().filter((one) => one.pid !== postern.pid))
    t.notRegex(readFileSync(`/proc/${pid}/environ`, 'latin1'), /NOTIFY_SOCKET|WATCHDOG_/)
  await until('it is alive', () => count(/^WATCHDOG=1$/m) > 3)

  const reload = await postern.tool('reload')
  t.is(reload.code, 0, reload.stderr)
  await until('the reload is told', () => count(/^RELOADING=1$/m) === 1 && count(/^READY=1$/m) === 2)

  for (const kind of ['smtpd', 'qmgr'] as const) {
    const [pid = 0] = postern.pids(kind)
    process.kill(pid, 'SIGSTOP')
    await until('silence is told', () => socket.received.at(-1) === `STATUS=${kind}/1 does not answer\n`)
    process.kill(pid, 'SIGCONT')
    await until('it is alive again', () => socket.received.at(-1) === 'WATCHDOG=1\n')
  }
  await postern.stop()
  t.is(count(/^STOPPING=1$/m), 1)
})
