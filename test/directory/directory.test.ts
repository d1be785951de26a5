import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import test from 'ava'
import { Directory } from '#src/directory/directory.ts'
import { Entries, ImportError, openEntries } from '#src/directory/entries.ts'
import { parseLdif } from '#src/directory/ldif.ts'
import { COMMON_BLOCKED_EXTENSIONS, seedLdif } from '#src/directory/seed.ts'
import { tempFolder } from '#test/support/temp.ts'

function importText(entries: Entries, text: string) {
  const parsed = parseLdif(text)
  if (parsed.kind === 'wrong') throw new Error(`line ${parsed.line}: ${parsed.reason}`)
  return entries.import(parsed.records)
}

/** The first directory and more, open for writing and for reading. */
function opened(more = '', options: { readonly delimiter?: string; readonly limit?: number } = {}) {
  const folder = tempFolder('directory')
  const path = join(folder.path, 'directory.db')
  const entries = openEntries(path)
  importText(entries, `${seedLdif('example.test')}\n\n${more}`)
  const directory = new Directory({
    path,
    recipientDelimiter: options.delimiter ?? '+',
    expansionLimit: options.limit ?? 1000,
  })
  return {
    path,
    entries,
    directory,
    [Symbol.dispose]: () => {
      directory[Symbol.dispose]()
      entries[Symbol.dispose]()
      folder[Symbol.dispose]()
    },
  }
}

function finds(
  t: ExecutionContext,
  directory: Directory,
  address: string,
  expected: readonly string[],
): void {
  const found = directory.recipient(address)
  t.deepEqual(found.kind === 'found' ? found.deliverTo : found, expected, address)
}

const entry = (dn: string, lines: readonly string[]) =>
  `dn: ${dn}\nzimbraMailStatus: enabled\n${lines.join('\n')}\n\n`

test('a new directory knows its domain, its accounts and their aliases, and nothing else', (t) => {
  using box = opened()
  const { directory } = box
  t.is(directory.domain('example.test'), 'local')
  t.is(directory.domain('other.test'), 'foreign')
  finds(t, directory, 'alice@example.test', ['alice@example.test'])
  finds(t, directory, 'Alice@example.test', ['alice@example.test'])
  finds(t, directory, 'ABUSE@example.test', ['postmaster@example.test'])
  t.deepEqual(directory.recipient('nobody@example.test'), { kind: 'unknown' })
})

test('a new directory blocks the extensions that Zimbra suggests', (t) => {
  using box = opened()
  t.deepEqual(box.directory.globalConfig()?.get('zimbraMtaBlockedExtension'), COMMON_BLOCKED_EXTENSIONS)
})

test('the entry of a server has its attributes, and where there is none there are none', (t) => {
  using box = opened(
    'dn: cn=mta1.example.test, cn=servers, cn=zimbra\ncn: mta1.example.test\nzimbraMtaMyNetworks: 10.0.0.0/8\nzimbraMtaMyNetworks: 192.0.2.1',
  )
  t.deepEqual(box.directory.serverConfig('mta1.example.test')?.get('zimbraMtaMyNetworks'), [
    '10.0.0.0/8',
    '192.0.2.1',
  ])
  t.deepEqual(box.directory.serverConfig('mta2.example.test'), new Map())
})

test('the extension of an address falls away, unless the address is known with it', (t) => {
  using box = opened(entry('uid=plus', ['zimbraMailDeliveryAddress: bob+tag@example.test']))
  finds(t, box.directory, 'bob+other@example.test', ['bob@example.test'])
  finds(t, box.directory, 'bob+tag@example.test', ['bob+tag@example.test'])
  finds(t, box.directory, 'bob+a+b@example.test', ['bob@example.test'])
  t.is(box.directory.recipient('+bob@example.test').kind, 'unknown')
})

