import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import test from 'ava'
import { ALARMS } from '#src/base/alarms.ts'
import { FAULTS } from '#src/base/fault.ts'
import { METRICS } from '#src/base/metric-table.ts'
import type { MetricSpec } from '#src/base/metric-table.ts'
import { ATTRIBUTES } from '#src/config/catalogue.ts'
import { LOCALCONFIG_KEYS } from '#src/config/localconfig-keys.ts'
import { SETTING_LIST } from '#src/config/settings.ts'

/** Rules that hold for the code as a whole, read from the code itself. */

/** A folder imports from floors below its own and from itself (ARCHITECTURE.md). */
const FLOORS: readonly (readonly string[])[] = [
  ['base'],
  ['mail', 'net', 'store', 'match', 'workers', 'host'],
  ['queue', 'config', 'directory', 'dns'],
  ['smtp', 'policy', 'scan', 'delivery', 'admin', 'health'],
  ['main', 'cli', 'console', 'appliance'],
]

/** A package from outside has one owner. */
const OWNERS: Readonly<Record<string, string>> = {
  '@peculiar/x509': 'net',
  'better-sqlite3': 'store',
  'dns-packet': 'dns',
  fastify: 'health',
  'prom-client': 'health',
  'net-snmp': 'health',
  ldapts: 'directory',
  // What @peculiar/x509 rests on.
  'reflect-metadata': 'net',
  'smol-toml': 'config',
  'smtp-server': 'smtp',
  systeminformation: 'workers',
}

/** The only files that start another program. */
const STARTERS = ['src/admin/start.ts', 'src/appliance/run.ts', 'src/console/ping.ts', 'src/main/forked.ts']

const LINES_MAX = 500

interface Source {
  readonly file: string
  readonly text: string
  /** What it imports, statically or not, types included. */
  readonly imports: readonly string[]
}

function sources(pattern: string): readonly Source[] {
  return globSync(pattern)
    .toSorted()
    .map((file) => {
      const text = readFileSync(file, 'utf8')
      return { file, text, imports: importsOf(text) }
    })
}

