import type { ExecutionContext } from 'ava'
import { run } from './run.ts'

/** Debian's nft: a package of ours has a program of the same name. */
const SCRIPT = 'PATH=/usr/sbin:/sbin; nft -f "$1" && nft -f "$1" && nft list ruleset'

/**
 * What the kernel has after it took the rules of a file, twice over, in a network of its own in which this user is
 * root; the rules of the machine are left alone. undefined, and said so, where the machine gives no such network.
 */
export async function rulesTaken(t: ExecutionContext, file: string): Promise<string | undefined> {
  const ran = await run('unshare', ['--user', '--map-root-user', '--net', 'sh', '-c', SCRIPT, 'sh', file])
  if (ran.code !== 0 && /unshare/.test(ran.stderr)) {
    t.log('no user namespaces here: not tried')
    t.pass()
    return undefined
  }
  t.is(ran.code, 0, ran.stderr)
  return ran.stdout
}
