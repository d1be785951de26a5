import { spawn } from 'node:child_process'
import { isIP } from 'node:net'
import { CommandError } from '#src/admin/command-error.ts'
import { errorCode } from '#src/base/fault.ts'

/** Debian's iputils-ping; in the appliance image too. A packet of ICMP is nothing that Node can send. */
const PING = '/usr/bin/ping'
/** So many, and no longer than this in all, seconds. */
const COUNT = 4
const WITHIN_S = 10
/** More than it ever says. */
const TEXT_CHARS_MAX = 8192
/** A name or an address, and never an option. */
const NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i

/** Whether a host answers to ICMP, and how fast: what ping says. Throws a CommandError for what is no host. */
export async function pingLines(
  text: string,
  signal: AbortSignal,
  program = PING,
): Promise<readonly string[]> {
  const host = text.trim()
  if (isIP(host) === 0 && !NAME.test(host)) throw new CommandError(`"${host}" is no name and no address`)
  const child = spawn(program, ['-n', '-c', String(COUNT), '-w', String(WITHIN_S), host], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { LC_ALL: 'C' },
    signal,
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      if (said.length < TEXT_CHARS_MAX) said += chunk
    })
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  child.once('error', reject)
  child.once('close', resolve)
  try {
    await promise
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
    throw new CommandError('there is no ping here (Debian: iputils-ping); r reaches a port of a host instead')
  }
  return said.trimEnd().split('\n')
}
