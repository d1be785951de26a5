import { spawn, type ChildProcess } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { copyFile } from 'node:fs/promises'
import { installed, must, run } from '#test/support/run.ts'
import type { Random } from '#test/support/random.ts'
import { until } from '#test/support/wait.ts'

/**
 * A disk whose every write and flush is on record, so that the disk as a power cut would have left it can be made
 * for any moment:
 *
 *     ext4 ─▶ loop device ─▶ FUSE file ─▶ blklogwrites ─▶ disk.img
 *                            (qemu-storage-daemon)   └──▶ log.img, in the format of the kernel's dm-log-writes
 */

/** Why a logged disk cannot be had here; undefined where it can. */
export function loggedDiskLacks(): string | undefined {
  if (process.getuid?.() !== 0) return 'it needs root (to mount)'
  if (!existsSync('/dev/fuse')) return 'there is no /dev/fuse'
  if (!existsSync('/dev/loop-control')) return 'there are no loop devices'
  for (const program of ['qemu-storage-daemon', 'losetup', 'mkfs.ext4', 'mount']) {
    if (!installed(program)) return `${program} is not installed`
  }
  return undefined
}

/** The size of the log file; it is sparse, only what is written takes room. */
const LOG_BYTES = 8 * 1024 ** 3
const SECTOR = 512
/**
 * What a disk writes whole or not at all: the physical sector of those sold today. ext4 itself counts on it: its
 * superblock has a checksum over 1 KiB and only one copy that is current.
 */
const ATOM = 4096

/** dm-log-writes' flags of an entry. */
const FLUSH = 1n
const FUA = 2n
const DISCARD = 4n
const MARK = 8n

interface LogEntry {
  readonly offset: number
  readonly length: number
  readonly flags: bigint
  /** Where its data lies in log.img. */
  readonly at: number
}

export interface CrashState {
  /** The cut came when the log had this many entries. */
  readonly cut: number
  /** 'prefix': writes landed in order. 'lossy': what was not flushed was kept, lost or torn, each by chance. */
  readonly kind: 'prefix' | 'lossy'
}

export class LoggedDisk {
  readonly #folder: string
  readonly #log: number
  #daemon: ChildProcess | undefined
  #loop = ''
  #isMounted = false
  #images = 0

  private constructor(folder: string) {
    this.#folder = folder
    this.#log = openSync(join(folder, 'log.img'), 'r')
  }

