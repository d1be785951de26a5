import { flushCompileCache } from 'node:module'
import { systemClock } from '#src/base/clock.ts'
import { errorCode, errorText } from '#src/base/fault.ts'
import { openLog } from '#src/base/log.ts'
import type { Facts } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import { inheritedSockets } from '#src/host/activation.ts'
import { Server } from '#src/smtp/server.ts'
import { AnvilClient } from './anvil-client.ts'
import type { OpenListener } from './listening.ts'
import { matchSockets } from './listening.ts'
import { logTargets } from './open-log.ts'
import type { SmtpdBoot } from './smtpd-boot.ts'
import { EnvironmentMaker } from './smtpd-environment.ts'
import { leaveMaster, serveMaster, tell, tellFailed } from './under-master.ts'

/**
 * One SMTP server process: everything that faces the network, and nothing of the queue's store. master starts one
 * for each core.
 */

interface Running {
  readonly log: Log
  readonly maker: EnvironmentMaker
  readonly servers: readonly Server[]
  /** What is in force. */
  boot: SmtpdBoot
  readonly listeners: string[]
}

/** How often files of certificates are looked at. Whoever replaces one and cannot wait says `postern reload`. */
const CERTIFICATE_CHECK_MS = 60_000

/** A listener could not be opened; the sentence is for the operator. */
class ListenFailed extends Error {}

let running: Running | undefined
let watch: NodeJS.Timeout | undefined
let starting: Promise<void> | undefined
let stopping: Promise<void> | undefined
const anvil = new AnvilClient(tell, systemClock)

process.on('exit', () => running?.log.flush())
serveMaster<SmtpdBoot>('smtpd', {
  boot: (boot) => {
    starting = start(boot)
  },
  settings: adopt,
  stop: () => void stop(),
  drain: (ms) => {
    for (const server of running?.servers ?? []) server.drain(ms)
  },
  anvil: (n, admitted) => anvil.answered(n, admitted),
})

async function start(boot: SmtpdBoot): Promise<void> {
  let log: Log | undefined
  try {
    log = openLog(logTargets('smtpd', boot.log))
    const maker = new EnvironmentMaker(boot, anvil, log)
    const environment = maker.make(boot)
    const tls = maker.tls(boot)
    const opened = ownListeners(boot.listeners)
    const servers = opened.map(({ service }) => new Server({ environment, service, tls: tls(service) }))
    running = { log, maker, servers, boot, listeners: [] }
    await maker.queueHeard()
    const { listeners } = running
    for (const [n, server] of servers.entries()) listeners.push(await listen(server, opened[n]))
    const facts = factsOf(running)
    log.write('info', 'smtpd.start', { generation: boot.generation, ...facts })
    tell({ kind: 'ready', facts })
    watch = setInterval(() => lookAtCertificates(), CERTIFICATE_CHECK_MS).unref()
    // A process that is killed writes nothing at its end, and the one in its place should be quick.
    flushCompileCache()
  } catch (error) {
    log?.write('error', 'smtpd.error', { error: errorText(error) })
    log?.flush()
    tellFailed(error instanceof ListenFailed ? error.message : `smtpd cannot start: ${errorText(error)}.`)
    void stop()
  }
}

/** With the sockets that this process was started with, where it is a service of its own (Sockets= of its unit). */
function ownListeners(listeners: readonly OpenListener[]): readonly OpenListener[] {
  const inherited = inheritedSockets(process.env, process.pid)
  if (inherited.kind === 'wrong') throw new ListenFailed(inherited.reason)
  if (inherited.sockets.length === 0) return listeners
  const matched = matchSockets(listeners, inherited.sockets)
  if (matched.kind === 'wrong') throw new ListenFailed(matched.reason)
  return matched.listeners
}

/** Resolves with the address and the port that it has become. */
async function listen(server: Server, listener: OpenListener | undefined): Promise<string> {
  const { address, port, service, fd } = listener ?? { address: '', port: 0, service: 'smtp' }
  try {
    const open = await server.start(fd === undefined ? { host: address, port, reusePort: true } : { fd })
    return `${address}:${open}${service === 'smtp' ? '' : ` ${service}`}`
  } catch (error) {
    throw new ListenFailed(listenFailure(`${address}:${port}`, error), { cause: error })
  }
}

/** A new generation: for sessions that begin from now on. What cannot be made leaves the old one in force. */
function adopt(boot: SmtpdBoot): void {
  if (running === undefined || stopping !== undefined) return
  const { maker, servers, log } = running
  try {
    const environment = maker.make(boot)
    const tls = maker.tls(boot)
    for (const server of servers) server.adopt(environment, tls(server.service))
    running.boot = boot
    tell({ kind: 'facts', facts: factsOf(running) })
    log.write('info', 'smtpd.settings', { generation: boot.generation })
  } catch (error) {
    log.write('error', 'smtpd.settings', { generation: boot.generation, error: errorText(error) })
  }
}

/** A certificate that was replaced is shown from then on, and one that has come near its end is told. */
function lookAtCertificates(): void {
  if (running === undefined || stopping !== undefined) return
  const { maker, servers, boot, log } = running
  const before = JSON.stringify(factsOf(running))
  try {
    const tls = maker.tls(boot)
    for (const server of servers) server.takeTls(tls(server.service))
  } catch (error) {
    log.write('error', 'smtpd.error', { error: errorText(error) })
  }
  const facts = factsOf(running)
  if (JSON.stringify(facts) !== before) tell({ kind: 'facts', facts })
}

function factsOf({ listeners, maker }: Running): Facts {
  return { listeners, ...maker.facts, attention: maker.attention }
}

async function stop(): Promise<void> {
  stopping ??= stopNow()
  await stopping
}

async function stopNow(): Promise<void> {
  clearInterval(watch)
  // A stop in the middle of the start ends what the start has opened.
  if (process.exitCode === undefined) await starting
  await Promise.all(running?.servers.map(async (server) => await server.stop()) ?? [])
  running?.maker[Symbol.dispose]()
  running?.log.flush()
  leaveMaster()
}

function listenFailure(at: string, error: unknown): string {
  switch (errorCode(error)) {
    case 'EADDRINUSE':
      return `Another program listens on ${at}. Stop it, or set another port under [[listener]] in postern.toml.`
    case 'EACCES':
    case 'EPERM':
      return `This user may not listen on ${at}. Ports below 1024 need the capability net_bind_service; or set another port under [[listener]] in postern.toml.`
    case 'EADDRNOTAVAIL':
      return `This machine has no address for ${at}. Mend [[listener]] in postern.toml.`
    default:
      return `smtpd cannot listen on ${at}: ${errorText(error)}.`
  }
}
