import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import test from 'ava'
import { systemClock } from '#src/base/clock.ts'
import { Directory } from '#src/directory/directory.ts'
import { LdapConnection, LdapFailure } from '#src/directory/ldap/connection.ts'
import { openMirror } from '#src/directory/ldap/mirror.ts'
import type { Round } from '#src/directory/ldap/sync.ts'
import { Sync } from '#src/directory/ldap/sync.ts'
import { wantedKinds } from '#src/directory/ldap/wanted.ts'
import { ADMIN_DN, ADMIN_PASSWORD, Slapd, slapdLacks } from '#test/support/slapd.ts'
import { tempFolder } from '#test/support/temp.ts'
import {
  accountEntry,
  domainEntry,
  domainParents,
  entry,
  listEntry,
  serverEntry,
  tree,
} from '#test/support/zimbra-ldif.ts'

const real = slapdLacks() === undefined ? test : test.skip

const CONFIG = {
  zimbraDefaultDomainName: 'a.test',
  zimbraMtaMyNetworks: ['127.0.0.0/8', '10.0.0.0/8'],
  zimbraMtaMaxMessageSize: '5000000',
  zimbraMtaBlockedExtension: ['exe', 'bat'],
}

const BASE = [
  tree(CONFIG),
  serverEntry('mta1.test', { zimbraMtaMaxMessageSize: '7000000' }),
  domainParents(['a.test', 'b.test']),
  domainEntry('a.test'),
  domainEntry('b.test'),
  ...Array.from({ length: 30 }, (_, n) => accountEntry(`user${n}@a.test`)),
  listEntry('list@a.test', ['user1@a.test', 'user2@a.test']),
].join('')

function adding(ldif: string): string {
  return ldif.replaceAll(/^(dn: .*)$/gm, '$1\nchangetype: add')
}

const DAY_MS = 86_400_000

/** slapd, a mirror, what brings the one into the other, and what reads it. */
class Box {
  readonly slapd: Slapd
  readonly directory: Directory
  readonly mirror: ReturnType<typeof openMirror>
  readonly #folder: ReturnType<typeof tempFolder>
  #sync: Sync
  #nowMs = 0

  private constructor(slapd: Slapd, folder: ReturnType<typeof tempFolder>) {
    this.slapd = slapd
    this.#folder = folder
    const path = join(folder.path, 'mirror.db')
    this.mirror = openMirror(path)
    this.directory = new Directory({ path, recipientDelimiter: '+', expansionLimit: 10_000 })
    this.#sync = this.#newSync()
  }

  static async start(ldif = BASE): Promise<Box> {
    const folder = tempFolder('ldap-sync')
    mkdirSync(join(folder.path, 'slapd'))
    return new Box(await Slapd.start({ folder: join(folder.path, 'slapd'), ldif }), folder)
  }

  #newSync(): Sync {
    const kinds = wantedKinds(['zimbraMtaMyNetworks', 'zimbraMtaMaxMessageSize', 'zimbraMtaBlockedExtension'])
    return new Sync({ mirror: this.mirror, kinds, base: '', compareMs: DAY_MS })
  }

  /** As after a restart of the process. */
  forget(): void {
    this.#sync = this.#newSync()
  }

  /** One round; `laterMs` after the one before. */
  async round(
    options: { readonly laterMs?: number; readonly accept?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<Round> {
    this.#nowMs += options.laterMs ?? 2000
    const signal = options.signal ?? new AbortController().signal
    const server = {
      url: this.slapd.url,
      startTls: false,
      caFile: '',
      connectTimeoutMs: 60_000,
      searchTimeoutMs: 60_000,
    }
    const credentials = { dn: ADMIN_DN, password: ADMIN_PASSWORD }
    const connection = await LdapConnection.open(server, credentials, new AbortController().signal)
    try {
      const nowMs = systemClock.nowMs()
      return await this.#sync.round(connection, {
        nowMs,
        monotonicMs: this.#nowMs,
        signal,
        accept: options.accept ?? false,
      })
    } finally {
      connection.close()
    }
  }

  get odd(): readonly string[] {
    return this.#sync.odd
  }

  finds(t: ExecutionContext, address: string, expected: readonly string[] | 'unknown' | 'unavailable'): void {
    const found = this.directory.recipient(address)
    const got = found.kind === 'found' ? found.deliverTo.toSorted() : found.kind
    t.deepEqual(got, typeof expected === 'string' ? expected : expected.toSorted(), address)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.slapd[Symbol.asyncDispose]()
    this.directory[Symbol.dispose]()
    this.mirror[Symbol.dispose]()
    this.#folder[Symbol.dispose]()
  }
}

