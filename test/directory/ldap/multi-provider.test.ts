import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Slapd, slapdLacks } from '#test/support/slapd.ts'
import { until } from '#test/support/wait.ts'
import { accountEntry } from '#test/support/zimbra-ldif.ts'
import { adding, Box, LDIF } from './box.ts'

const real = slapdLacks() === undefined ? test : test.skip

/** Two servers that both take writes, each with a number of its own, and what follows them. */
async function pairOf(box: Box): Promise<{ readonly first: Slapd; readonly second: Slapd }> {
  const folders = ['one', 'two'].map((name) => join(box.folder.path, name))
  for (const folder of folders) mkdirSync(folder)
  const pair = await Slapd.startPair([folders[0] ?? '', folders[1] ?? ''], LDIF)
  await until('the second has read the first', () => has(pair.second, 'user19'))
  return pair
}

function has(slapd: Slapd, uid: string): Promise<boolean> {
  return slapd.holds('dc=a,dc=test', `(uid=${uid})`)
}

/** The servers that are named in the contextCSN which the mirror is at. */
function writersOf(box: Box): readonly string[] {
  const csns: unknown = box.source.status['contextCSN']
  return Array.isArray(csns) ? csns.map((csn) => String(csn).split('#')[2] ?? '').toSorted() : []
}

real(
  'of two servers that both take writes, what either has taken is followed at whichever serves',
  async (t) => {
    await using box = new Box()
    const pair = await pairOf(box)
    await using first = pair.first
    await using second = pair.second
    box.start([first.url, second.url])
    await until('the directory is read', () => box.knows('user1@a.test'))
    t.deepEqual(writersOf(box), ['001'])

    await second.modify(adding(accountEntry('by-second@a.test')))
    await until('what the second took is known by the first', () => box.knows('by-second@a.test'))
    await first.modify(adding(accountEntry('by-first@a.test')))
    await until('and what the first took', () => box.knows('by-first@a.test'))
    await until('the mirror is where both are', () => writersOf(box).join(' ') === '001 002')
    t.is(box.source.url, first.url)
    t.deepEqual(box.source.status['alarms'], [])

    await until('the second has everything', () => has(second, 'by-first'))
    await first.kill()
    await until('the second serves', () => box.source.url === second.url)
    t.is((await box.live.recipient('nobody@a.test')).kind, 'unknown')
    await second.modify(adding(accountEntry('alone@a.test')))
    await until('what it takes alone is known', () => box.knows('alone@a.test'))
    await second.modify(`dn: uid=by-first,ou=people,dc=a,dc=test\nchangetype: delete\n`)
    await until('and whom it deletes', async () => {
      await box.source.poll()
      return !box.knows('by-first@a.test')
    })

    // It comes back without what was written meanwhile, and gets it from the other.
    await first.startAgain()
    await until('the first has it from the second', () => has(first, 'alone'))
    await second.kill()
    await until('the first serves again', () => box.source.url === first.url)
    t.true(box.knows('alone@a.test'))
    t.false(box.knows('by-first@a.test'), 'nobody came back')
    t.true(box.knows('by-second@a.test'))
  },
)

real(
  'a server that has parted from the other lacks what that one took: what is known stays, and nobody is refused',
  async (t) => {
    await using box = new Box()
    const pair = await pairOf(box)
    await using first = pair.first
    await using second = pair.second
    await second.modify(adding(accountEntry('early@a.test')))
    await until('the first has it', () => has(first, 'early'))
    box.start([first.url, second.url])
    await until('the directory is read', () => box.knows('early@a.test'))

    await second.kill()
    await first.modify(adding(accountEntry('only-first@a.test')))
    await until('it is known', () => box.knows('only-first@a.test'))
    await first.kill()
    await second.startAgain()
    await second.modify(adding(accountEntry('only-second@a.test')))
    // Newer in what it wrote itself, and older in what the first wrote.
    await until('the second is found to lag', () =>
      box.log.lines.includes(`directory.alarm LDAP_BEHIND ${second.url}`),
    )
    t.true(box.knows('only-first@a.test'), 'who was known is known')
    t.is((await box.live.recipient('only-second@a.test')).kind, 'unavailable', 'who was not is not refused')
  },
)
