import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Runner } from './run.ts'
import { whyFailed } from './run.ts'

const SYSTEMCTL = '/usr/bin/systemctl'

/**
 * The firewall's rule that keeps others' mail out while a release is on trial (image/overlay/usr/lib/postern-image): there from
 * the start, by postern-data.service, until the boot check has passed.
 */
export class TrialGate {
  readonly #file: string
  readonly #run: Runner
  #isShut: boolean

  constructor(runFolder: string, run: Runner) {
    this.#file = join(runFolder, 'firewall-trial.d', '50-trial.nft')
    this.#run = run
    this.#isShut = existsSync(this.#file)
  }

  get isShut(): boolean {
    return this.#isShut
  }

  /** Mail is taken from now on. Throws an Error with the reason where the firewall stays as it is; to be tried again. */
  async open(): Promise<void> {
    await rm(this.#file, { force: true })
    const ran = await this.#run(SYSTEMCTL, ['reload', 'postern-firewall.service'])
    if (ran.code !== 0) throw new Error(`the firewall lets no mail in: ${whyFailed('systemctl', ran)}`)
    this.#isShut = false
  }
}
