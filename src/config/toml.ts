import { parse, TomlError } from 'smol-toml'
import type { ConfigProblem } from './reader.ts'
import { Problems, Table } from './reader.ts'
import { keyLines } from './toml-lines.ts'

export type OpenedToml =
  | {
      readonly kind: 'open'
      readonly values: Readonly<Record<string, unknown>>
      readonly top: Table
      /** Filled while `top` is read. */
      readonly problems: Problems
    }
  | { readonly kind: 'invalid'; readonly problems: readonly ConfigProblem[] }

/** The document of a text in TOML, to be read key by key; `file` is how it is named where something is wrong. */
export function openToml(text: string, file: string): OpenedToml {
  try {
    const values = parse(text)
    const problems = new Problems(file, keyLines(text))
    return { kind: 'open', values, top: new Table('', values, problems), problems }
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    // The message goes on with a picture of the line; the first line says it.
    const reason = (error.message.split('\n')[0] ?? '').replace(/^Invalid TOML document: /, '')
    return {
      kind: 'invalid',
      problems: [{ file, line: error.line, key: '', reason: `not valid TOML: ${reason}` }],
    }
  }
}
