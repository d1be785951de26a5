/** One option as it stood on the command line. */
export interface GivenOption {
  readonly letter: string
  /** '' for an option that takes no value. */
  readonly value: string
}

export interface Given {
  readonly options: readonly GivenOption[]
  readonly words: readonly string[]
}

/**
 * Options as getopt(3) reads them, in their order: `-vd ID`, `-dID`; `--` ends them, and words may stand between them.
 * `known` is getopt's: a letter, with a colon behind it where a value follows. A text says what is wrong.
 */
export function getopt(args: readonly string[], known: string): Given | string {
  const options: GivenOption[] = []
  const words: string[] = []
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? ''
    if (arg === '--') {
      words.push(...args.slice(i + 1))
      break
    }
    if (!arg.startsWith('-') || arg === '-') {
      words.push(arg)
      continue
    }
    for (let at = 1; at < arg.length; at++) {
      const letter = arg.charAt(at)
      const place = letter === ':' ? -1 : known.indexOf(letter)
      if (place < 0) return `invalid option -- '${letter}'`
      if (known.charAt(place + 1) !== ':') {
        options.push({ letter, value: '' })
        continue
      }
      const attached = arg.slice(at + 1)
      const value = attached === '' ? args[++i] : attached
      if (value === undefined) return `option requires an argument -- '${letter}'`
      options.push({ letter, value })
      break
    }
  }
  return { options, words }
}

/** The value of an option that counts once: the last one given. */
export function lastOf({ options }: Given, letter: string): string | undefined {
  return options.findLast((one) => one.letter === letter)?.value
}
