import { chmodSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { errorCode } from '#src/base/fault.ts'
import { linkAtomically, writeAtomically } from './atomic-file.ts'
import type { FileRights } from './atomic-file.ts'
import { isMade, MADE_FOLDERS } from './render.ts'
import type { Rendered } from './render.ts'

/** The user that Postern runs as. */
export type Owner = NonNullable<FileRights['owner']>

const MODES = { all: 0o644, root: 0o600, postern: 0o600 } as const

/** A file that is not as it was; undefined: not there. */
export interface MadeChange {
  readonly path: string
  readonly before: string | undefined
  readonly after: string | undefined
}

/**
 * Makes the files what they should be below `root`, and removes those of earlier settings. `owner`: undefined where this
 * process cannot give files away.
 */
export function makeFiles(
  root: string,
  files: readonly Rendered[],
  owner: Owner | undefined,
): readonly MadeChange[] {
  const wanted = new Set(files.map(({ path }) => path))
  const stale = present(root).filter((path) => !wanted.has(path))
  for (const path of stale) rmSync(join(root, path))
  return [
    ...stale.map((path) => ({ path, before: '', after: undefined })),
    ...files.flatMap((file) => makeOne(root, file, owner)),
  ]
}

function makeOne(root: string, rendered: Rendered, owner: Owner | undefined): readonly MadeChange[] {
  const { path, what, text, reader } = rendered
  const file = join(root, path)
  const before = held(file, what)
  if (before === text) return []
  // Whatever the umask of the unit takes away: in these folders others look for what is theirs.
  const made = mkdirSync(dirname(file), { recursive: true })
  if (made !== undefined) chmodSync(dirname(file), 0o755)
  if (what === 'link') linkAtomically(file, text)
  else writeAtomically(file, text, { mode: MODES[reader], owner: reader === 'postern' ? owner : undefined })
  return [{ path, before, after: text }]
}

function held(file: string, what: Rendered['what']): string | undefined {
  try {
    return what === 'link' ? readlinkSync(file) : readFileSync(file, 'utf8')
  } catch (error) {
    if (['ENOENT', 'EINVAL'].includes(errorCode(error))) return undefined
    throw error
  }
}

/** What was made before, of these settings or of earlier ones. */
function present(root: string): readonly string[] {
  return MADE_FOLDERS.flatMap((folder) =>
    namesIn(join(root, folder)).map((name) => `${folder}/${name}`),
  ).filter(isMade)
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
}
