import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { isRecord } from '#src/net/frames.ts'
import { packUpdate } from '../../../scripts/pack-update.ts'
import { makeUpdateKey } from '../../../scripts/update-key.ts'

const run = promisify(execFile)

/** A change of one source file, as a programmer who makes a mistake would have made it. */
export interface Mistake {
  readonly file: string
  readonly from: string
  readonly to: string
}

/** What a build says. */
const OUTPUT_MAX = 16 * 1024 * 1024

const SCRIPT = `set -eu
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/scratch" "$1"
cd "$1"
exec image/build.sh "$3" amd64 "$2/out"`

/**
 * Builds another release of this very tree, as `make image VERSION=` does, with a mistake in it if one is given. Gives the stem of
 * its pieces, in `folder`; where $POSTERN_RELEASES names a folder that has them already (of this tree, it is believed), theirs.
 *
 * It is built in a mount namespace, where an overlay lies over the repository: nothing changes here, what was unpacked and
 * compiled for the image is used again, and two releases can be built at once.
 */
export async function builtRelease(version: string, folder: string, mistake?: Mistake): Promise<string> {
  const name = `postern-${version}-amd64`
  const kept = process.env['POSTERN_RELEASES'] ?? folder
  if (existsSync(join(kept, `${name}.json`))) return join(kept, name)
  // Not below the repository, which is the lower layer.
  const layers = mkdtempSync('/var/tmp/postern-release-')
  try {
    for (const one of ['upper', 'scratch', 'out']) mkdirSync(join(layers, one))
    if (mistake !== undefined) makeMistake(mistake, join(layers, 'upper'))
    const words = ['--mount', '--propagation', 'private', 'sh', '-c', SCRIPT, 'sh']
    await run('unshare', [...words, resolve('.'), layers, version], { maxBuffer: OUTPUT_MAX })
    for (const piece of ['root.erofs', 'root.verity', 'efi', 'json'])
      await run('mv', [join(layers, 'out', `${name}.${piece}`), kept])
    return join(kept, name)
  } finally {
    rmSync(layers, { recursive: true, force: true })
  }
}

function makeMistake({ file, from, to }: Mistake, upper: string): void {
  const text = readFileSync(file, 'utf8')
  if (!text.includes(from)) throw new Error(`${file} has no ${from}`)
  mkdirSync(dirname(join(upper, file)), { recursive: true })
  writeFileSync(join(upper, file), text.replace(from, to))
}

/** What of an update may be otherwise than `make update` would have it. */
export interface Packing {
  readonly version?: string
  readonly floor?: string
  /** A folder with the key; image/keys. */
  readonly keys?: string
}

/** Packs the pieces of a release into the file `out`. */
export async function packed(stem: string, out: string, packing: Packing = {}): Promise<string> {
  const image: unknown = JSON.parse(readFileSync(`${stem}.json`, 'utf8'))
  if (!isRecord(image)) throw new Error(`${stem}.json is no object`)
  const { version = String(image['version']), floor = '0.0.1', keys = 'image/keys' } = packing
  await packUpdate({
    version,
    arch: 'amd64',
    rootHash: String(image['rootHash']),
    minVersion: '0.0.1',
    floor,
    files: {
      'root.erofs': `${stem}.root.erofs`,
      'root.verity': `${stem}.root.verity`,
      'postern.efi': `${stem}.efi`,
    },
    keyFile: makeUpdateKey(keys).privateFile,
    out,
  })
  return out
}
