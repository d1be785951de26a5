import { randomBytes } from 'node:crypto'
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { errorText } from '#src/base/fault.ts'
import { useText } from '#src/config/attribute.ts'
import { findAttribute } from '#src/config/catalogue.ts'
import type { Config } from '#src/config/config.ts'
import { LOCALCONFIG_KEYS } from '#src/config/localconfig-keys.ts'
import type { Localconfig } from '#src/base/localconfig-xml.ts'
import {
  expandedValue,
  formatLocalconfig,
  isSecret,
  keyProblem,
  readLocalconfig,
} from '#src/config/localconfig.ts'
import { suggest } from '#src/config/suggest.ts'
import { askMaster } from './control-client.ts'
import { print } from './output.ts'
import { controlSocketOf } from './running.ts'
import { runTool, ToolError, toolConfig } from './tool.ts'

const USAGE = `usage: zmlocalconfig [options] [args]
  -c,--config FILE   the file that is read and edited, instead of the one that counts
  -p,--path          say which file that is
  -e,--edit          set keys: key=value …
  -r,--random        with -e: set keys to a random password
  -u,--unset         remove keys
  -d,--default       show defaults
  -n,--changed       show only what differs from its default
  -i,--info          say what keys are for, and what becomes of them
  -k,--key KEY       show this key (as an argument without -k does)
  -x,--expand        fill in \${key}
  -s,--show          show passwords
  -m,--format FORM   plain, xml, shell, export, nokey
  -f,--force         with -e: keys that are not known, too
  -l,--reload        have the appliance read it (what an edit does by itself)
  -q,--quiet         no warnings
  -h,--help          this text
`

const OPTIONS = {
  config: { type: 'string', short: 'c' },
  path: { type: 'boolean', short: 'p' },
  edit: { type: 'boolean', short: 'e' },
  random: { type: 'boolean', short: 'r' },
  unset: { type: 'boolean', short: 'u' },
  default: { type: 'boolean', short: 'd' },
  changed: { type: 'boolean', short: 'n' },
  info: { type: 'boolean', short: 'i' },
  key: { type: 'string', short: 'k', multiple: true },
  expand: { type: 'boolean', short: 'x' },
  show: { type: 'boolean', short: 's' },
  format: { type: 'string', short: 'm' },
  force: { type: 'boolean', short: 'f' },
  reload: { type: 'boolean', short: 'l' },
  quiet: { type: 'boolean', short: 'q' },
  help: { type: 'boolean', short: 'h' },
} as const

const FORMATS = ['plain', 'xml', 'shell', 'export', 'nokey'] as const
type Format = (typeof FORMATS)[number]

/** Shown in place of a password, as Zimbra shows it. */
const MASK = '**********'
/** Octets of a random password: 192 bits. */
const RANDOM_BYTES = 24

/** `zmlocalconfig` of Zimbra, for the keys of the MTA: values that count where the directory has none. */
export function zmlocalconfig(args: readonly string[]): Promise<number> {
  return runTool('zmlocalconfig', () => run(args), 1)
}

type Options = ReturnType<typeof optionsOf>

function optionsOf(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  } catch (error) {
    throw new ToolError(`${errorText(error)}\n${USAGE}`, 1)
  }
}

async function run(args: readonly string[]): Promise<number> {
  process.umask(0o077)
  const options = optionsOf(args)
  const { values } = options
  if (values.help === true) return await shown([USAGE])
  const config = toolConfig(undefined)
  const file = values.config === undefined ? config.localconfigFile : resolve(values.config)
  if (values.path === true) return await shown([`${file}\n`])
  const parsed = readLocalconfig(file)
  if (parsed.kind === 'wrong') throw new ToolError(`${file}:${parsed.line}: ${parsed.reason}`, 1)
  if (values.edit === true || values.unset === true) {
    write(file, edited(parsed.keys, options))
    return file === config.localconfigFile ? await reload(config, `${file} is written, but not in force`) : 0
  }
  if (values.reload === true) return await reload(config, 'not in force')
  return await shown(listed(parsed.keys, options))
}

async function shown(pieces: Iterable<string>): Promise<number> {
  await print(pieces)
  return 0
}

/** Where nothing runs, the next start reads the file. */
async function reload(config: Config, failure: string): Promise<number> {
  try {
    await askMaster(controlSocketOf(config), 'reload')
    return 0
  } catch (error) {
    throw new ToolError(`${failure}: ${errorText(error)}`, 1)
  }
}

/** The keys as they are to be from now on; a ToolError where one of them may not be so, and then none is changed. */
function edited(before: Localconfig, { values, positionals }: Options): Localconfig {
  if (positionals.length === 0) throw new ToolError(`say which keys\n${USAGE}`, 1)
  const keys = new Map(before)
  for (const word of positionals) {
    if (values.unset === true) {
      if (!keys.delete(word)) throw new ToolError(`key '${word}' is not set`, 1)
      continue
    }
    const equals = word.indexOf('=')
    if (equals < 1 && values.random !== true) throw new ToolError(`'${word}' is not in key=value form`, 1)
    const key = equals < 0 ? word : word.slice(0, equals)
    const value =
      values.random === true ? randomBytes(RANDOM_BYTES).toString('base64url') : word.slice(equals + 1)
    checkKey(key, value, { force: values.force === true, quiet: values.quiet === true })
    keys.set(key, value)
  }
  return keys
}

