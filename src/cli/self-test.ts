import { resolversOf } from '#src/admin/resolvers.ts'
import { currentSettings } from '#src/admin/current-settings.ts'
import { selfTest } from '#src/dns/self-test.ts'
import type { Finding } from '#src/dns/self-test.ts'
import { canonicalDomain } from '#src/mail/address.ts'
import { configOf, readOptions } from './options.ts'
import { print } from './output.ts'
import { UsageError } from './usage.ts'

/** All questions together; one that has no answer by then is not known. */
const SELF_TEST_MS = 30_000

/**
 * `postern selftest`: what the DNS tells others of this host and of its domains. 0: all as it should be; 1: something
 * is wrong or missing; 2: the rest is right, and something could not be asked.
 */
export async function selftest(args: readonly string[]): Promise<number> {
  const options = readOptions(args, ['json'], ['selector'])
  const config = configOf(options)
  const { settings } = currentSettings(config)
  const named = options.words.map(domainOf)
  const own = settings.defaultDomain === '' ? config.directory.firstDomain : settings.defaultDomain
  const selectors = (options.values.get('selector') ?? '').split(',').filter((selector) => selector !== '')
  const subject = {
    host: settings.myHostname.toLowerCase(),
    domains: named.length > 0 ? named : [own],
    selectors,
  }
  const resolvers = resolversOf(config)
  const findings = await selfTest(resolvers.resolver(), subject, AbortSignal.timeout(SELF_TEST_MS))
  if (options.flags.has('json')) await print(findings.map((finding) => `${JSON.stringify(finding)}\n`))
  else await print([`Asked ${resolvers.text} about ${subject.host}\n`, ...findings.map(lineOf)])
  if (findings.some(({ state }) => state === 'wrong' || state === 'missing')) return 1
  return findings.some(({ state }) => state === 'unknown') ? 2 : 0
}

function domainOf(word: string): string {
  const domain = canonicalDomain(word)
  if (domain === undefined) throw new UsageError(`"${word}" is no domain`)
  return domain
}

function lineOf({ check, name, state, text }: Finding): string {
  return `${state.padEnd(8)} ${check.padEnd(6)} ${name}: ${text}\n`
}
