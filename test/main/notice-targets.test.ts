import test from 'ava'
import type { DomainKind, RecipientLookup } from '#src/directory/directory.ts'
import { mailboxesOf, noticeTargets } from '#src/main/notice-targets.ts'
import type { NoticeClass, NoticesBoot } from '#src/main/notice-targets.ts'

const BOOT: NoticesBoot = {
  classes: [],
  bounce: 'bounces@example.test',
  doubleBounce: 'admin@far.example',
  delay: 'nobody@example.test',
  error: 'broken@example.test',
  postmaster: 'postmaster@example.test',
}

const directory = {
  domain: (name: string): DomainKind => (name === 'example.test' ? 'local' : 'foreign'),
  recipient: (address: string): RecipientLookup => {
    switch (address) {
      case 'bounces@example.test':
        return { kind: 'found', deliverTo: ['a@example.test', 'b@example.test'] }
      case 'postmaster@example.test':
        return { kind: 'found', deliverTo: ['boss@example.test'] }
      case 'broken@example.test':
        return { kind: 'unavailable', reason: 'away' }
      default:
        return { kind: 'unknown' }
    }
  },
}

const CASES: readonly (readonly [string, readonly string[], NoticeClass, readonly string[]])[] = [
  ['a class that is not asked for goes nowhere', ['resource'], 'policy', []],
  ['a list goes to its members', ['bounce'], 'bounce', ['a@example.test', 'b@example.test']],
  ['bounce includes 2bounce', ['bounce'], '2bounce', ['admin@far.example']],
  ['2bounce does not include bounce', ['2bounce'], 'bounce', []],
  ['an address of another domain is its own', ['2bounce'], '2bounce', ['admin@far.example']],
  ['one that is not there is postmaster', ['delay'], 'delay', ['boss@example.test']],
  ['with a directory that is away it is postmaster', ['software'], 'software', ['boss@example.test']],
]

for (const [title, classes, which, expected] of CASES) {
  test(title, (t) => t.deepEqual(noticeTargets(which, { ...BOOT, classes }, directory), expected))
}

test('with nothing in the directory postmaster is where postmaster is', (t) => {
  const empty = { ...directory, recipient: (): RecipientLookup => ({ kind: 'unknown' }) }
  t.deepEqual(noticeTargets('delay', { ...BOOT, classes: ['delay'] }, empty), ['postmaster@example.test'])
})

for (const [title, address, expected] of [
  ['an alias is the mailboxes behind it', 'bounces@example.test', ['a@example.test', 'b@example.test']],
  ['an address that is not there stays what it is', 'gone@example.test', ['gone@example.test']],
  ['an address elsewhere stays what it is', 'a@far.example', ['a@far.example']],
] as const) {
  test(title, (t) => t.deepEqual(mailboxesOf(address, directory), expected))
}