real(
  'before the first round nobody is known or unknown; after it lookups and settings are those of the server',
  async (t) => {
    await using box = await Box.start()
    box.finds(t, 'user1@a.test', 'unavailable')
    box.finds(t, 'nobody@a.test', 'unavailable')
    t.is(box.directory.domain('a.test'), 'unavailable')
    t.is(box.directory.globalConfig(), undefined)
    t.deepEqual(await box.round(), { kind: 'done', changed: 35 })
    box.finds(t, 'user1@a.test', ['user1@a.test'])
    box.finds(t, 'list@a.test', ['user1@a.test', 'user2@a.test'])
    box.finds(t, 'nobody@a.test', 'unknown')
    t.is(box.directory.domain('b.test'), 'local')
    t.is(box.directory.domain('c.test'), 'foreign')
    t.deepEqual(box.directory.transport('user1@a.test'), { kind: 'found', value: 'lmtp:store.test:7025' })
    t.deepEqual(box.directory.globalConfig()?.get('zimbraMtaMyNetworks'), CONFIG.zimbraMtaMyNetworks)
    t.deepEqual(box.directory.serverConfig('mta1.test')?.get('zimbraMtaMaxMessageSize'), ['7000000'])
    t.deepEqual(await box.round(), { kind: 'done', changed: 0 })
  },
)

real('a change is taken over by the next round, and what did not change is not written again', async (t) => {
  await using box = await Box.start()
  await box.round()
  await box.slapd.modify(adding(accountEntry('new@a.test', { zimbraMailAlias: 'fresh@b.test' })))
  t.deepEqual(await box.round(), { kind: 'done', changed: 1 })
  box.finds(t, 'fresh@b.test', ['new@a.test'])
  await box.slapd.modify(
    'dn: uid=user1,ou=people,dc=a,dc=test\nchangetype: modify\nreplace: zimbraMailForwardingAddress\nzimbraMailForwardingAddress: x@elsewhere.test\n',
  )
  t.deepEqual(await box.round(), { kind: 'done', changed: 1 })
  box.finds(t, 'user1@a.test', ['user1@a.test', 'x@elsewhere.test'])
  const { epoch } = box.directory
  // Nothing that anybody looks up: a login.
  await box.slapd.modify(
    'dn: uid=user2,ou=people,dc=a,dc=test\nchangetype: modify\nreplace: description\ndescription: x\n',
  )
  t.deepEqual(await box.round(), { kind: 'done', changed: 0 })
  t.is(box.directory.epoch, epoch)
})

real('what was deleted or renamed is forgotten within seconds, in a restarted process too', async (t) => {
  await using box = await Box.start()
  await box.round()
  await box.slapd.modify('dn: uid=user3,ou=people,dc=a,dc=test\nchangetype: delete\n')
  await box.round()
  await box.round({ laterMs: 20_000 })
  box.finds(t, 'user3@a.test', 'unknown')
  await box.slapd.modify(
    'dn: uid=user4,ou=people,dc=a,dc=test\nchangetype: modrdn\nnewrdn: uid=moved\ndeleteoldrdn: 1\n\n' +
      'dn: uid=moved,ou=people,dc=a,dc=test\nchangetype: modify\nreplace: zimbraMailDeliveryAddress\nzimbraMailDeliveryAddress: moved@a.test\n\n' +
      'dn: uid=user5,ou=people,dc=a,dc=test\nchangetype: modrdn\nnewrdn: uid=user4\ndeleteoldrdn: 1\n',
  )
  await box.round()
  box.finds(t, 'moved@a.test', ['moved@a.test'])
  box.finds(t, 'user4@a.test', 'unknown')
  box.finds(t, 'user5@a.test', ['user5@a.test'])
  await box.slapd.modify('dn: uid=user6,ou=people,dc=a,dc=test\nchangetype: delete\n')
  // Another change hides the deletion from whoever looks at the newest only.
  await box.slapd.modify(adding(accountEntry('later@a.test')))
  await box.round()
  box.forget()
  await box.round()
  box.finds(t, 'user6@a.test', 'unknown')
  box.finds(t, 'later@a.test', ['later@a.test'])
})

