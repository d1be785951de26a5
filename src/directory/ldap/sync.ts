import type { Filter } from 'ldapts'
import { PresenceFilter } from 'ldapts'
import type { LdapConnection } from './connection.ts'
import { LdapFailure } from './connection.ts'
import type { Mirror, MirrorState } from './mirror.ts'
import type { Listed } from './reading.ts'
import { byUuid, changedSince, isBehind, listEntries, readContextCsns, readEntries } from './reading.ts'
import { Staging } from './staging.ts'
import type { Kind } from './wanted.ts'

export interface SyncOptions {
  readonly mirror: Mirror
  readonly kinds: readonly Kind[]
  readonly base: string
  /** How often the directory is compared entry by entry: so old a deletion may become before it is seen. */
  readonly compareMs: number
}

/** What one look at a server brought. */
export type Round =
  | { readonly kind: 'done'; readonly changed: number }
  /** Some of what the server shows cannot be so, and was not taken over; `changed` entries were. */
  | { readonly kind: 'held'; readonly reason: string; readonly changed: number }

export interface RoundOptions {
  /** Wall clock, for what is stored; and a clock that never jumps. */
  readonly nowMs: number
  readonly monotonicMs: number
  readonly signal: AbortSignal
  /** The operator has said that it is as the server says. */
  readonly accept: boolean
}

/**
 * Replicas pass on what several masters wrote, and clocks differ: what was changed so long before the newest that we
 * know is looked at again. The comparison finds what is older.
 */
const MARGIN_MS = 60_000
/** A deletion is looked for so often at most: a comparison of 100,000 entries costs the server a second. */
const UNEXPLAINED_MS = 15_000
/** Members of dynamic groups are computed by the server and change without the group. */
const GROUPS_MS = 30_000
/** The time of the last confirmation is stored so often at most: each write makes other processes look. */
const STORE_STATE_MS = 60_000
/** When more than this share has changed, all is read anew: it costs less than asking for each. */
const REREAD_SHARE = 0.3
/** Entries that cannot be so, as far as they are told. */
const ODD_MAX = 100
const GROUPS: Filter = new PresenceFilter({ attribute: 'memberURL' })

/**
 * Brings the mirror up to date with one server. Three ways of reading: all of it; what has changed since (in seconds,
 * where the server has a contextCSN); and a list of what there is, which also finds what was deleted or renamed.
 */
export class Sync {
  readonly #options: SyncOptions
  #comparedMs = Number.NEGATIVE_INFINITY
  #groupsMs = Number.NEGATIVE_INFINITY
  /** Something has changed since the last comparison. */
  #isDirty = true
  /** Something has changed that is not there to be read: most likely an entry was deleted. */
  #isUnexplained = false
  /** Why something was held back when everything was looked at last; '' if nothing was. */
  #held = ''
  /** Entries that cannot be so, by their entryUUIDs. */
  readonly #odd = new Map<string, string>()

  constructor(options: SyncOptions) {
    this.#options = options
  }

  /** The next round compares everything, whatever the contextCSN says: for `postern reload`. */
  compareNext(): void {
    this.#comparedMs = Number.NEGATIVE_INFINITY
    this.#isDirty = true
  }

  /** One round. Throws LdapFailure, with kind 'behind' for a server that knows less than the mirror. */
  async round(connection: LdapConnection, options: RoundOptions): Promise<Round> {
    const { mirror, base } = this.#options
    const { state } = mirror
    // Before anything is read: what changes meanwhile is found by the next round.
    const csns = await readContextCsns(connection, base)
    if (!options.accept && isBehind(csns, state.seenCsns)) {
      const why =
        csns.length === 0 ? 'shows no contextCSN although the last one did' : 'is behind what is known'
      throw new LdapFailure('behind', `the server ${why}`)
    }
    // A server that dies in the middle of the round has told us of changes all the same.
    if (csns.join(' ') !== state.seenCsns.join(' ')) mirror.setState({ ...state, seenCsns: csns })
    const { changed } = await this.#read(connection, csns, options)
    this.#settle(csns, connection.url, options)
    return this.#held === '' ? { kind: 'done', changed } : { kind: 'held', reason: this.#held, changed }
  }

