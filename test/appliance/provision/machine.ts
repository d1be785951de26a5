import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Keeper } from '#src/appliance/provision/keeper.ts'
import { Maker } from '#src/appliance/provision/maker.ts'
import type { ProvisionOutcome } from '#src/admin/provision-report.ts'
import type { Source } from '#src/appliance/provision/sources.ts'
import type { Concern } from '#src/appliance/provision/render.ts'
import { systemClock } from '#src/base/clock.ts'

/** A folder as the root of a machine, and what its units were told. */
export class Machine {
  readonly root: string
  readonly attended: string[] = []
  readonly keeper: Keeper
  readonly #maker: Maker

  constructor(root: string) {
    this.root = root
    mkdirSync(join(root, 'proc/sys/kernel'), { recursive: true })
    mkdirSync(join(root, 'run'))
    mkdirSync(join(root, 'var/lib/postern'), { recursive: true })
    this.#maker = new Maker({
      root,
      clock: systemClock,
      owner: undefined,
      attend: (concerns: ReadonlySet<Concern>, opening) => {
        this.attended.push([...[...concerns].toSorted(), ...(opening ? ['opening'] : [])].join(' '))
        return Promise.resolve([])
      },
    })
    this.keeper = new Keeper({ root, clock: systemClock, make: () => this.#maker.make('running') })
  }

  /** What postern-provision.service does. */
  async boot(
    sources: readonly Source[] = [],
  ): Promise<{ readonly outcomes: readonly ProvisionOutcome[]; readonly troubles: readonly string[] }> {
    const outcomes: ProvisionOutcome[] = []
    for (const source of sources) {
      const outcome = await this.keeper.keep(source)
      if (outcome !== undefined) outcomes.push(outcome)
    }
    return { outcomes, troubles: await this.#maker.make('start') }
  }

  /** The machine is switched off and on: /run is empty, /var is as it was. */
  restart(): void {
    for (const name of readdirSync(join(this.root, 'run')))
      rmSync(join(this.root, 'run', name), { recursive: true })
  }

  write(path: string, text: string): string {
    const file = join(this.root, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
    return file
  }

  /** The source of a file with this text, and of files beside it. */
  stick(text: string, beside: Readonly<Record<string, string>> = {}): { kind: 'usb'; folder: string } {
    const folder = join(this.root, 'mnt/stick')
    this.write('mnt/stick/postern.provision', text)
    for (const [name, content] of Object.entries(beside)) this.write(`mnt/stick/${name}`, content)
    return { kind: 'usb', folder }
  }

  read(path: string): string {
    return readFileSync(join(this.root, path), 'utf8')
  }

  /** All files of /run, with their rights. */
  made(): ReadonlyMap<string, string> {
    const files = new Map<string, string>()
    for (const entry of readdirSync(join(this.root, 'run'), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      const name = path.slice(this.root.length)
      if (name === '/run/postern-image/provision.json') continue
      if (entry.isSymbolicLink()) files.set(name, `-> ${readlinkSync(path)}`)
      else if (entry.isFile())
        files.set(name, `${(statSync(path).mode & 0o777).toString(8)} ${readFileSync(path, 'utf8')}`)
    }
    return files
  }
}

/** Which files are not the same in both, or only in one. */
export function differences(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): readonly string[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((path) => before.get(path) !== after.get(path))
    .toSorted()
}
