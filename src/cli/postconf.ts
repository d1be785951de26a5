import { dirname, join, resolve } from 'node:path'
import { useText } from '#src/config/attribute.ts'
import type { Config } from '#src/config/config.ts'
import {
  defaultParameter,
  expandedParameter,
  findParameter,
  honouredParameters,
  originOf,
  writtenValue,
} from '#src/config/parameters.ts'
import type { Parameter, ParameterValues, Places } from '#src/config/parameters.ts'
import { pathsOf } from '#src/config/paths.ts'
import type { Origin } from '#src/config/resolve.ts'
import { getopt, lastOf } from './getopt.ts'
import { print } from './output.ts'
import { currentSettings } from '#src/admin/current-settings.ts'
import type { CurrentSettings } from '#src/admin/current-settings.ts'
import { EX, runTool, ToolError, toolConfig } from './tool.ts'

const USAGE =
  'usage: postconf [-c config_dir] [-d (parameter defaults)] [-h (no names)] [-H (no values)] [-n (non-default parameters)] [-v (sources)] [-x (expand parameter values)] [name...]'

/** Exit code of Postfix's own for whatever it does not do. */
const FATAL = 1

/** Options of Postfix's postconf that show or change things that there are not, and what there is instead. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  a: 'SASL comes with no types: passwords are checked as the directory says',
  A: 'SASL comes with no types; smtp_sasl_password_maps is read as it is',
  b: 'bounces have no template file',
  C: 'there are no parameter classes',
  F: 'there is no master.cf: processes are those of "postern status"',
  l: 'there are no lock types: files are SQLite databases',
  m: 'there are no map types: lookups go to the directory (postmap -q KEY)',
  M: 'there is no master.cf: processes are those of "postern status"',
  P: 'there is no master.cf: processes are those of "postern status"',
  t: 'bounces have no template file',
  T: 'TLS is that of Node.js',
}

/** `postconf` of Postfix: shows the settings by Postfix's names. It edits nothing, and says what does. */
export function postconf(args: readonly string[]): Promise<number> {
  return runTool('postconf', () => run(args), FATAL)
}

interface Shape {
  readonly defaults: boolean
  readonly changedOnly: boolean
  readonly names: boolean
  readonly values: boolean
  readonly sources: boolean
  readonly expanded: boolean
}

async function run(args: readonly string[]): Promise<number> {
  const given = getopt(args, 'aAbc:C:defFhHlmMno:pPtT:vxX#')
  if (typeof given === 'string') throw new ToolError(`${given}\npostconf: fatal: ${USAGE}`, FATAL)
  const has = (letter: string) => given.options.some((one) => one.letter === letter)
  const elsewhere = given.options.find(({ letter }) => Object.hasOwn(ELSEWHERE, letter))
  if (elsewhere !== undefined)
    throw new ToolError(`-${elsewhere.letter}: ${ELSEWHERE[elsewhere.letter] ?? ''}`, FATAL)
  const config = toolConfig(lastOf(given, 'c'))
  const places = placesOf(config)
  const isEdit = ['e', '#', 'X'].some(has) || given.words.some((word) => word.includes('='))
  if (isEdit) throw new ToolError(editRefusal(given.words, places), FATAL)
  if (has('o')) throw new ToolError('-o: a value for one call alone would show what nothing goes by', FATAL)
  if (has('d') && has('n')) throw new ToolError('specify one of -d -n', FATAL)
  if (has('h') && has('H')) throw new ToolError('specify one of -h -H', FATAL)
  const shape: Shape = {
    defaults: has('d'),
    changedOnly: has('n'),
    names: !has('h'),
    values: !has('H'),
    sources: has('v'),
    expanded: has('x'),
  }
  const current = currentSettings(config)
  const wanted =
    given.words.length === 0 ? honouredParameters() : given.words.flatMap((name) => known(name, places))
  // What is asked for by name is told by name; the whole list comes with all that is wrong in it.
  if (given.words.length === 0 && !shape.defaults) warnOfAll(current)
  await print([shownText(wanted, shape, current)])
  return EX.ok
}