function importsOf(text: string): readonly string[] {
  const found = text.matchAll(
    /^(?:import|export)\b[^'"]*?\bfrom\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm,
  )
  return [...found].map((match) => match[1] ?? match[2] ?? match[3] ?? '')
}

const CODE = sources('src/**/*.ts')
const TESTS = sources('test/**/*.ts')

const floorOf = (folder: string) => FLOORS.findIndex((floor) => floor.includes(folder))
const folderOf = (file: string) => file.split('/')[1] ?? ''
/** The folder of src/ that an import leads to; undefined for a package. */
function targetOf(source: Source, specifier: string): string | undefined {
  if (specifier.startsWith('#src/')) return specifier.split('/')[1]
  return specifier.startsWith('.') ? folderOf(join(dirname(source.file), specifier)) : undefined
}

function packageOf(specifier: string): string | undefined {
  if (/^(?:#|\.|node:)/.test(specifier)) return undefined
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

test('there is code to be looked at, and its imports are seen', (t) => {
  t.true(CODE.length > 100)
  t.true(CODE.filter(({ imports }) => imports.length > 0).length > 80)
  t.deepEqual(
    importsOf("import type {\n  A,\n} from './a.ts'\nexport { b } from 'b'\nimport 'c'\nawait import('d')\n"),
    ['./a.ts', 'b', 'c', 'd'],
  )
})

test('every folder of src is on a floor', (t) => {
  t.deepEqual(
    [...new Set(CODE.map(({ file }) => folderOf(file)))].filter((folder) => floorOf(folder) < 0),
    [],
  )
})

test('no folder imports from its own floor or from one above', (t) => {
  const wrong = CODE.flatMap((source) => {
    const from = folderOf(source.file)
    return source.imports.flatMap((specifier) => {
      const to = targetOf(source, specifier)
      const isAllowed = to === undefined || to === from || floorOf(to) < floorOf(from)
      return isAllowed ? [] : [`${source.file} imports ${specifier}`]
    })
  })
  t.deepEqual(wrong, [])
})

test('a package is imported by the folder that owns it, and by no other', (t) => {
  const wrong = CODE.flatMap(({ file, imports }) =>
    imports
      .map(packageOf)
      .filter((name) => name !== undefined && OWNERS[name] !== folderOf(file))
      .map((name) => `${file} imports ${name}`),
  )
  t.deepEqual(wrong, [])
})

test('an import names its file with .ts, by #src across folders and by ./ inside one', (t) => {
  const wrong = CODE.flatMap(({ file, imports }) =>
    imports
      .filter((one) => packageOf(one) === undefined && !one.startsWith('node:'))
      // A folder within a folder may reach the files around it by either.
      .filter(
        (one) =>
          !one.endsWith('.ts') || one.startsWith('../') || one.startsWith(`#src/${dirname(file).slice(4)}/`),
      )
      .map((one) => `${file} imports ${one}`),
  )
  t.deepEqual(wrong, [])
})

test(`no file is longer than ${LINES_MAX} lines`, (t) => {
  const long = [...CODE, ...TESTS]
    .filter(({ text }) => text.split('\n').length > LINES_MAX)
    .map(({ file }) => file)
  t.deepEqual(long, [])
})

test('only master, what starts it, the helper of the image and ping start programs, and none starts a shell', (t) => {
  const starting = CODE.filter(({ text }) => /^import (?!type\b)[^\n]*'node:child_process'/m.test(text))
  t.deepEqual(
    starting.map(({ file }) => file),
    STARTERS,
  )
  for (const { file, text } of starting) {
    t.regex(text, /^import \{ spawn \} from 'node:child_process'$/m, file)
    t.notRegex(text, /\bshell\b\s*:/, file)
  }
})

test('only the processes themselves read the environment', (t) => {
  const readers = CODE.filter(({ text }) => text.includes('process.env')).map(({ file }) => folderOf(file))
  t.deepEqual(
    readers.filter((folder) => !FLOORS.at(-1)?.includes(folder)),
    [],
  )
})

/** The names in the headings of a page, `## NAME`. */
function headings(page: string): readonly string[] {
  return [...readFileSync(page, 'utf8').matchAll(/^## `?([\w.]+)`?$/gm)].map((match) => match[1] ?? '')
}

test('docs/faults.md explains every fault, and no other', (t) => {
  t.deepEqual(headings('docs/faults.md').toSorted(), Object.keys(FAULTS).toSorted())
})

test('every fault is thrown somewhere', (t) => {
  const unused = Object.keys(FAULTS).filter(
    (code) => !CODE.some(({ file, text }) => file !== 'src/base/fault.ts' && text.includes(`'${code}'`)),
  )
  t.deepEqual(unused, [])
})

const EVENTS = [...readFileSync('src/base/events.ts', 'utf8').matchAll(/\| '([^']+)'/g)].map(
  (match) => match[1] ?? '',
)

test('docs/alarms.md explains every alarm, and no other', (t) => {
  t.deepEqual(headings('docs/alarms.md').toSorted(), Object.keys(ALARMS).toSorted())
  const page = readFileSync('docs/alarms.md', 'utf8').replaceAll(/\s+/g, ' ')
  t.deepEqual(
    Object.values(ALARMS).filter(({ text, severity }) => !page.includes(`${text} Severity ${severity}.`)),
    [],
  )
})

test('docs/health.md lists every metric with its kind, its labels and what it means, and no other', (t) => {
  const listed = readFileSync('docs/health.md', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `postern_'))
  const wanted = Object.entries<MetricSpec>(METRICS).map(([name, spec]) => {
    const labels = [...(spec.across === 'each' ? ['process'] : []), ...spec.labels]
    return `| \`${name}\` | ${spec.kind} | ${labels.join(', ')} | ${spec.help} |`
  })
  t.deepEqual(listed, wanted)
})

test('docs/log.md explains every event, and no other', (t) => {
  t.true(EVENTS.length > 20)
  t.deepEqual(headings('docs/log.md').toSorted(), EVENTS.toSorted())
})

test('every event is written somewhere', (t) => {
  const about = new Set(['src/base/events.ts', 'src/base/postfix-line.ts'])
  const unused = EVENTS.filter(
    (event) => !CODE.some(({ file, text }) => !about.has(file) && text.includes(`'${event}'`)),
  )
  t.deepEqual(unused, [])
})

test('every setting has an effect: some code beyond the table reads it', (t) => {
  const readers = CODE.filter(({ file }) => !file.startsWith('src/config/'))
  const unused = SETTING_LIST.map(([key]) => key).filter(
    (key) => !readers.some(({ text }) => new RegExp(`\\b${key}\\b`).test(text)),
  )
  t.deepEqual(unused, [])
})

test('each mark of an attribute or key is true: what is read is named by code beyond the table, and nothing else is', (t) => {
  const others = CODE.filter(
    ({ file }) => !/^src\/config\/(?:attributes\/|settings|localconfig-keys)/.test(file),
  )
  const isNamed = (name: string): boolean =>
    others.some(({ text }) => new RegExp(`['"\`]${name}['"\`]`, 'i').test(text))
  const marked = [
    ...ATTRIBUTES.map(({ name, use }) => ({ name, kind: use.kind })),
    ...Object.entries(LOCALCONFIG_KEYS).map(([name, { use }]) => ({ name, kind: use?.kind ?? 'setting' })),
  ]
  t.deepEqual(
    marked
      .filter(({ name, kind }) => kind === 'read' && !isNamed(name))
      .map(({ name }) => `${name} is not read`),
    [],
  )
  t.deepEqual(
    marked
      .filter(
        ({ name, kind }) => (kind === 'fixed' || kind === 'refused' || kind === 'later') && isNamed(name),
      )
      .map(({ name, kind }) => `${name} is read, and marked ${kind}`),
    [],
  )
})

test('every page that a page or a comment names is there', (t) => {
  const pages = [...globSync('docs/*.md'), ...globSync('*.md')].map((file) => ({
    file,
    text: readFileSync(file, 'utf8'),
  }))
  const wrong = [...pages, ...CODE].flatMap(({ file, text }) => {
    const links = file.endsWith('.ts') ? '' : text
    const linked = [...links.matchAll(/\]\(([\w./-]+\.md)(?:#[\w-]*)?\)/g)].map((match) =>
      join(dirname(file), match[1] ?? ''),
    )
    const named = [...text.matchAll(/\bdocs\/[\w-]+\.md\b/g)].map((match) => match[0])
    return [...linked, ...named].filter((page) => !existsSync(page)).map((page) => `${file} names ${page}`)
  })
  t.deepEqual(wrong, [])
})

test('no two test files of one folder have the same name, and each says which test it is in its titles', (t) => {
  const files = TESTS.filter(({ file }) => file.endsWith('.test.ts'))
  const names = files.map(({ file }) => `${dirname(file)}/${basename(file).toLowerCase()}`)
  t.is(new Set(names).size, names.length)
  // ava refuses equal titles within a file; a title is a sentence and no label.
  const labels = files.flatMap(({ file, text }) =>
    [...text.matchAll(/^test(?:\.serial)?\(\s*'([^']*)'/gm)]
      .map((match) => match[1] ?? '')
      .filter((title) => !title.includes(' '))
      .map((title) => `${file}: ${title}`),
  )
  t.deepEqual(labels, [])
})
