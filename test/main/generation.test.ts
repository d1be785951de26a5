import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { EventName } from '#src/base/events.ts'
import type { Facts } from '#src/base/fault.ts'
import { systemClock } from '#src/base/clock.ts'
import { loadConfig } from '#src/config/config.ts'
import { GenerationStore } from '#src/config/generations.ts'
import type { Attributes } from '#src/config/sources.ts'
import { Generations } from '#src/main/generation.ts'
import { notesLine } from '#src/main/settings-answer.ts'
import { tempFolder } from '#test/support/temp.ts'

type Entry = Record<string, readonly string[]>

/** A directory in memory, postern.toml in a folder, and what the log was told. */
class Box implements Disposable {
  readonly #folder = tempFolder('generation')
  readonly #opened: GenerationStore[] = []
  readonly told: { readonly event: EventName; readonly facts: Facts }[] = []
  globalConfig: Entry | undefined = {}
  server: Entry = {}
  #epoch = 0

  toml(text: string): void {
    writeFileSync(join(this.#folder.path, 'postern.toml'), text)
  }

  localconfig(text: string): void {
    writeFileSync(join(this.#folder.path, 'local.xml'), text)
  }

  set(entry: Entry | undefined): void {
    this.globalConfig = entry
    this.#epoch += 1
  }

  events(event: EventName): readonly Facts[] {
    return this.told.filter((one) => one.event === event).map(({ facts }) => facts)
  }

  /** No store takes anything any more. */
  breakHistory(): void {
    for (const store of this.#opened.splice(0)) store[Symbol.dispose]()
  }

  /** Master starts. */
  start(): Generations {
    const loaded = loadConfig(join(this.#folder.path, 'postern.toml'), this.#folder.path)
    if (loaded.kind === 'invalid') throw new Error(JSON.stringify(loaded.problems))
    const store = GenerationStore.open(join(this.#folder.path, 'generations.db'))
    this.#opened.push(store)
    const epoch = () => this.#epoch
    return new Generations(loaded.config, {
      store,
      clock: systemClock,
      log: {
        write: (_level, event, facts) => {
          this.told.push({ event, facts })
        },
        flush: () => {},
      },
      directory: {
        globalConfig: () => attributes(this.globalConfig),
        serverConfig: (name) =>
          this.globalConfig === undefined
            ? undefined
            : attributes(name === 'mta1.example.com' ? this.server : {}),
        trouble: 'the disk is gone',
        get epoch() {
          return epoch()
        },
      },
    })
  }

  [Symbol.dispose](): void {
    for (const store of this.#opened) store[Symbol.dispose]()
    this.#folder[Symbol.dispose]()
  }
}

function attributes(entry: Entry | undefined): Attributes | undefined {
  return entry === undefined ? undefined : new Map(Object.entries(entry))
}

const TOML = 'localconfig = "local.xml"\n[directory]\nserver = "mta1.example.com"\n'

function box(globalConfig: Entry = {}): Box {
  const made = new Box()
  made.toml(TOML)
  made.globalConfig = globalConfig
  return made
}

test('only a change that differs is a generation, and the number survives a restart', (t) => {
  using one = box({ zimbraMtaHopcountLimit: ['7'] })
  const generations = one.start()
  t.is(generations.current.number, 1)
  t.is(generations.look(), undefined)
  t.is(generations.reload().kind, 'generation')
  t.is(generations.current.number, 1)
  one.set({ zimbraMtaHopcountLimit: ['8'] })
  t.is(generations.look()?.number, 2)
  t.is(generations.current.settings.hopcountLimit, 8)
  one.set({ zimbraMtaHopcountLimit: ['8'], cn: ['config'] })
  t.is(generations.look(), undefined)
  const again = one.start()
  t.is(again.current.number, 2)
  one.set({ zimbraMtaHopcountLimit: ['9'] })
  t.is(again.look()?.number, 3)
  t.deepEqual(
    one.events('settings.generation').map(({ generation, reason, changed }) => [generation, reason, changed]),
    [
      [1, 'start', []],
      [2, 'directory', ['hopcount_limit: 7 -> 8']],
      [3, 'directory', ['hopcount_limit: 8 -> 9']],
    ],
  )
})

test('postern.toml, the server, globalConfig, localconfig.xml and the default decide in this order', (t) => {
  using one = box({
    zimbraMtaHopcountLimit: ['1'],
    zimbraMtaSmtpdHardErrorLimit: ['2'],
    zimbraMtaSmtpdSoftErrorLimit: ['3'],
  })
  one.server = { zimbraMtaHopcountLimit: ['11'], zimbraMtaSmtpdHardErrorLimit: ['12'] }
  one.toml(`${TOML}[settings]\nzimbraMtaHopcountLimit = 21\n`)
  one.localconfig(
    '<localconfig><key name="postfix_smtpd_soft_error_limit"><value>33</value></key><key name="postfix_smtpd_error_sleep_time"><value>4s</value></key></localconfig>',
  )
  const { settings, origins } = one.start().current
  t.deepEqual(
    [settings.hopcountLimit, settings.hardErrorLimit, settings.softErrorLimit, settings.errorSleepTimeMs],
    [21, 12, 3, 4000],
  )
  t.deepEqual(
    [
      origins.hopcountLimit,
      origins.hardErrorLimit,
      origins.softErrorLimit,
      origins.errorSleepTimeMs,
      origins.heloRequired,
    ].map(({ source }) => source),
    ['postern.toml', 'server', 'globalConfig', 'localconfig.xml', 'default'],
  )
})

test('the server is the one that localconfig.xml names where postern.toml names none', (t) => {
  using one = box({ zimbraMtaHopcountLimit: ['1'] })
  one.toml('localconfig = "local.xml"\n')
  one.server = { zimbraMtaHopcountLimit: ['11'] }
  t.is(one.start().current.settings.hopcountLimit, 1)
  one.localconfig(
    '<localconfig><key name="zimbra_server_hostname"><value>MTA1.example.com</value></key></localconfig>',
  )
  t.is(one.start().current.settings.hopcountLimit, 11)
})

test('a localconfig.xml that is written beside us is seen by the next look', (t) => {
  using one = box()
  const generations = one.start()
  t.is(generations.look(), undefined)
  one.localconfig(
    '<localconfig><key name="postfix_smtpd_hard_error_limit"><value>13</value></key></localconfig>',
  )
  t.is(generations.look()?.settings.hardErrorLimit, 13)
})

test('a directory over LDAP without an entry of this server is told', (t) => {
  using one = box()
  one.toml('[directory]\nserver = "mta2.example.com"\nurls = ["ldap://127.0.0.1:1"]\n')
  t.deepEqual(one.start().current.notes, [], 'nothing of it is known yet')
  one.set({ cn: ['config'] })
  const [note] = one.start().current.notes
  t.like(note, { attribute: 'server', kind: 'unknown' })
  t.regex(note?.text ?? '', /no entry of a server mta2\.example\.com/)
})

test('a value that is not allowed leaves the old one in force, is told once, and once more when it is mended', (t) => {
  using one = box({ zimbraMtaHopcountLimit: ['7'] })
  const generations = one.start()
  one.set({ zimbraMtaHopcountLimit: ['many'], zimbraMtaMaxMessageSize: ['5000'] })
  t.is(generations.look()?.number, 2)
  t.is(generations.current.settings.hopcountLimit, 7)
  t.is(generations.current.settings.messageSizeLimitBytes, 5000)
  t.true(generations.current.origins.hopcountLimit.kept)
  one.set({ zimbraMtaHopcountLimit: ['many'], zimbraMtaMaxMessageSize: ['6000'] })
  generations.look()
  t.is(one.events('settings.alarm').length, 1)
  t.like(one.events('settings.alarm')[0], { attribute: 'zimbraMtaHopcountLimit', source: 'globalConfig' })
  t.is(generations.alarms.length, 1)
  // The old value outlives a restart too.
  const again = one.start()
  t.is(again.current.settings.hopcountLimit, 7)
  one.set({ zimbraMtaHopcountLimit: ['9'], zimbraMtaMaxMessageSize: ['6000'] })
  t.is(again.look()?.settings.hopcountLimit, 9)
  t.deepEqual(again.alarms, [])
  t.is(one.events('settings.cleared').length, 1)
})

test('an attribute that is refused is an alarm, one without effect is a note that is told once', (t) => {
  using one = box({
    zimbraMtaVirtualMailboxMaps: ['hash:/etc/boxes'],
    zimbraMtaMaxUse: ['5'],
    zimbraSpamTagPercent: ['20'],
    zimbraMtaNoSuchThing: ['1'],
    zimbraMtaDefaultProcessLimit: ['100'],
  })
  const generations = one.start()
  generations.reload()
  t.deepEqual(
    generations.alarms.map(({ attribute }) => attribute),
    ['zimbraMtaVirtualMailboxMaps'],
  )
  t.deepEqual(
    one.events('settings.note').map(({ attribute, kind }) => [attribute, kind]),
    [
      ['zimbraMtaMaxUse', 'fixed'],
      ['zimbraSpamTagPercent', 'later'],
      ['zimbraMtaNoSuchThing', 'unknown'],
    ],
  )
})

test('a directory full of attributes that nobody knows is told within bounds', (t) => {
  const many = Array.from({ length: 3000 }, (_, n) => [`zimbraMtaNoSuch${n}`, ['1']] as const)
  using one = box(Object.fromEntries(many))
  const { notes } = one.start().current
  t.is(notes.length, 1000)
  t.is(one.events('settings.note').length, 1000)
  const [line = ''] = notesLine(notes)
  t.regex(line, /zimbraMtaNoSuch19, and 980 more$/)
})

test('a rollback brings old values back and holds them until their own source says something else', (t) => {
  using one = box({ zimbraMtaHopcountLimit: ['7'], zimbraMtaMaxMessageSize: ['5000'] })
  const generations = one.start()
  one.set({ zimbraMtaHopcountLimit: ['8'], zimbraMtaMaxMessageSize: ['6000'] })
  generations.look()
  const back = generations.rollback(1)
  t.is(back.kind, 'generation')
  if (back.kind !== 'generation') return
  t.is(back.generation.number, 3)
  t.deepEqual(
    back.changes.map(({ name, after }) => [name, after]),
    [
      ['message_size_limit', '5000'],
      ['hopcount_limit', '7'],
    ],
  )
  t.deepEqual(generations.held.toSorted(), ['hopcount_limit', 'message_size_limit'])
  // Another attribute of the same entry ends no hold; a restart ends none.
  one.set({
    zimbraMtaHopcountLimit: ['8'],
    zimbraMtaMaxMessageSize: ['6000'],
    zimbraMtaSmtpdHardErrorLimit: ['9'],
  })
  generations.look()
  t.is(generations.current.settings.hopcountLimit, 7)
  const again = one.start()
  t.is(again.current.number, 4)
  t.is(again.current.settings.hopcountLimit, 7)
  one.set({
    zimbraMtaHopcountLimit: ['10'],
    zimbraMtaMaxMessageSize: ['6000'],
    zimbraMtaSmtpdHardErrorLimit: ['9'],
  })
  t.is(again.look()?.settings.hopcountLimit, 10)
  t.is(again.current.settings.messageSizeLimitBytes, 5000)
  t.deepEqual(again.held, ['message_size_limit'])
  const released = again.release()
  t.is(released.kind === 'generation' ? released.generation.settings.messageSizeLimitBytes : 0, 6000)
  t.deepEqual(again.held, [])
})

test('the history names who made a generation, also where it was seen in the directory before they said so', (t) => {
  using one = box({ zimbraMtaHopcountLimit: ['7'] })
  const generations = one.start()
  const sinceMs = Date.now()
  one.set({ zimbraMtaHopcountLimit: ['8'] })
  t.is(generations.look()?.number, 2)
  generations.reload({ by: 'root (zmprov)', sinceMs })
  one.set({ zimbraMtaHopcountLimit: ['9'] })
  generations.reload({ by: 'postern (console)', sinceMs: Date.now() })
  one.set({ zimbraMtaHopcountLimit: ['10'] })
  t.is(generations.look()?.number, 4)
  // Who says nothing of a change takes none; nor does whoever goes back.
  generations.reload()
  generations.rollback(1, 'root (postern)')
  t.deepEqual(
    generations.recent().map(({ reason, author }) => [reason, author]),
    [
      ['rollback to 1', 'root (postern)'],
      ['directory', ''],
      ['reload', 'postern (console)'],
      ['directory', 'root (zmprov)'],
      ['start', ''],
    ],
  )
  t.deepEqual(
    generations.recent(4, 2).map(({ number }) => number),
    [3, 2],
  )
})

test('a bad value that a rollback holds stays an alarm, and a generation that is not there is no rollback', (t) => {
  using one = box({ zimbraMtaHopcountLimit: ['7'] })
  const generations = one.start()
  one.set({ zimbraMtaHopcountLimit: ['8'] })
  generations.look()
  one.set({ zimbraMtaHopcountLimit: ['many'] })
  generations.look()
  generations.rollback(1)
  t.is(generations.current.settings.hopcountLimit, 7)
  t.is(generations.alarms.length, 1)
  t.like(generations.rollback(99), { kind: 'refused' })
})

test('a directory or a localconfig.xml that cannot be read keeps what was in force, over a restart too', (t) => {
  using one = box({ zimbraMtaHopcountLimit: ['7'] })
  const generations = one.start()
  one.set(undefined)
  t.is(generations.look(), undefined)
  t.is(generations.current.settings.hopcountLimit, 7)
  t.like(generations.alarms[0], { attribute: 'directory', reason: 'the disk is gone' })
  const again = one.start()
  t.is(again.current.number, 1)
  t.is(again.current.settings.hopcountLimit, 7)
  one.localconfig('<nonsense/>')
  one.set({ zimbraMtaHopcountLimit: ['8'] })
  again.look()
  t.like(again.alarms[0], { attribute: 'localconfig.xml' })
  one.localconfig('<localconfig/>')
  t.is(again.look()?.settings.hopcountLimit, 8)
  t.deepEqual(again.alarms, [])
})

test('a history that cannot be written is an alarm, and the settings count all the same', (t) => {
  using one = box({ zimbraMtaHopcountLimit: ['7'] })
  const generations = one.start()
  one.breakHistory()
  one.set({ zimbraMtaHopcountLimit: ['8'] })
  t.is(generations.look()?.settings.hopcountLimit, 8)
  t.is(generations.current.number, 2)
  t.like(generations.alarms[0], { attribute: 'generations.db' })
})

test('of a value that is not allowed the log has the start, and of a password nothing', (t) => {
  using one = box({
    zimbraShareNotificationMtaAuthPassword: ['geheim\u0000'],
    zimbraMtaMyNetworks: ['nonsense '.repeat(100)],
  })
  const { alarms } = one.start()
  const told = JSON.stringify([alarms, one.told])
  t.false(told.includes('geheim'))
  t.regex(told, /zimbraShareNotificationMtaAuthPassword/)
  t.true(alarms.every(({ reason }) => reason.length < 500))
})

test('a postern.toml with mistakes changes nothing, and what cannot change while it runs is told', (t) => {
  using one = box()
  const generations = one.start()
  one.toml(`${TOML}[limits]\nhopcount_limit = "many"\n`)
  t.like(generations.reload(), { kind: 'refused' })
  t.is(generations.current.number, 1)
  one.toml(`workers = 3\n${TOML}[limits]\nhopcount_limit = 9\nqmgr_message_active_limit = 7\n`)
  t.like(generations.reload(), {
    kind: 'generation',
    notes: [
      'workers has changed; that takes hold at the next start',
      'qmgr_message_active_limit has changed; that takes hold at the next start',
    ],
  })
  t.is(generations.current.settings.hopcountLimit, 9)
})