test('each character of recipient_delimiter parts, and none does if it is empty', (t) => {
  using both = opened('', { delimiter: '+-' })
  finds(t, both.directory, 'bob-x+y@example.test', ['bob@example.test'])
  using none = opened('', { delimiter: '' })
  t.is(none.directory.recipient('bob+x@example.test').kind, 'unknown')
})

test('an account that is not enabled takes no mail', (t) => {
  using box = opened(
    'dn: uid=off\nzimbraMailStatus: disabled\nzimbraMailDeliveryAddress: off@example.test\n\ndn: uid=unsaid\nzimbraMailDeliveryAddress: unsaid@example.test\n',
  )
  t.is(box.directory.recipient('off@example.test').kind, 'unknown')
  t.is(box.directory.recipient('unsaid@example.test').kind, 'unknown')
})

test('forwards are followed to their mailboxes, each once, and a list that holds itself is no mailbox', (t) => {
  using box = opened(
    entry('uid=list', [
      'zimbraMailAlias: list@example.test',
      'zimbraMailForwardingAddress: alice@example.test',
      'zimbraMailForwardingAddress: inner@example.test',
      'zimbraMailForwardingAddress: list@example.test',
      'zimbraMailForwardingAddress: gone@example.test',
    ]) +
      entry('uid=inner', [
        'zimbraMailAlias: inner@example.test',
        'zimbraPrefMailForwardingAddress: bob@example.test, ALICE@example.test',
        'zimbraMailForwardingAddress: list@example.test',
      ]) +
      entry('uid=loop', [
        'zimbraMailAlias: loop@example.test',
        'zimbraMailForwardingAddress: loop@example.test',
      ]),
  )
  finds(t, box.directory, 'list@example.test', ['alice@example.test', 'bob@example.test'])
  t.is(box.directory.recipient('loop@example.test').kind, 'unknown')
})

test('an account with a forward keeps its own copy', (t) => {
  using box = opened(
    entry('uid=carol', [
      'zimbraMailDeliveryAddress: carol@example.test',
      'zimbraMailForwardingAddress: bob@example.test',
    ]),
  )
  finds(t, box.directory, 'carol@example.test', ['carol@example.test', 'bob@example.test'])
})

test('mail of an account or list may be forwarded out of our domains, to the account too', (t) => {
  using box = opened(
    entry('uid=out', [
      'zimbraMailDeliveryAddress: out@example.test',
      'zimbraMailForwardingAddress: me@elsewhere.test',
    ]),
  )
  finds(t, box.directory, 'out@example.test', ['out@example.test', 'me@elsewhere.test'])
})

test('aliases that grow beyond the limit are told as such', (t) => {
  const unknown = Array.from({ length: 20 }, (_, i) => `zimbraMailForwardingAddress: m${i}@example.test`)
  using box = opened(entry('uid=big', ['zimbraMailAlias: big@example.test', ...unknown]), { limit: 10 })
  t.is(box.directory.recipient('big@example.test').kind, 'unusable')
})

const members = (count: number) =>
  Array.from({ length: count }, (_, i) => `zimbraMailForwardingAddress: m${i}@elsewhere.test`)

test('the limit counts addresses that come of one, known or not, and not the lists on the way', (t) => {
  const nested = entry('uid=outer', [
    'zimbraMailAlias: outer@example.test',
    'zimbraMailForwardingAddress: inner@example.test',
  ])
  const inner = (count: number) =>
    entry('uid=inner', ['zimbraMailAlias: inner@example.test', ...members(count)])
  using full = opened(nested + inner(10), { limit: 10 })
  t.is(full.directory.recipient('outer@example.test').kind, 'found')
  using over = opened(nested + inner(11), { limit: 10 })
  t.is(over.directory.recipient('outer@example.test').kind, 'unusable')
})

