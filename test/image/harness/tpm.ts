import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '#test/support/wait.ts'

/** A TPM 2 in software (Debian's swtpm) for one run of one machine; what it keeps is in a folder, for the next run. */
export class Tpm implements AsyncDisposable {
  /** For `more` of the machine. */
  readonly words: readonly string[]
  readonly #process: ChildProcess

  private constructor(socket: string, process: ChildProcess) {
    this.#process = process
    this.words = [
      '-chardev',
      `socket,id=tpm,path=${socket}`,
      '-tpmdev',
      'emulator,id=tpm0,chardev=tpm',
      '-device',
      'tpm-crb,tpmdev=tpm0',
    ]
  }

  /** The TPM called `name`; another name is another TPM. */
  static async start(folder: string, name: string): Promise<Tpm> {
    const state = join(folder, name)
    const socket = join(folder, `${name}.socket`)
    mkdirSync(state, { recursive: true })
    const words = ['socket', '--tpm2', '--tpmstate', `dir=${state}`, '--ctrl', `type=unixio,path=${socket}`]
    const process = spawn('swtpm', words, { stdio: 'ignore' })
    const tpm = new Tpm(socket, process)
    await until('the TPM listens', () => existsSync(socket))
    return tpm
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = once(this.#process, 'close')
    this.#process.kill('SIGTERM')
    await ended
  }
}