  /** Entries that cannot be so and were left as they were known, if they were. */
  get odd(): readonly string[] {
    return [...this.#odd.values()]
  }

  /** In the cheapest way that will do. */
  async #read(connection: LdapConnection, csns: readonly string[], options: RoundOptions): Promise<Round> {
    const { mirror, compareMs } = this.#options
    const { state } = mirror
    const sinceMs = options.monotonicMs - this.#comparedMs
    const mustReadAll = !state.complete || options.accept || (csns.length === 0 && sinceMs >= compareMs)
    if (mustReadAll) return await this.#readAll(connection, options)
    let round: Round = { kind: 'done', changed: 0 }
    if (csns.join(' ') !== state.contextCsns.join(' ')) {
      this.#isDirty = true
      round = await this.#readChanges(connection, csns, options)
    }
    const isDue = this.#isDirty && sinceMs >= (this.#isUnexplained ? UNEXPLAINED_MS : compareMs)
    if (!isDue || csns.length === 0) return round
    return joined(round, await this.#compare(connection, options))
  }

  #settle(contextCsns: readonly string[], url: string, { nowMs }: RoundOptions): void {
    const { mirror } = this.#options
    const { state } = mirror
    const next: MirrorState = { complete: true, contextCsns, seenCsns: contextCsns, url, verifiedMs: nowMs }
    const isSame =
      state.complete && state.url === url && state.contextCsns.join(' ') === contextCsns.join(' ')
    if (!isSame || nowMs - state.verifiedMs >= STORE_STATE_MS || nowMs < state.verifiedMs)
      mirror.setState(next)
  }

  async #readAll(connection: LdapConnection, options: RoundOptions): Promise<Round> {
    using staging = new Staging(this.#options.mirror)
    await this.#gather(connection, staging, { signal: options.signal })
    this.#held = ''
    const round = await this.#apply(staging, staging.gone(), options)
    this.#compared(options)
    return round
  }

  /** Reads entries of all kinds into the staging; resolves with the newest entryCSN among them. */
  async #gather(
    connection: LdapConnection,
    staging: Staging,
    how: { readonly restriction?: Filter; readonly signal: AbortSignal },
  ): Promise<string> {
    const { kinds, base } = this.#options
    const onOdd = (listed: Listed, reason: string) => {
      staging.note([listed])
      if (this.#odd.size < ODD_MAX) this.#odd.set(listed.uuid, reason)
    }
    let newest = ''
    for (const kind of kinds) {
      for await (const page of readEntries(connection, { base, onOdd }, kind, how.restriction)) {
        staging.add(page)
        for (const { uuid, csn } of page) {
          if (csn > newest) newest = csn
          this.#odd.delete(uuid)
        }
        how.signal.throwIfAborted()
      }
    }
    return newest
  }

  async #readChanges(
    connection: LdapConnection,
    csns: readonly string[],
    options: RoundOptions,
  ): Promise<Round> {
    const { mirror } = this.#options
    const since = changedSince(mirror.state.contextCsns, MARGIN_MS)
    if (since === undefined) return await this.#readAll(connection, options)
    using staging = new Staging(mirror)
    const newest = await this.#gather(connection, staging, { restriction: since, signal: options.signal })
    const hadChanges = !staging.isEmpty
    const round = await this.#apply(staging, [], options)
    // Nothing that is there carries the newest change: something was deleted, or it is nothing that we read.
    if (!csns.every((csn) => mirror.state.contextCsns.includes(csn) || csn <= newest))
      this.#isUnexplained = true
    return hadChanges ? joined(round, await this.#readGroups(connection, options)) : round
  }

  async #readGroups(connection: LdapConnection, options: RoundOptions): Promise<Round> {
    if (options.monotonicMs - this.#groupsMs < GROUPS_MS) return { kind: 'done', changed: 0 }
    using staging = new Staging(this.#options.mirror)
    await this.#gather(connection, staging, { restriction: GROUPS, signal: options.signal })
    this.#groupsMs = options.monotonicMs
    return await this.#apply(staging, [], options)
  }

  /** Lists what there is, fetches what differs, and forgets what is gone. */
  async #compare(connection: LdapConnection, options: RoundOptions): Promise<Round> {
    const { mirror, kinds, base } = this.#options
    using staging = new Staging(mirror)
    for await (const page of listEntries(connection, base, kinds)) {
      staging.note(page)
      options.signal.throwIfAborted()
    }
    const different = staging.different()
    const gone = staging.gone()
    if (different.length > mirror.size * REREAD_SHARE) return await this.#readAll(connection, options)
    for (const restriction of byUuid(different))
      await this.#gather(connection, staging, { restriction, signal: options.signal })
    this.#held = ''
    const round = await this.#apply(staging, gone, options)
    this.#compared(options)
    return joined(round, await this.#readGroups(connection, options))
  }

  #compared({ monotonicMs }: RoundOptions): void {
    this.#comparedMs = monotonicMs
    // What is held back is looked at again, whether anything changes or not.
    this.#isDirty = this.#held !== ''
    this.#isUnexplained = false
  }

  async #apply(staging: Staging, gone: readonly string[], options: RoundOptions): Promise<Round> {
    const verdict = options.accept ? ({ kind: 'sound' } as const) : staging.verdict(gone)
    if (verdict.kind === 'sound') return { kind: 'done', changed: await staging.apply(gone, options.signal) }
    this.#held = verdict.reason
    return { kind: 'held', reason: verdict.reason, changed: await staging.applySound(options.signal) }
  }
}

function joined(a: Round, b: Round): Round {
  const changed = a.changed + b.changed
  if (a.kind === 'held' || b.kind === 'held') return { ...(a.kind === 'held' ? a : b), changed }
  return { kind: 'done', changed }
}