real('members of a dynamic group are followed by their names, and change without the group', async (t) => {
  const group = entry('cn=team,dc=a,dc=test', ['groupOfURLs', 'zimbraGroup', 'zimbraMailRecipient'], {
    cn: 'team',
    zimbraId: 'team-id',
    zimbraMailAlias: 'team@a.test',
    zimbraMailStatus: 'enabled',
    memberURL: 'ldap:///??sub?(zimbraMemberOf=team-id)',
  })
  const members = [1, 2].map((n) => accountEntry(`m${n}@b.test`, { zimbraMemberOf: 'team-id' }))
  await using box = await Box.start(BASE + group + members.join(''))
  await box.round()
  box.finds(t, 'team@a.test', ['m1@b.test', 'm2@b.test'])
  await box.slapd.modify(
    'dn: uid=user9,ou=people,dc=a,dc=test\nchangetype: modify\nadd: zimbraMemberOf\nzimbraMemberOf: team-id\n',
  )
  await box.round({ laterMs: 40_000 })
  box.finds(t, 'team@a.test', ['m1@b.test', 'm2@b.test', 'user9@a.test'])
})

real('a server that knows less than before is refused, until an operator accepts it', async (t) => {
  await using box = await Box.start()
  await box.round()
  const { state } = box.mirror
  box.mirror.setState({ ...state, seenCsns: ['20991231235959.000000Z#000000#001#000000'] })
  const error = await t.throwsAsync(() => box.round(), { instanceOf: LdapFailure })
  t.is(error.kind, 'behind')
  // Another server has written, of which this one has never heard.
  box.mirror.setState({
    ...state,
    seenCsns: [...state.seenCsns, '20000101000000.000000Z#000000#002#000000'],
  })
  t.is((await t.throwsAsync(() => box.round(), { instanceOf: LdapFailure })).kind, 'behind')
  box.finds(t, 'user1@a.test', ['user1@a.test'])
  t.is((await box.round({ accept: true })).kind, 'done')
  t.is((await box.round()).kind, 'done')
})

real('what a server told before it died is not taken back by one that never heard of it', async (t) => {
  await using box = await Box.start()
  await box.round()
  const before = box.mirror.state.contextCsns
  await box.slapd.modify(adding(accountEntry('new@a.test')))
  await t.throwsAsync(() => box.round({ signal: AbortSignal.abort() }))
  const { contextCsns, seenCsns } = box.mirror.state
  t.deepEqual(contextCsns, before)
  t.true(seenCsns.join(' ') > before.join(' '))
  t.is((await box.round()).kind, 'done')
  box.finds(t, 'new@a.test', ['new@a.test'])
  t.deepEqual(box.mirror.state.contextCsns, seenCsns)
})

