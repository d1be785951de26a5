import type { Finding } from '#src/directory/moving/findings.ts'
import type { MovedKind } from '#src/directory/moving/kinds.ts'
import type { Staging } from '#src/directory/moving/staging.ts'
import type { Localconfig } from '#src/base/localconfig-xml.ts'
import { LOCALCONFIG_KEYS } from '#src/config/localconfig-keys.ts'
import type { SettingProblem } from '#src/config/resolve.ts'
import type { SettingNote } from '#src/config/notes.ts'
import type { Verdict } from './attributes.ts'
import { verdictOn } from './attributes.ts'
import type { Compared } from './postconf.ts'
import type { HonouredSetting, MovedSettings } from './settings.ts'

/** All that `postern import-zimbra` tells; `--json` prints it as it is. */
export interface MovingReport {
  readonly counts: Readonly<Record<MovedKind, number>>
  readonly server: string
  readonly settings: readonly HonouredSetting[]
  readonly problems: readonly SettingProblem[]
  readonly notes: readonly SettingNote[]
  readonly postconf: readonly Compared[]
  readonly localconfig: { readonly read: number; readonly ours: number } | undefined
  readonly attributes: readonly MovedAttribute[]
  readonly findings: readonly Finding[]
}

export interface MovedAttribute {
  readonly kind: MovedKind
  readonly name: string
  readonly entries: number
  readonly verdict: Verdict
}

const KINDS: readonly MovedKind[] = [
  'globalConfig',
  'server',
  'domain',
  'account',
  'alias',
  'list',
  'group',
  'tree',
  'cos',
  'other',
]

export function reportOf(
  staging: Staging,
  settings: MovedSettings,
  more: { readonly postconf: readonly Compared[]; readonly localconfig: Localconfig | undefined },
): MovingReport {
  // oxlint-disable-next-line no-unsafe-type-assertion -- one for each kind
  const counts = Object.fromEntries(
    KINDS.map((kind) => [kind, staging.count(kind)]),
  ) as MovingReport['counts']
  const { localconfig } = more
  return {
    counts,
    server: settings.server,
    settings: settings.honoured,
    problems: settings.problems,
    notes: settings.notes,
    postconf: more.postconf,
    localconfig:
      localconfig === undefined
        ? undefined
        : {
            read: localconfig.size,
            ours: [...localconfig.keys()].filter((key) => Object.hasOwn(LOCALCONFIG_KEYS, key)).length,
          },
    attributes: staging.met.map(({ kind, name, entries }) => ({
      kind,
      name,
      entries,
      verdict: verdictOn(name),
    })),
    findings: staging.findings.all,
  }
}

const COUNTED: readonly (readonly [MovedKind, string])[] = [
  ['domain', 'domains'],
  ['account', 'accounts'],
  ['alias', 'aliases'],
  ['list', 'distribution lists'],
  ['group', 'dynamic groups and their parts'],
  ['server', 'servers'],
  ['cos', 'classes of service'],
]

/** The report for a person. */
export function* reportText(report: MovingReport, from: string): Generator<string> {
  const { counts } = report
  yield `Read from ${from}: ${COUNTED.map(([kind, name]) => `${counts[kind]} ${name}`).join(', ')}.\n`
  yield `Left out: ${counts.other} entries of the mailbox server and the web client.\n`
  yield counts.globalConfig === 0 ? 'There is no globalConfig (cn=config,cn=zimbra) in it.\n' : ''
  yield report.server === ''
    ? 'No server entry stands above globalConfig; name one with --server.\n'
    : `The entry of the server ${report.server} stands above globalConfig.\n`
  if (report.localconfig !== undefined)
    yield `localconfig.xml has ${report.localconfig.read} keys, ${report.localconfig.ours} of them the MTA's.\n`
  yield* section(
    'Settings that will be in force',
    report.settings.map(({ name, value, from: source }) => `${name} = ${value} (${source})`),
  )
  yield* section('Different from what Postfix had (postconf -n)', differences(report.postconf))
  yield* section('Parameters of Postfix that are not taken over', lostParameters(report.postconf))
  yield* section('Values that are not allowed, and are not used', report.problems.map(problemText))
  yield* section('Set, and refused', notesOf(report, 'refused'))
  yield* section('Set, and without effect because the appliance has one way', notesOf(report, 'fixed'))
  yield* section('Set, and without effect in this release', notesOf(report, 'later'))
  yield* section('Set, and not known', [...notesOf(report, 'unknown'), ...notesOf(report, 'overridden')])
  yield* section('Attributes of entries that have no effect', idleAttributes(report))
  yield* section('Attributes that are lost', lostAttributes(report))
  yield* section('To be looked at before the switch', report.findings.flatMap(findingLines))
}

function* section(title: string, lines: readonly string[]): Generator<string> {
  if (lines.length === 0) return
  yield `\n${title}\n`
  for (const line of lines) yield `  ${shown(line)}\n`
}

/** What comes from the directory stays on its line. */
function shown(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (char) => {
    // JSON leaves those beyond ASCII as they are.
    const escaped = JSON.stringify(char).slice(1, -1)
    return escaped === char ? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}` : escaped
  })
}

function differences(compared: readonly Compared[]): readonly string[] {
  return compared.flatMap((one) =>
    one.kind === 'differs'
      ? [`${one.parameter}: ${quoted(one.postfix)} was, ${quoted(one.postern)} will be (${one.from})`]
      : [],
  )
}

function lostParameters(compared: readonly Compared[]): readonly string[] {
  return compared.flatMap((one) =>
    one.kind === 'lost'
      ? [`${one.parameter}${one.postfix === '' ? '' : ` = ${one.postfix}`}: ${one.reason}`]
      : [],
  )
}

function quoted(value: string): string {
  return value === '' ? 'nothing' : value
}

function problemText({ attribute, source, value, reason }: SettingProblem): string {
  return `${attribute} (${source}) = ${value}: ${reason}`
}

function notesOf(report: MovingReport, kind: SettingNote['kind']): readonly string[] {
  return report.notes
    .filter((note) => note.kind === kind)
    .map(({ attribute, source, text }) => `${attribute} (${source}): ${text}`)
}

/** Settings of globalConfig and servers have notes of their own. */
function isOfEntries({ kind }: MovedAttribute): boolean {
  return kind !== 'globalConfig' && kind !== 'server'
}

function idleAttributes(report: MovingReport): readonly string[] {
  return report.attributes
    .filter((one) => isOfEntries(one) && ['fixed', 'later', 'refused'].includes(one.verdict.kind))
    .map(({ kind, name, entries, verdict }) => `${name} (${kind}, ${entries}): ${verdict.text}`)
}

/** By name, since hundreds are lost for the one reason. */
function lostAttributes(report: MovingReport): readonly string[] {
  const byReason = Map.groupBy(
    report.attributes.filter(({ verdict }) => verdict.kind === 'lost'),
    ({ verdict }) => verdict.text,
  )
  const lines: string[] = []
  for (const [text, list] of byReason) {
    lines.push(text)
    for (const { kind, name, entries } of list) lines.push(`  ${name} (${kind}, ${entries})`)
  }
  return lines
}

function findingLines({ text, count, examples }: Finding): readonly string[] {
  const more = count > examples.length ? [`    and ${count - examples.length} more`] : []
  return [`${count}: ${text}`, ...examples.map((example) => `    ${example}`), ...more]
}
