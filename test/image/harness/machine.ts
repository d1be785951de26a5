import { spawn, type ChildProcess } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConnectionLost, SmtpClient } from '#test/support/smtp-client.ts'
import { freePorts } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'
import { Vt100 } from '#test/console/support.ts'
import { connected, Qmp } from './qmp.ts'

/** A processor in software on two busy cores needs a minute for a start; this is a machine that hangs. */
const START_WITHIN_MS = 15 * 60_000
const FIRMWARE = '/usr/share/OVMF/OVMF_CODE_4M.fd'
const FIRMWARE_SETTINGS = '/usr/share/OVMF/OVMF_VARS_4M.fd'
/** What is kept of the serial line for messages of failed tests. */
const TRANSCRIPT_MAX = 100_000

export interface MachineOptions {
  /** A raw disk of its own (harness/disk.ts); it outlives the machine. */
  readonly disk: string
  /** postern.provision as a credential of the firmware (SMBIOS type 11); none: a box that nobody has set up. */
  readonly provision?: string
  /** A raw FAT image that is plugged in as a USB stick before it is switched on; `plugIn` does it later. */
  readonly stick?: string
  /** Ports besides 25 that are forwarded to loopback. */
  readonly ports?: readonly number[]
  /** More arguments of QEMU. */
  readonly more?: readonly string[]
}

/** A port of this machine, and the one of the virtual machine that it leads to. */
type Forward = readonly [here: number, there: number]

/** A virtual machine without KVM, its serial line on a terminal of our own, port 25 forwarded to loopback. */
export class Machine implements AsyncDisposable {
  readonly #forwards: readonly Forward[]
  /** Of the whole of its life, what came over the serial line; the latest. */
  transcript = ''
  #terminal = new Vt100({ rows: 24, columns: 80 })
  readonly #folder: string
  readonly #process: ChildProcess
  readonly #ended: Promise<unknown>
  #serial: Socket | undefined
  #qmp: Qmp | undefined
  #errors = ''
  #half = ''

  private constructor(folder: string, forwards: readonly Forward[], options: MachineOptions) {
    this.#folder = folder
    this.#forwards = forwards
    this.#process = spawn('qemu-system-x86_64', argumentsOf(folder, forwards, options), {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#ended = once(this.#process, 'close')
    this.#process.stderr?.on('data', (text: Buffer) => (this.#errors += text.toString()))
  }

  /** Switches on. The settings of its firmware (Secure Boot keys, boot order) stay beside the disk. */
  static async start(options: MachineOptions): Promise<Machine> {
    const settings = `${options.disk}.vars`
    if (!existsSync(settings)) copyFileSync(FIRMWARE_SETTINGS, settings)
    const ports = [25, ...(options.ports ?? [])]
    const here = await freePorts(ports.length)
    const folder = mkdtempSync(join(tmpdir(), 'postern-machine-'))
    const forwards = ports.map((port, at) => [here[at] ?? 0, port] as const)
    const machine = new Machine(folder, forwards, options)
    try {
      machine.#qmp = await Qmp.connect(join(folder, 'qmp'))
      const serial = await connected(join(folder, 'serial'))
      machine.#serial = serial
      serial.setEncoding('latin1')
      serial.on('error', () => {})
      serial.on('data', (text: string) => machine.#read(text))
    } catch (error) {
      await machine[Symbol.asyncDispose]()
      throw new Error(`QEMU did not start: ${machine.#errors}`, { cause: error })
    }
    return machine
  }

  #read(text: string): void {
    this.transcript = (this.transcript + text).slice(-TRANSCRIPT_MAX)
    // A sequence may be cut in two by the line; its second half would be printed.
    const all = this.#half + text
    // oxlint-disable-next-line no-control-regex -- that is what a terminal is sent
    const half = /\u001b(?:\[[\d;]*)?$/.exec(all)?.index ?? all.length
    this.#half = all.slice(half)
    this.#terminal.write(all.slice(0, half))
  }

  /** Forwarded to port 25 of the machine. */
  get port(): number {
    return this.forwarded(25)
  }

  /** The port of loopback that leads to this one of the machine. */
  forwarded(port: number): number {
    const found = this.#forwards.find(([, there]) => there === port)
    if (found === undefined) throw new Error(`port ${port} is not forwarded: name it in ports`)
    return found[0]
  }

  /** Somebody plugs in a USB stick, a raw FAT image. */
  async plugIn(stick: string): Promise<void> {
    const file = { driver: 'file', filename: stick, 'read-only': true }
    const disk = { driver: 'raw', 'node-name': 'plugged', 'read-only': true, file }
    await this.#qmp?.ask('blockdev-add', disk)
    await this.#qmp?.ask('device_add', { driver: 'usb-storage', drive: 'plugged', id: 'plugged' })
  }

  /** What stands on the serial terminal, 24 lines. */
  get screen(): readonly string[] {
    return this.#terminal.lines()
  }

  /** How often it was reset, by itself or by the firmware. */
  get resets(): number {
    return this.#qmp?.events.filter((event) => event === 'RESET').length ?? 0
  }

  /** Keys on the serial terminal, as they would come over the line. */
  press(keys: string): void {
    this.#serial?.write(Buffer.from(keys, 'latin1'))
  }

  /** Until the terminal shows it; gives the whole screen. */
  async shows(pattern: RegExp, withinMs = START_WITHIN_MS): Promise<string> {
    return await this.#until(
      `the console shows ${String(pattern)}`,
      () => {
        const text = this.screen.join('\n')
        return pattern.test(text) ? text : undefined
      },
      withinMs,
    )
  }