function checkKey(
  key: string,
  value: string,
  how: { readonly force: boolean; readonly quiet: boolean },
): void {
  if (!/^[A-Za-z0-9_.-]{1,256}$/.test(key)) throw new ToolError(`'${key}' is no name of a key`, 1)
  const problem = keyProblem(key, value)
  if (problem !== '') throw new ToolError(`${key}: ${problem}, not ${JSON.stringify(value)}`, 1)
  if (!Object.hasOwn(LOCALCONFIG_KEYS, key) && !how.force) {
    const meant = suggest(key, Object.keys(LOCALCONFIG_KEYS))
    const hint = meant === undefined ? '.' : `; did you mean ${meant}?`
    throw new ToolError(`${key} is not known here${hint} With -f it is set all the same.`, 1)
  }
  const use = useOf(key)
  if (use !== '' && !how.quiet) process.stderr.write(`zmlocalconfig: warning: ${key}: ${use}\n`)
}

/** What becomes of a key that has no effect; '' for one that has. */
function useOf(key: string): string {
  const known = Object.hasOwn(LOCALCONFIG_KEYS, key) ? LOCALCONFIG_KEYS[key] : undefined
  const use = (known?.attribute === undefined ? undefined : findAttribute(known.attribute)?.use) ?? known?.use
  return use === undefined || use.kind === 'setting' || use.kind === 'read' ? '' : useText({ use })
}

/** Replaces the file as a whole, so that nobody ever reads half of it. It may hold passwords: mode 0600. */
function write(file: string, keys: Localconfig): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const fresh = `${file}.${process.pid}.new`
  writeFileSync(fresh, formatLocalconfig(keys), { mode: 0o600, flush: true })
  renameSync(fresh, file)
}

function listed(keys: Localconfig, options: Options): readonly string[] {
  const { values, positionals } = options
  const asked = [...positionals, ...(values.key ?? [])]
  const names =
    asked.length > 0 ? asked : [...new Set([...Object.keys(LOCALCONFIG_KEYS), ...keys.keys()])].toSorted()
  if (values.info === true) return names.flatMap((name) => infoText(name, values.quiet === true))
  const format = formatOf(values.format)
  const found = names.flatMap((name) => {
    const fallback = Object.hasOwn(LOCALCONFIG_KEYS, name) ? LOCALCONFIG_KEYS[name]?.default : undefined
    const value = values.default === true ? fallback : (keys.get(name) ?? fallback)
    if (value === undefined) {
      if (values.quiet !== true) process.stderr.write(`Warning: null valued key '${name}'\n`)
      return []
    }
    if (values.changed === true && value === fallback) return []
    const plain = values.expand === true ? expandedValue(value, keys) : value
    return [[name, isSecret(name) && values.show !== true ? MASK : plain] as const]
  })
  if (format === 'xml') return [formatLocalconfig(new Map(found))]
  return found.map(([name, value]) => `${lineOf(format, name, value)}\n`)
}

function formatOf(given: string | undefined): Format {
  const format = FORMATS.find((one) => one === (given ?? 'plain'))
  if (format === undefined) throw new ToolError(`the format is one of ${FORMATS.join(', ')}`, 1)
  return format
}

function lineOf(format: Exclude<Format, 'xml'>, name: string, value: string): string {
  switch (format) {
    case 'plain':
      return `${name} = ${value}`
    case 'nokey':
      return value
    case 'shell':
      return `${name}=${quoted(value)};`
    case 'export':
      return `export ${name}=${quoted(value)};`
  }
}

/** One word for a shell, whatever is in it. */
function quoted(value: string): string {
  return `'${value.replaceAll("'", String.raw`'\''`)}'`
}

function infoText(name: string, quiet: boolean): readonly string[] {
  const known = Object.hasOwn(LOCALCONFIG_KEYS, name) ? LOCALCONFIG_KEYS[name] : undefined
  if (known === undefined) {
    if (!quiet) process.stderr.write(`Warning: null valued key '${name}'\n`)
    return []
  }
  const attribute = known.attribute === undefined ? undefined : findAttribute(known.attribute)
  const use = useOf(name)
  const about = known.text ?? (attribute === undefined || attribute.text === '' ? use : attribute.text)
  return [
    `${name}\n`,
    `    ${about}\n`,
    ...(attribute === undefined ? [] : [`    Attribute: ${attribute.name}, which goes before the key.\n`]),
    `    Default: ${known.default}\n`,
    `    Postern: ${use === '' ? 'honoured' : use}\n\n`,
  ]
}
