import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { errorCode } from '#src/base/fault.ts'
import { linkAtomically, writeAtomically } from './atomic-file.ts'
import type { FileRights } from './atomic-file.ts'
import { MADE, NETWORK } from './render.ts'
import type { Rendered } from './render.ts'

/** The user that Postern runs as. */
export type Owner = NonNullable<FileRights['owner']>

const MODES = { all: 0o644, root: 0o600, postern: 0o600 } as const

/**
 * Makes the files what they should be below `root`, and removes those of earlier settings. The paths of what is not as
 * it was. `owner`: undefined where this process cannot give files away.
 */
export function makeFiles(
  root: string,
  files: readonly Rendered[],
  owner: Owner | undefined,
): readonly string[] {
  const wanted = new Set(files.map(({ path }) => path))
  const stale = present(root).filter((path) => !wanted.has(path))
  for (const path of stale) rmSync(join(root, path))
  return [...stale, ...files.filter((file) => makeOne(root, file, owner)).map(({ path }) => path)].toSorted()
}

/** Whether it was another. */
function makeOne(root: string, { path, what, text, reader }: Rendered, owner: Owner | undefined): boolean {
  const file = join(root, path)
  if (held(file, what) === text) return false
  mkdirSync(dirname(file), { recursive: true, mode: 0o755 })
  if (what === 'link') linkAtomically(file, text)
  else writeAtomically(file, text, { mode: MODES[reader], owner: reader === 'postern' ? owner : undefined })
  return true
}

function held(file: string, what: Rendered['what']): string | undefined {
  try {
    return what === 'link' ? readlinkSync(file) : readFileSync(file, 'utf8')
  } catch (error) {
    if (['ENOENT', 'EINVAL'].includes(errorCode(error))) return undefined
    throw error
  }
}

/** What was made before: all below MADE, and of the network's files ours. */
function present(root: string): readonly string[] {
  return [
    ...below(root, MADE),
    ...below(root, NETWORK).filter((path) => /\/\d\d-postern-[^/]*\.network$/.test(path)),
  ]
}

function below(root: string, folder: string): readonly string[] {
  let names: readonly string[]
  try {
    names = readdirSync(join(root, folder))
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
  return names.flatMap((name) => {
    const path = `${folder}/${name}`
    return lstatSync(join(root, path)).isDirectory() ? below(root, path) : [path]
  })
}