/** Parameters of Postfix for which the installation has one value. */
function placesOf(config: Config): Places {
  const paths = pathsOf(config.dataFolder)
  const bin = resolve(import.meta.dirname, '..', '..', 'bin')
  return new Map([
    ['config_directory', config.file === '' ? process.cwd() : dirname(config.file)],
    ['data_directory', paths.data],
    ['queue_directory', paths.queue],
    ['command_directory', bin],
    ['daemon_directory', bin],
    ['mailq_path', join(bin, 'mailq')],
    ['sendmail_path', join(bin, 'sendmail')],
    ['newaliases_path', join(bin, 'newaliases')],
  ])
}

function shownText(wanted: readonly Parameter[], shape: Shape, current: CurrentSettings): string {
  return wanted
    .filter((parameter) => !shape.changedOnly || isSet(originOf(parameter, current)))
    .map((parameter) => `${line(parameter, shape, current)}\n`)
    .join('')
}

function known(name: string, places: Places): readonly Parameter[] {
  const parameter = findParameter(name, places)
  if (parameter === undefined) {
    warn(`${name}: unknown parameter`)
    return []
  }
  if (parameter.kind === 'idle') warn(`${name}: ${useText(parameter.attribute)}`)
  return [parameter]
}

function warnOfAll({ resolved }: CurrentSettings): void {
  for (const { attribute, source, value, reason } of resolved.problems)
    warn(`${attribute} (${source}): ${reason}; its value ${JSON.stringify(value)} is not used`)
  for (const { attribute, source, text, byDefault } of resolved.notes)
    if (byDefault !== true) warn(`${attribute} (${source}): ${text}`)
}

function warn(text: string): void {
  process.stderr.write(`postconf: warning: ${text}\n`)
}

function line(parameter: Parameter, shape: Shape, values: ParameterValues): string {
  if (!shape.values) return parameter.name
  const value = valueOf(parameter, shape, values)
  const text = shape.names ? `${parameter.name} = ${value}`.trimEnd() : value
  if (!shape.sources) return text
  return `${text}  # ${shape.defaults ? 'default' : originText(originOf(parameter, values))}`
}

function valueOf(parameter: Parameter, shape: Shape, values: ParameterValues): string {
  if (shape.defaults) return defaultParameter(parameter)
  return shape.expanded ? expandedParameter(parameter, values) : writtenValue(parameter, values)
}

/** A value that is not allowed has changed nothing. */
function isSet(origin: Origin | undefined): boolean {
  return origin !== undefined && origin.source !== 'default'
}

function originText(origin: Origin | undefined): string {
  if (origin === undefined) return 'default'
  const where = origin.name === '' ? origin.source : `${origin.source}: ${origin.name}`
  return origin.kept ? `${where} (what is set is not allowed)` : where
}

/** Which way works, for the first of the parameters that were to be changed. */
function editRefusal(words: readonly string[], places: Places): string {
  const [name = 'NAME', ...rest] = (words[0] ?? 'NAME=VALUE').split('=').map((part) => part.trim())
  const value = rest.join('=')
  const parameter = findParameter(name, places)
  if (parameter === undefined) return `${name}: unknown parameter, and settings are not edited with postconf`
  if (parameter.kind === 'idle') return `${name}: ${useText(parameter.attribute)}`
  if (parameter.kind === 'built-in') return `${name} cannot be changed: it is ${parameter.value}`
  const { zimbra } = parameter.setting
  const toml = `${name} = ${JSON.stringify(value)} in [limits] of postern.toml, then "postern reload"`
  if (zimbra === '') return `settings are not edited with postconf; put ${toml}`
  const quoted = `'${value.replaceAll("'", String.raw`'\''`)}'`
  return `settings are not edited with postconf; use "zmprov mcf ${zimbra} ${quoted}" (all servers), "zmprov ms SERVER ${zimbra} ${quoted}", or put ${toml}`
}