for (const [what, change, reason] of [
  [
    'half of the accounts deleted at once',
    Array.from(
      { length: 15 },
      (_, n) => `dn: uid=user${n + 10},ou=people,dc=a,dc=test\nchangetype: delete\n`,
    ).join('\n'),
    /15 of 35 entries would be lost/,
  ],
  [
    'half of the accounts without their addresses',
    Array.from(
      { length: 15 },
      (_, n) =>
        `dn: uid=user${n + 10},ou=people,dc=a,dc=test\nchangetype: modify\ndelete: zimbraMailDeliveryAddress\n`,
    ).join('\n'),
    /15 of 35 entries would be lost/,
  ],
  ['globalConfig gone', 'dn: cn=config,cn=zimbra\nchangetype: delete\n', /globalConfig has vanished/],
  [
    'globalConfig nearly empty',
    'dn: cn=config,cn=zimbra\nchangetype: modify\ndelete: zimbraMtaMyNetworks\n-\ndelete: zimbraMtaMaxMessageSize\n-\ndelete: zimbraMtaBlockedExtension\n-\ndelete: zimbraDefaultDomainName\n',
    /globalConfig has 3 values instead of/,
  ],
  [
    'no domain any more',
    ['a', 'b']
      .map((name) => `dn: dc=${name},dc=test\nchangetype: modify\ndelete: zimbraDomainName\n`)
      .join('\n'),
    /no domain any more/,
  ],
] as const) {
  real(`${what} is held back, and taken over when an operator accepts it`, async (t) => {
    await using box = await Box.start()
    await box.round()
    await box.slapd.modify(change)
    await box.round()
    const held = await box.round({ laterMs: DAY_MS })
    t.is(held.kind, 'held')
    if (held.kind === 'held') t.regex(held.reason, reason)
    box.finds(t, 'user12@a.test', ['user12@a.test'])
    t.is(box.directory.domain('a.test'), 'local')
    t.deepEqual(box.directory.globalConfig()?.get('zimbraMtaMaxMessageSize'), ['5000000'])
    // What nobody loses by goes on, and what is held back stays so without being read again each time.
    await box.slapd.modify(adding(accountEntry('meanwhile@a.test')))
    const next = await box.round()
    t.is(next.kind, 'held')
    t.is(next.changed, 1)
    box.finds(t, 'meanwhile@a.test', ['meanwhile@a.test'])
    box.forget()
    t.is((await box.round()).kind, 'held')
    box.finds(t, 'user12@a.test', ['user12@a.test'])
    t.is((await box.round({ accept: true })).kind, 'done')
    t.is((await box.round({ laterMs: DAY_MS })).kind, 'done')
  })
}

real('what was held back and then mended on the server is held back no more', async (t) => {
  await using box = await Box.start()
  await box.round()
  await box.slapd.modify(
    'dn: cn=config,cn=zimbra\nchangetype: modify\ndelete: zimbraMtaMyNetworks\n-\ndelete: zimbraMtaMaxMessageSize\n-\ndelete: zimbraMtaBlockedExtension\n-\ndelete: zimbraDefaultDomainName\n',
  )
  t.is((await box.round()).kind, 'held')
  await box.slapd.modify(
    'dn: cn=config,cn=zimbra\nchangetype: modify\nadd: zimbraMtaBlockedExtension\nzimbraMtaBlockedExtension: exe\nzimbraMtaBlockedExtension: js\nzimbraMtaBlockedExtension: vbs\n',
  )
  t.is((await box.round({ laterMs: DAY_MS })).kind, 'done')
  t.deepEqual(box.directory.globalConfig()?.get('zimbraMtaBlockedExtension'), ['exe', 'js', 'vbs'])
})

real('an entry that cannot be so is told and left as it was known, and all others count', async (t) => {
  await using box = await Box.start()
  await box.round()
  t.deepEqual(box.odd, [])
  const long = `x${'y'.repeat(70_000)}`
  await box.slapd.modify(
    `dn: uid=user1,ou=people,dc=a,dc=test\nchangetype: modify\nreplace: zimbraMailHost\nzimbraMailHost: ${long}\n-\nadd: zimbraMailAlias\nzimbraMailAlias: late@a.test\n\n${adding(accountEntry('new@a.test'))}`,
  )
  t.deepEqual(await box.round(), { kind: 'done', changed: 1 })
  t.regex(box.odd.join(), /uid=user1,ou=people,dc=a,dc=test with a value of zimbraMailHost that is longer/)
  box.finds(t, 'user1@a.test', ['user1@a.test'])
  box.finds(t, 'late@a.test', 'unknown')
  box.finds(t, 'new@a.test', ['new@a.test'])
  await box.round({ laterMs: DAY_MS })
  box.finds(t, 'user1@a.test', ['user1@a.test'])
  await box.slapd.modify(
    'dn: uid=user1,ou=people,dc=a,dc=test\nchangetype: modify\nreplace: zimbraMailHost\nzimbraMailHost: store.test\n',
  )
  await box.round()
  t.deepEqual(box.odd, [])
  box.finds(t, 'late@a.test', ['user1@a.test'])
})

real(
  'a value that cannot be what its attribute wants is left out, and all else of the entry counts',
  async (t) => {
    const odd = accountEntry('odd@a.test', { zimbraMailAlias: ['not an address', 'good@a.test'] })
    await using box = await Box.start(BASE + odd)
    await box.round()
    box.finds(t, 'good@a.test', ['odd@a.test'])
    t.is(box.mirror.leftOut, 1)
  },
)
