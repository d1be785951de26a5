import { join } from 'node:path'
import test from 'ava'
import { isRecord } from '#src/net/frames.ts'
import { inOwnNetwork, ownNetworkLacks } from '#test/support/own-network.ts'
import { tempFolder } from '#test/support/temp.ts'

const lacks = ownNetworkLacks()
if (lacks !== undefined) process.stderr.write(`Own addresses among MX hosts are skipped: ${lacks}.\n`)
const withNetwork = lacks === undefined ? test : test.skip

withNetwork(
  'mail whose best host is one of our addresses goes back, and no host behind us is asked',
  async (t) => {
    using folder = tempFolder('own-address')
    const script = join(import.meta.dirname, 'own-address-child.ts')
    const told: unknown = JSON.parse(await inOwnNetwork(script, [folder.path]))
    if (!isRecord(told)) throw new Error('no object')
    const bounces = JSON.stringify(told['bounces'])
    for (const domain of ['own.example', 'own6.example', 'bare.example', 'first.example']) {
      t.regex(bounces, new RegExp(`Final-Recipient: rfc822; ?x@${domain}`, 'i'))
      t.regex(bounces, new RegExp(`mail for ${domain} loops back to myself`))
    }
    t.is(bounces.split('Status: 5.4.6').length - 1, 4)
    // RFC 5321 section 5.1: of the hosts of backup.example only those that are better than we are; down.example has none.
    t.deepEqual(told['better'], ['RCPT TO:<x@backup.example>'])
    t.deepEqual(told['worse'], [])
    t.regex(JSON.stringify(told['queue']), /x@down\.example.*connect to dead\.example.*Connection refused/)
  },
)