  /** Until it greets with 220 on port 25. The connection is the caller's. */
  async greets(): Promise<SmtpClient> {
    return await this.#until(
      'the machine greets with 220',
      async () => await this.#tryGreeting(),
      START_WITHIN_MS,
    )
  }

  async #tryGreeting(): Promise<SmtpClient | undefined> {
    try {
      return await SmtpClient.greeted(this.port)
    } catch (error) {
      // The forwarder takes the connection long before anybody in the machine does.
      if (error instanceof ConnectionLost || (error instanceof Error && 'code' in error)) return undefined
      throw error
    }
  }

  async resetBeyond(count: number): Promise<void> {
    await this.#until(`it was reset more than ${count} times`, () => this.resets > count, START_WITHIN_MS)
  }

  async #until<T>(
    what: string,
    probe: () => T | undefined | false | Promise<T | undefined | false>,
    withinMs: number,
  ): Promise<T> {
    try {
      return await until(what, () => (this.#process.exitCode === null ? probe() : this.#fail()), withinMs)
    } catch (error) {
      throw new Error(
        `${String(error)}\nThe end of the serial line: ${JSON.stringify(this.transcript.slice(-2000))}`,
        { cause: error },
      )
    }
  }

  #fail(): never {
    throw new Error(`QEMU has ended: ${this.#errors}`)
  }

  /** The power goes: nothing is written any more. What QEMU has told the host to write is on the disk image. */
  async cutPower(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#ended
    this.#qmp?.close()
    this.#serial?.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cutPower()
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

function argumentsOf(folder: string, forwards: readonly Forward[], options: MachineOptions): string[] {
  const { disk, provision, stick, more = [] } = options
  const forwarding = forwards.map(([here, there]) => `hostfwd=tcp:127.0.0.1:${here}-:${there}`).join(',')
  const base64 = Buffer.from(provision ?? '').toString('base64')
  const pairs: readonly (readonly string[])[] = [
    ['-machine', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', '1024'],
    ['-display', 'none', '-nodefaults', '-no-user-config', '-uuid', '706f7374-6572-4e00-8000-0000000000ff'],
    ['-drive', `if=pflash,format=raw,unit=0,readonly=on,file=${FIRMWARE}`],
    ['-drive', `if=pflash,format=raw,unit=1,file=${disk}.vars`],
    // What the guest flushes is flushed to the file; what it does not may be lost, as on a real disk.
    ['-drive', `if=none,id=disk,format=raw,cache=writeback,file=${disk}`],
    ['-device', 'virtio-blk-pci,drive=disk', '-device', 'virtio-rng-pci'],
    ['-netdev', `user,id=net,${forwarding}`, '-device', 'virtio-net-pci,netdev=net'],
    ['-device', 'qemu-xhci'],
    ['-chardev', `socket,id=serial,path=${join(folder, 'serial')},server=on,wait=off`],
    ['-serial', 'chardev:serial', '-qmp', `unix:${join(folder, 'qmp')},server=on,wait=off`],
    provision === undefined
      ? []
      : ['-smbios', `type=11,value=io.systemd.credential.binary:postern.provision=${base64}`],
    stick === undefined ? [] : ['-drive', `if=none,id=stick,format=raw,readonly=on,file=${stick}`],
    stick === undefined ? [] : ['-device', 'usb-storage,drive=stick'],
    more,
  ]
  return pairs.flat()
}
