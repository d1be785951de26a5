export interface ZmprovOptions {
  readonly kind: 'options'
  readonly config: string | undefined
  readonly file: string | undefined
  readonly help: boolean
  readonly verbose: boolean
  /** -l: secrets are shown, as the original does when it asks LDAP itself. */
  readonly ldap: boolean
  /** What was given and has no effect here. */
  readonly notes: readonly string[]
  /** The command and its words. */
  readonly words: readonly string[]
}

export type ReadOptions = ZmprovOptions | { readonly kind: 'wrong'; readonly reason: string }

interface Option {
  readonly long: string
  readonly hasValue: boolean
}

const OPTIONS: ReadonlyMap<string, Option> = new Map([
  ['h', { long: 'help', hasValue: false }],
  ['f', { long: 'file', hasValue: true }],
  ['s', { long: 'server', hasValue: true }],
  ['l', { long: 'ldap', hasValue: false }],
  ['L', { long: 'logpropertyfile', hasValue: true }],
  ['a', { long: 'account', hasValue: true }],
  ['p', { long: 'password', hasValue: true }],
  ['P', { long: 'passfile', hasValue: true }],
  ['z', { long: 'zadmin', hasValue: false }],
  ['v', { long: 'verbose', hasValue: false }],
  ['d', { long: 'debug', hasValue: false }],
  ['D', { long: 'debughigh', hasValue: false }],
  ['m', { long: 'master', hasValue: false }],
  ['t', { long: 'temp', hasValue: false }],
  ['r', { long: 'replace', hasValue: false }],
  ['fd', { long: 'forcedisplay', hasValue: false }],
  ['y', { long: 'authtoken', hasValue: true }],
  ['Y', { long: 'authtokenfile', hasValue: true }],
  ['', { long: 'config', hasValue: true }],
])

/** Options that say how to reach a SOAP server: here there is none, and the directory is that of the configuration. */
const OF_SOAP: ReadonlySet<string> = new Set(['s', 'a', 'p', 'P', 'y', 'Y', 'd', 'D', 'L'])

/** Reads options up to the command's name; what follows it is the command's own, `-zimbraX value` too. */
export function readZmprovOptions(args: readonly string[]): ReadOptions {
  const given = new Map<string, string>()
  let at = 0
  for (; at < args.length; at += 1) {
    const arg = args[at] ?? ''
    if (!arg.startsWith('-') || arg === '-') break
    if (arg === '--') {
      at += 1
      break
    }
    const [name, attached] = split(arg)
    const letter = letterOf(name)
    if (letter === undefined) return { kind: 'wrong', reason: `Unrecognized option: ${arg}` }
    const hasValue = OPTIONS.get(letter)?.hasValue === true
    const value = hasValue ? (attached ?? args[++at]) : ''
    if (value === undefined) return { kind: 'wrong', reason: `Missing argument for option: ${name}` }
    given.set(letter, value)
  }
  if (given.has('l') && given.has('s'))
    return { kind: 'wrong', reason: 'cannot specify both -l and -s at the same time' }
  const idle = [...given.keys()].filter((letter) => OF_SOAP.has(letter)).map((letter) => `-${letter}`)
  return {
    kind: 'options',
    config: given.get(''),
    file: given.get('f'),
    help: given.has('h'),
    verbose: given.has('v'),
    ldap: given.has('l'),
    notes:
      idle.length === 0
        ? []
        : [`${idle.join(', ')}: there is no SOAP server here; the directory is that of postern.toml`],
    words: args.slice(at),
  }
}

/** `--file=x` in its parts. */
function split(arg: string): readonly [string, string | undefined] {
  const at = arg.startsWith('--') ? arg.indexOf('=') : -1
  return at < 0 ? [arg, undefined] : [arg.slice(0, at), arg.slice(at + 1)]
}

function letterOf(name: string): string | undefined {
  if (!name.startsWith('--')) return OPTIONS.has(name.slice(1)) && name.length > 1 ? name.slice(1) : undefined
  return [...OPTIONS].find(([, { long }]) => long === name.slice(2))?.[0]
}

export const OPTIONS_TEXT = `
zmprov [args] [cmd] [cmd-args ...]

  -h/--help                             display usage
  -f/--file {file}                      commands from a file, one a line; without it and a command from standard input
  -l/--ldap                             show passwords and other secrets as they are stored
  -v/--verbose                          verbose mode: shows each line of a batch, and where an error comes from
  -m, -r, -t, -z                        taken, and of no effect here
  -s, -a, -p, -P, -y, -Y, -d, -D, -L    are about SOAP, which is not used here
  --config {file}                       postern.toml; else $POSTERN_CONFIG, else that of the current folder

`
