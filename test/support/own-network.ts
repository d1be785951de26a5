import { execPath } from 'node:process'
import { spawnSync } from 'node:child_process'
import { installed, must } from '#test/support/run.ts'

/** An address of this machine that others see, as far as there are others in a network namespace. */
export const OWN_ADDRESS = '192.0.2.1'
export const OWN_ADDRESS_6 = '2001:db8::1'

const IN_OWN_NETWORK = `
set -eu
ip link set lo up
ip link add own0 type veth peer name own1
ip address add ${OWN_ADDRESS}/24 dev own0
ip -6 address add ${OWN_ADDRESS_6}/64 dev own0 nodad
ip link set own0 up
ip link set own1 up
`

/** Why a network of one's own cannot be had here; undefined where it can. */
export function ownNetworkLacks(): string | undefined {
  if (process.getuid?.() !== 0) return 'a network namespace needs root'
  if (!installed('unshare') || !installed('ip')) return 'unshare or ip is not installed'
  const tried = spawnSync('unshare', ['--net', 'sh', '-c', IN_OWN_NETWORK], { encoding: 'utf8' })
  return tried.status === 0 ? undefined : `a network namespace cannot be made: ${tried.stderr.trim()}`
}

/**
 * Runs a script of the tests with Node in a network of its own: loopback, and one interface with OWN_ADDRESS that
 * leads nowhere, so that port 25 is free and addresses mean what the script says. Gives what it printed.
 */
export async function inOwnNetwork(script: string, args: readonly string[]): Promise<string> {
  return await must('unshare', [
    '--net',
    'sh',
    '-c',
    `${IN_OWN_NETWORK}exec "$@"`,
    'sh',
    execPath,
    script,
    ...args,
  ])
}