test('a split domain takes who is unknown here, for the server that its transport names', (t) => {
  using box = opened(
    entry('dc=split', [
      'zimbraDomainName: split.test',
      'zimbraDomainType: local',
      'zimbraMailCatchAllAddress: @split.test',
      'zimbraMailCatchAllForwardingAddress: @split.test',
      'zimbraMailTransport: smtp:other.test:25',
    ]) +
      entry('uid=here', [
        'zimbraMailDeliveryAddress: here@split.test',
        'zimbraMailAlias: alias@split.test',
        'zimbraMailHost: store.test',
      ]),
  )
  finds(t, box.directory, 'here@split.test', ['here@split.test'])
  finds(t, box.directory, 'alias@split.test', ['here@split.test'])
  finds(t, box.directory, 'there@split.test', ['there@split.test'])
  finds(t, box.directory, 'there+x@split.test', ['there+x@split.test'])
  t.deepEqual(box.directory.transport('here@split.test'), { kind: 'found', value: 'lmtp:store.test:7025' })
  t.deepEqual(box.directory.transport('there@split.test'), { kind: 'none' })
  t.deepEqual(box.directory.transport('split.test'), { kind: 'found', value: 'smtp:other.test:25' })
})

test('a canonical address is found as Postfix finds it: with its extension, by domain, and again', (t) => {
  using box = opened(
    entry('uid=carl', [
      'zimbraMailDeliveryAddress: carl@example.test',
      'zimbraMailAlias: c@example.test',
      'zimbraMailCanonicalAddress: carl.smith@example.test',
    ]) +
      entry('uid=smith', [
        'zimbraMailDeliveryAddress: carl.smith@example.test',
        'zimbraMailCanonicalAddress: smith@example.test',
      ]) +
      entry('dc=old', [
        'zimbraDomainName: old.test',
        'zimbraDomainType: alias',
        'zimbraMailCatchAllAddress: @old.test',
        'zimbraMailCatchAllCanonicalAddress: @example.test',
      ]),
  )
  for (const [address, expected] of [
    ['carl@example.test', 'smith@example.test'],
    ['C@example.test', 'smith@example.test'],
    ['carl+x@example.test', 'smith+x@example.test'],
    ['anybody@old.test', 'anybody@example.test'],
    ['carl@old.test', 'smith@example.test'],
    ['alice@example.test', undefined],
    ['x@elsewhere.test', undefined],
    ['', undefined],
  ] as const) {
    const found = box.directory.canonical(address)
    t.is(found.kind === 'found' ? found.address : undefined, expected, address)
  }
})

test('a chain of aliases without end is cut', (t) => {
  const chain = Array.from({ length: 300 }, (_, i) =>
    entry(`uid=c${i}`, [
      `zimbraMailAlias: c${i}@example.test`,
      `zimbraMailForwardingAddress: c${i + 1}@example.test`,
    ]),
  )
  using box = opened(chain.join(''), { limit: 100_000 })
  t.is(box.directory.recipient('c0@example.test').kind, 'unusable')
})

test('a catch-all takes what nobody else does', (t) => {
  using box = opened(
    entry('dc=all', ['zimbraDomainName: all.test', 'zimbraDomainType: local']) +
      entry('uid=eve', ['zimbraMailDeliveryAddress: eve@all.test', 'zimbraMailCatchAllAddress: @all.test']) +
      entry('uid=dan', ['zimbraMailDeliveryAddress: dan@all.test']),
  )
  finds(t, box.directory, 'dan@all.test', ['dan@all.test'])
  finds(t, box.directory, 'anybody@all.test', ['eve@all.test'])
  finds(t, box.directory, '"odd one"@all.test', ['eve@all.test'])
})