  get mountPoint(): string {
    return join(this.#folder, 'mnt')
  }

  static async create(folder: string, bytes: number): Promise<LoggedDisk> {
    for (const [name, size] of [
      ['disk.img', bytes],
      ['log.img', LOG_BYTES],
      ['blk', 0],
    ] as const) {
      writeFileSync(join(folder, name), '')
      truncateSync(join(folder, name), size)
    }
    const disk = new LoggedDisk(folder)
    try {
      await disk.#up(bytes)
    } catch (error) {
      await disk.down()
      throw error
    }
    return disk
  }

  async #up(bytes: number): Promise<void> {
    const folder = this.#folder
    const daemon = spawn(
      'qemu-storage-daemon',
      [
        ['--blockdev', `driver=file,node-name=disk,filename=${folder}/disk.img`],
        ['--blockdev', `driver=file,node-name=log,filename=${folder}/log.img`],
        [
          '--blockdev',
          `driver=blklogwrites,node-name=logged,file=disk,log=log,log-sector-size=${SECTOR},log-super-update-interval=1`,
        ],
        ['--export', `type=fuse,id=export,node-name=logged,mountpoint=${folder}/blk,writable=on`],
      ].flat(),
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
    this.#daemon = daemon
    let said = ''
    daemon.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    await until('the logged disk is exported', () => {
      if (daemon.exitCode !== null) throw new Error(`qemu-storage-daemon: ${said}`)
      return statSync(join(folder, 'blk')).size === bytes
    })
    this.#loop = await must('losetup', ['-f', '--show', join(folder, 'blk')])
    await must('mkfs.ext4', [
      '-q',
      '-b',
      '4096',
      '-E',
      'lazy_itable_init=0,lazy_journal_init=0,nodiscard',
      this.#loop,
    ])
    mkdirSync(this.mountPoint)
    await must('mount', [this.#loop, this.mountPoint])
    this.#isMounted = true
  }

  /** Entries in the log so far: the disk's own clock. What was on disk before now has a smaller number. */
  entries(): number {
    const head = Buffer.alloc(28)
    readSync(this.#log, head, 0, head.length, 0)
    return Number(head.readBigUInt64LE(16))
  }

  /** Unmounts and ends the daemon; the log can be read afterwards. Safe to call twice. */
  async down(): Promise<void> {
    if (this.#isMounted) await unmount(this.mountPoint)
    this.#isMounted = false
    if (this.#loop !== '') {
      await run('losetup', ['-d', this.#loop])
      this.#loop = ''
    }
    const daemon = this.#daemon
    this.#daemon = undefined
    if (daemon !== undefined && daemon.exitCode === null) {
      const gone = once(daemon, 'exit')
      daemon.kill('SIGTERM')
      await gone
    }
  }

  /** `down`, and closes the log. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.down()
    closeSync(this.#log)
  }

  /**
   * `count` crash states, in the order of time, at cuts after entry `from`. Each is mounted while `look` runs:
   * mounting replays ext4's journal, as the boot after a power cut does.
   */
  async eachCrashState(
    plan: { readonly count: number; readonly from: number; readonly random: Random },
    look: (state: CrashState, mounted: string) => Promise<void>,
  ): Promise<void> {
    const log = this.#readLog()
    const bytes = statSync(join(this.#folder, 'disk.img')).size
    const cuts = Array.from({ length: plan.count }, () => plan.random.between(plan.from, log.length + 1))
    const base = openSync(join(this.#folder, 'base.img'), 'w+')
    truncateSync(join(this.#folder, 'base.img'), bytes)
    try {
      let applied = 0
      for (const cut of cuts.toSorted((a, b) => a - b)) {
        const flushed = log.findLastIndex((entry, i) => i < cut && (entry.flags & FLUSH) !== 0n) + 1
        for (; applied < flushed; applied += 1) this.#apply(base, log[applied])
        const kind = plan.random.pick(['prefix', 'lossy'] as const)
        const image = await this.#makeCrashImage(log.slice(applied, cut), kind, plan.random)
        await this.#mounted(image, (mounted) => look({ cut, kind }, mounted))
      }
    } finally {
      closeSync(base)
    }
  }

  /**
   * A file of its own for each: a mount namespace that another test made meanwhile has the file system of the last one
   * mounted still, and ext4 goes on writing there.
   */
  async #makeCrashImage(
    tail: readonly LogEntry[],
    kind: CrashState['kind'],
    random: Random,
  ): Promise<string> {
    this.#images += 1
    const image = join(this.#folder, `crash-${this.#images}.img`)
    await copyFile(join(this.#folder, 'base.img'), image)
    const fd = openSync(image, 'r+')
    try {
      for (const entry of tail) {
        const chance = random.fraction()
        if (kind === 'prefix' || (entry.flags & FUA) !== 0n || chance < 0.5) this.#apply(fd, entry)
        else if (chance < 0.6 && entry.length > ATOM) {
          this.#apply(fd, entry, ATOM * random.between(1, Math.ceil(entry.length / ATOM)))
        }
      }
    } finally {
      closeSync(fd)
    }
    return image
  }

  async #mounted(image: string, look: (mounted: string) => Promise<void>): Promise<void> {
    const folder = `${image}.mnt`
    mkdirSync(folder)
    const loop = await must('losetup', ['-f', '--show', image])
    // What is unmounted and given back is gone; a loop device that is busy still keeps the file as long as it needs it.
    rmSync(image)
    try {
      await must('mount', [loop, folder])
      try {
        await look(folder)
      } finally {
        await unmount(folder)
      }
    } finally {
      await must('losetup', ['-d', loop])
    }
  }

  #apply(fd: number, entry: LogEntry | undefined, atMost = Number.POSITIVE_INFINITY): void {
    if (entry === undefined || entry.length === 0 || (entry.flags & MARK) !== 0n) return
    const length = Math.min(entry.length, atMost)
    const data = Buffer.alloc(length)
    if ((entry.flags & DISCARD) === 0n) readSync(this.#log, data, 0, length, entry.at)
    writeSync(fd, data, 0, length, entry.offset)
  }

  #readLog(): LogEntry[] {
    const head = Buffer.alloc(32)
    readSync(this.#log, head, 0, 28, 0)
    const count = Number(head.readBigUInt64LE(16))
    const sector = head.readUInt32LE(24)
    const log: LogEntry[] = []
    let at = sector
    for (let i = 0; i < count; i += 1) {
      readSync(this.#log, head, 0, 32, at)
      at += sector
      const length = Number(head.readBigUInt64LE(8)) * sector
      const flags = head.readBigUInt64LE(16)
      log.push({ offset: Number(head.readBigUInt64LE(0)) * sector, length, flags, at })
      if ((flags & DISCARD) === 0n) at += length
    }
    return log
  }
}

/**
 * A program that another test is just starting has for a moment, until it is that program, all files open that this
 * process has: what was closed here is busy still.
 */
async function unmount(folder: string): Promise<void> {
  await until(`${folder} is unmounted`, async () => (await run('umount', [folder])).code === 0)
}
