import { accessSync, constants, mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import { systemClock } from '#src/base/clock.ts'
import { errorCode, errorText, Fault } from '#src/base/fault.ts'
import type { Config } from '#src/config/config.ts'
import type { Address } from '#src/config/listeners.ts'
import { openEntries } from '#src/directory/entries.ts'
import { openMirror } from '#src/directory/ldap/mirror.ts'
import { parseLdif } from '#src/directory/ldif.ts'
import { serverNameOf } from '#src/config/sources.ts'
import { seedLdif } from '#src/directory/seed.ts'
import type { Paths } from '#src/config/paths.ts'
import { StartRefused } from './refusal.ts'
import type { StoreLock } from '#src/store/lock.ts'
import { acquireLock } from '#src/store/lock.ts'

/** A Unix socket's path has 107 bytes at most (`sun_path`). */
const SOCKET_PATH_BYTES_MAX = 107
/** A master that is just ending frees the lock within this. */
const LOCK_WAIT_MS = 1000

/** Makes the folders. Throws StartRefused with a sentence that names the folder. */
export function prepareFolders(paths: Paths, config: Config): void {
  if (Buffer.byteLength(`${paths.runSmtpd}/qmgr-trace.sock`) > SOCKET_PATH_BYTES_MAX) {
    throw new StartRefused(
      `The path of the data folder is too long for the sockets in it: ${paths.data}\nChoose a shorter one with data = "…" in postern.toml.`,
    )
  }
  const logs = [config.log.jsonFile, config.log.textFile]
    .filter((file) => file !== '')
    .map((file) => dirname(file))
  const folders = [
    paths.data,
    paths.run,
    paths.runSmtpd,
    paths.runHealth,
    paths.queue,
    paths.spool,
    paths.mailboxes,
    dirname(paths.directory),
    dirname(paths.generations),
    paths.compileCache,
    paths.signatureCache,
    ...logs,
  ]
  for (const folder of folders) {
    try {
      // Mail is nobody else's business: only this user may look in.
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK)
    } catch (error) {
      throw new StartRefused(
        `The folder ${folder} cannot be used: ${errorText(error)}.\nGive this user (id ${process.getuid?.() ?? '?'}) a folder that it may write to: data = "…" in postern.toml.`,
      )
    }
  }
}

/**
 * Where each process is a user of its own, whoever has made the users has made the folders too, with their groups
 * (systemd-tmpfiles). Looks at master's; of the queue and the mailboxes it need not see anything. Throws StartRefused with a
 * sentence that names the first that is not there or not ours to use.
 */
export function checkSharedFolders(paths: Paths, config: Config): void {
  const logs = [config.log.jsonFile, config.log.textFile]
    .filter((file) => file !== '')
    .map((file) => dirname(file))
  const folders = [
    paths.run,
    paths.runSmtpd,
    paths.runHealth,
    dirname(paths.directory),
    dirname(paths.generations),
    ...logs,
  ]
  for (const folder of folders) {
    try {
      accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK)
    } catch (error) {
      throw new StartRefused(
        `The folder ${folder} cannot be used: ${errorText(error)}.\nMake the folders: systemd-tmpfiles --create postern.conf.`,
      )
    }
  }
}

/** Takes the data folder for this process; two masters on one folder would fight over everything in it. */
export async function lockDataFolder(paths: Paths): Promise<StoreLock> {
  try {
    return await acquireLock({
      dir: paths.run,
      name: 'master',
      purpose: 'postern start',
      waitMs: LOCK_WAIT_MS,
      clock: systemClock,
    })
  } catch (error) {
    if (error instanceof Fault && error.code === 'STORE_LOCKED') {
      const pid = /process (\d+)/.exec(String(error.facts['holder']))?.[1]
      throw new StartRefused(
        `Postern runs already${pid === undefined ? '' : ` (process ${pid})`} with the data folder ${paths.data}.\n"postern status" shows it, "postern stop" ends it; a second one needs a data folder and ports of its own.`,
      )
    }
    throw new StartRefused(`The folder ${paths.run} cannot be used: ${errorText(error)}`)
  }
}

/** At the very first start: a directory with one domain and a few mailboxes, or room for what LDAP will tell. */
export function prepareDirectory(paths: Paths, config: Config): void {
  if (config.directory.ldap !== undefined) {
    openMirror(paths.directory)[Symbol.dispose]()
    return
  }
  using entries = openEntries(paths.embeddedDirectory)
  if (!entries.isEmpty) return
  const seed = parseLdif(seedLdif(config.directory.firstDomain, serverNameOf(config)))
  if (seed.kind === 'wrong') throw new TypeError(`the first directory is not valid LDIF: ${seed.reason}`)
  entries.import(seed.records)
}

/**
 * Looks whether the ports are free, which only master can tell: smtpd processes share a port with SO_REUSEPORT, and so
 * would those of another Postern of the same user, in silence.
 */
export async function checkPorts(
  listeners: readonly { readonly listener: Address; readonly setting: string }[],
): Promise<void> {
  for (const { listener, setting } of listeners) {
    const code = await tryListen(listener)
    if (code !== '') throw new StartRefused(portRefusal(code, listener, setting))
  }
}

function portRefusal(code: string, { address, port }: Address, setting: string): string {
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${port} on ${address} is taken by another program.\nStop that program, or choose another port: ${setting} in postern.toml.`
    case 'EACCES':
      return `Port ${port} on ${address} may not be opened by this user (ports below 1024 need the capability net_bind_service).\nChoose another port: ${setting} in postern.toml.`
    case 'EADDRNOTAVAIL':
      return `This machine has no address ${address}.\nChoose one that it has: ${setting} in postern.toml.`
    default:
      return `Port ${port} on ${address} cannot be opened: ${code}.\nChoose another: ${setting} in postern.toml.`
  }
}

/** '' if a socket can listen there, else the system's error code. */
function tryListen({ address, port }: Address): Promise<string> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', (error) => {
      resolve(errorCode(error) || errorText(error))
    })
    // ipv6Only: `::` beside `0.0.0.0` on one port is allowed.
    probe.listen({ host: address, port, exclusive: true, ipv6Only: address.includes(':') }, () => {
      probe.close(() => {
        resolve('')
      })
    })
  })
}