for (const [how, line] of [
  [
    'by catch-all forwarding, as zmprov createAliasDomain makes it',
    'zimbraMailCatchAllAddress: @alias.test\nzimbraMailCatchAllForwardingAddress: @example.test',
  ],
  ['by the id of its target', 'zimbraDomainAliasTargetId: TARGET'],
] as const) {
  test(`an alias domain has the users of its target, ${how}`, (t) => {
    using box = opened()
    const id =
      /zimbraDomainName: example\.test[^]*?zimbraId: (\S+)/.exec([...box.entries.export()].join(''))?.[1] ??
      ''
    importText(
      box.entries,
      entry('dc=alias', [
        'zimbraDomainName: alias.test',
        'zimbraDomainType: alias',
        line.replace('TARGET', id.toUpperCase()),
      ]),
    )
    t.is(box.directory.domain('alias.test'), 'alias')
    finds(t, box.directory, 'bob+x@alias.test', ['bob@example.test'])
    finds(t, box.directory, 'abuse@alias.test', ['postmaster@example.test'])
    t.is(box.directory.recipient('nobody@alias.test').kind, 'unknown')
  })
}

test('a domain in U-labels is found by its A-labels, and quotes that are not needed do not count', (t) => {
  using box = opened(
    entry('dc=idn', ['zimbraDomainName: bücher.test', 'zimbraDomainType: local']) +
      entry('uid=fritz', [
        'zimbraMailDeliveryAddress: "fritz"@bücher.test',
        'zimbraMailAlias: "a b"@bücher.test',
      ]),
  )
  t.is(box.directory.domain('xn--bcher-kva.test'), 'local')
  t.is(box.directory.recipient('FRITZ@xn--bcher-kva.test').kind, 'found')
  t.is(box.directory.recipient('"a b"@xn--bcher-kva.test').kind, 'found')
})

test('a change by another process is seen by the next lookup', (t) => {
  using box = opened()
  t.is(box.directory.recipient('new@example.test').kind, 'unknown')
  importText(box.entries, entry('uid=new', ['zimbraMailDeliveryAddress: new@example.test']))
  t.is(box.directory.recipient('new@example.test').kind, 'found')
  importText(box.entries, 'dn: UID=new\nchangetype: delete\n')
  t.is(box.directory.recipient('new@example.test').kind, 'unknown')
})

test('a directory that cannot be read knows nothing, which is not the same as unknown, and recovers by itself', (t) => {
  using folder = tempFolder('directory')
  const path = join(folder.path, 'directory.db')
  using directory = new Directory({ path, recipientDelimiter: '+', expansionLimit: 10 })
  t.is(directory.domain('example.test'), 'unavailable')
  t.is(directory.recipient('alice@example.test').kind, 'unavailable')
  t.is(directory.transport('alice@example.test').kind, 'unknown')
  t.is(directory.globalConfig(), undefined)
  t.not(directory.trouble, '')
  writeFileSync(path, 'this is no database, but long enough to be taken for the head of one '.repeat(100))
  t.is(directory.recipient('alice@example.test').kind, 'unavailable')
  renameSync(path, `${path}.bad`)
  using entries = openEntries(path)
  importText(entries, seedLdif('example.test'))
  t.is(directory.recipient('alice@example.test').kind, 'found')
  t.is(directory.trouble, '')
})

test('words of SQL and LDAP in an address are words', (t) => {
  using box = opened()
  for (const local of ["x';drop table entry--", '*)(uid=*', '%', '_', "' OR 1=1 --"]) {
    t.is(box.directory.recipient(`"${local}"@example.test`).kind, 'unknown', local)
  }
  t.is(box.directory.recipient('alice@example.test').kind, 'found')
})

test('an import takes all or nothing, and names the line', (t) => {
  using box = opened()
  const wrong = `${entry('uid=good', ['zimbraMailDeliveryAddress: good@example.test'])}dn: uid=bad\nzimbraMailDeliveryAddress: no address\n`
  const error = t.throws(() => importText(box.entries, wrong), { instanceOf: ImportError })
  t.is(error.line, 5)
  t.regex(error.message, /zimbraMailDeliveryAddress: "no address" is not allowed/)
  t.is(box.directory.recipient('good@example.test').kind, 'unknown')
})

test('attributes are added, replaced and deleted one by one', (t) => {
  using box = opened()
  const dn = 'dn: uid=alice, ou=people, dc=EXAMPLE, dc=test\nchangetype: modify\n'
  importText(
    box.entries,
    `${dn}add: zimbraMailAlias\nzimbraMailAlias: a1@example.test\nzimbraMailAlias: a2@example.test\n-\n`,
  )
  finds(t, box.directory, 'a2@example.test', ['alice@example.test'])
  importText(box.entries, `${dn}delete: zimbraMailAlias\nzimbraMailAlias: A2@example.test\n-\n`)
  t.is(box.directory.recipient('a2@example.test').kind, 'unknown')
  finds(t, box.directory, 'a1@example.test', ['alice@example.test'])
  importText(box.entries, `${dn}replace: zimbraMailAlias\nzimbraMailAlias: a3@example.test\n-\n`)
  t.is(box.directory.recipient('a1@example.test').kind, 'unknown')
  finds(t, box.directory, 'a3@example.test', ['alice@example.test'])
  t.throws(
    () => importText(box.entries, `${dn}delete: zimbraMailAlias\nzimbraMailAlias: a9@example.test\n-\n`),
    {
      instanceOf: ImportError,
    },
  )
  t.throws(() => importText(box.entries, 'dn: uid=ghost\nchangetype: delete\n'), { instanceOf: ImportError })
})

test('an export, imported elsewhere, is the same directory', (t) => {
  using one = opened('dn: uid=odd\nzimbraMailStatus: enabled\nuserPassword:: /wD/\ncn:: w4QK\n')
  const text = [...one.entries.export()].join('')
  using folder = tempFolder('directory')
  using other = openEntries(join(folder.path, 'directory.db'))
  importText(other, text)
  t.is([...other.export()].join(''), text)
  t.deepEqual(importText(other, text), { added: 0, replaced: 12, modified: 0, deleted: 0, warnings: [] })
})

test('an entry for mail that is not enabled is warned about', (t) => {
  using box = opened()
  const { warnings } = importText(box.entries, 'dn: uid=w\nzimbraMailDeliveryAddress: w@example.test\n')
  t.deepEqual(warnings, ['line 1: uid=w has no zimbraMailStatus: enabled, so no mail is taken for it'])
})

test('accounts and domains name transports, each its own', (t) => {
  using box = opened(
    entry('uid=own', [
      'zimbraMailDeliveryAddress: own@example.test',
      'zimbraMailTransport: lmtp:store1.example.test:7025',
    ]) +
      entry('dc=far', [
        'zimbraDomainName: far.test',
        'zimbraDomainType: local',
        'zimbraMailTransport: lmtp:[192.0.2.7]:24',
      ]) +
      entry('uid=x', ['zimbraMailDeliveryAddress: x@far.test']),
  )
  t.deepEqual(box.directory.transport('OWN@example.test'), {
    kind: 'found',
    value: 'lmtp:store1.example.test:7025',
  })
  t.deepEqual(box.directory.transport('far.test'), { kind: 'found', value: 'lmtp:[192.0.2.7]:24' })
  t.deepEqual(box.directory.transport('x@far.test'), { kind: 'none' })
  t.deepEqual(box.directory.transport('alice@example.test'), { kind: 'none' })
})

test('a change by another process moves the epoch, and nothing else does', (t) => {
  using box = opened('')
  const before = box.directory.epoch
  t.is(box.directory.transport('alice@example.test').kind, 'none')
  t.is(box.directory.epoch, before)
  importText(
    box.entries,
    entry('uid=new', ['zimbraMailDeliveryAddress: new@example.test', 'zimbraMailTransport: lmtp:s:24']),
  )
  t.not(box.directory.epoch, before)
  t.is(box.directory.transport('new@example.test').kind, 'found')
})
